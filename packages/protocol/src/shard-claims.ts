/**
 * Which bytes of a file in the making count, shard by shard, in memory that threads share. Who writes takes the shard first and
 * leaves alone what counts: so nobody, from whatever source, writes over bytes that were read or hashed already.
 */

/** Nobody. */
const FREE = 0;

export class ShardClaims {
  /** Hand it to another thread and `join` there. */
  readonly shared: SharedArrayBuffer;
  /** Per shard: who holds it, and how many bytes from its start count. A shard is at most 32 MiB long. */
  readonly #cells: Int32Array;

  private constructor(shared: SharedArrayBuffer) {
    this.shared = shared;
    this.#cells = new Int32Array(shared);
  }

  static of(shards: number): ShardClaims {
    return new ShardClaims(new SharedArrayBuffer(shards * 2 * Int32Array.BYTES_PER_ELEMENT));
  }

  static join(shared: SharedArrayBuffer): ShardClaims {
    return new ShardClaims(shared);
  }

  /** Takes the shard if nobody has it. `owner` is any number but 0. */
  tryTake(shard: number, owner: number): boolean {
    return Atomics.compareExchange(this.#cells, shard * 2, FREE, owner) === FREE;
  }

  release(shard: number, owner: number): void {
    Atomics.compareExchange(this.#cells, shard * 2, owner, FREE);
  }

  /** For an owner that can't do it any more. */
  releaseAll(owner: number): void {
    for (let cell = 0; cell < this.#cells.length; cell += 2) Atomics.compareExchange(this.#cells, cell, owner, FREE);
  }

  /** How many bytes from the shard's start count. */
  countedBytes(shard: number): number {
    return Atomics.load(this.#cells, shard * 2 + 1);
  }

  /** Bytes `[offsetBytes, endBytes)` of the shard are written, by whoever holds it. Behind a gap they do not count. */
  count(shard: number, offsetBytes: number, endBytes: number): void {
    const before = this.countedBytes(shard);
    if (offsetBytes <= before && endBytes > before) Atomics.store(this.#cells, shard * 2 + 1, endBytes);
  }

  /** Nothing of the shard counts any more. */
  forget(shard: number): void {
    Atomics.store(this.#cells, shard * 2 + 1, 0);
  }
}
