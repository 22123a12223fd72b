/** What the hash tree needs of others. */

/** Reads bytes of one blob that this node holds and has checked. */
export interface BlobReader {
  /**
   * Fills `target` with the bytes from `positionBytes` on.
   *
   * @throws SwarmError PEER_LACKS when not all of them are held.
   */
  read(positionBytes: number, target: Uint8Array, options: { readonly signal: AbortSignal }): Promise<void>;
}
