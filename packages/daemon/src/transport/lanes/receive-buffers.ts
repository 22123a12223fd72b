/** Memory to receive into, shared by the connections of a thread: made when needed, used again, a few pieces kept. */

/** Large enough that a read seldom ends for want of room, small enough that a dozen connections don't matter. */
const BUFFER_BYTES = 512 * 1024;
/** Less room than this is not worth a read. */
const LEAST_ROOM_BYTES = 64 * 1024;
const MOST_KEPT = 8;

export class ReceiveBuffers {
  readonly #free: Buffer[] = [];

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
  }

  /** Nobody may use it any more. */
  give(buffer: Buffer): void {
    if (this.#free.length < MOST_KEPT) this.#free.push(buffer);
  }

  /** Whether it is time for the next one. */
  isSpent(buffer: Buffer, filledBytes: number): boolean {
    return buffer.length - filledBytes < LEAST_ROOM_BYTES;
  }
}
