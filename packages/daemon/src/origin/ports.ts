/** What the origin room needs of others; the transfer room's port of the same name fits. */

/** Takes bytes in order. */
export interface ByteSink {
  /**
   * Takes the next bytes. A promise means "stop reading until it resolves"; `undefined` means "go on". The chunk belongs to the
   * sink from the call on.
   */
  write(chunk: Uint8Array): Promise<void> | undefined;
}
