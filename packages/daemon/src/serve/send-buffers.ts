/** Pairs of read buffers: made when needed, used again, a few kept. */

export type BufferPair = readonly [Buffer, Buffer];

export class SendBuffers {
  readonly #bytes: number;
  readonly #mostKept: number;
  readonly #free: BufferPair[] = [];

  /** @param bytes of each buffer */
  constructor(bytes: number, mostKept: number) {
    this.#bytes = bytes;
    this.#mostKept = mostKept;
  }

  take(): BufferPair {
    return this.#free.pop() ?? [Buffer.allocUnsafeSlow(this.#bytes), Buffer.allocUnsafeSlow(this.#bytes)];
  }

  give(pair: BufferPair): void {
    if (this.#free.length < this.#mostKept) this.#free.push(pair);
  }
}
