/**
 * Memory to receive into, shared by the connections of a thread: made when needed, used again, bounded in all.
 *
 * The more one read asks for, the fewer acknowledgements the kernel sends from our time: with megabytes on offer a gigabyte costs two
 * thirds of what it costs with 512 KiB, although most reads bring no more. So connections that bring much at once get large buffers,
 * as long as there are some.
 */

/** For every connection at first, and for slow ones: a dozen of them don't matter. */
const SMALL_BYTES = 256 * 1024;
const LARGE_BYTES = 4 * 1024 * 1024;
/** Large ones in use or kept, per thread: 12 MiB. */
const MOST_LARGE = 3;
/** As many as a window of shards takes: what is made anew for every shard is garbage as fast as the bytes come. */
const MOST_SMALL_KEPT = 32;
/** A read that brings so much shows that a large buffer is of use; a link of 1 Gbit/s hardly ever does. */
const LARGE_READ_BYTES = 128 * 1024;
/** Less room than one part in so many is not worth a read. */
const LEAST_ROOM_OF_SMALL = 8;
const LEAST_ROOM_OF_LARGE = 2;

export class ReceiveBuffers {
  readonly #small: Buffer[] = [];
  readonly #large: Buffer[] = [];
  /** In use or kept. */
  #largeMade = 0;

  /** @param largestReadBytes what the connection brought with one read, lately */
  take(largestReadBytes = 0): Buffer {
    if (largestReadBytes >= LARGE_READ_BYTES) {
      const large = this.#large.pop();
      if (large !== undefined) return large;
      if (this.#largeMade < MOST_LARGE) {
        this.#largeMade += 1;
        return Buffer.allocUnsafeSlow(LARGE_BYTES);
      }
    }
    return this.#small.pop() ?? Buffer.allocUnsafeSlow(SMALL_BYTES);
  }

  /** Nobody may use it any more. */
  give(buffer: Buffer): void {
    if (buffer.length === LARGE_BYTES) this.#large.push(buffer);
    else if (this.#small.length < MOST_SMALL_KEPT) this.#small.push(buffer);
  }

  /** Whether it is time for the next one. */
  isSpent(buffer: Buffer, filledBytes: number): boolean {
    const parts = buffer.length === LARGE_BYTES ? LEAST_ROOM_OF_LARGE : LEAST_ROOM_OF_SMALL;
    return buffer.length - filledBytes < buffer.length / parts;
  }

  /** How much of one connection may wait for the disk: two of such buffers. */
  mostPendingBytes(buffer: Buffer): number {
    return 2 * buffer.length;
  }
}
