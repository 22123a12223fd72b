/** A set of shards of one blob, one bit each: small enough to keep one per peer, quick to scan. */
export class ShardSet {
  /** How many shards the blob has. */
  readonly size: number;
  #words: Uint32Array;
  #count = 0;
  #shared = false;

  constructor(size: number) {
    this.size = size;
    this.#words = new Uint32Array((size + 31) >>> 5);
  }

  /** Every shard of a blob of `size` shards. */
  static full(size: number): ShardSet {
    const set = new ShardSet(size);
    set.#words.fill(0xffffffff);
    if ((size & 31) !== 0) set.#words[set.#words.length - 1] = 2 ** (size & 31) - 1;
    set.#count = size;
    return set;
  }

  /** How many are in it. */
  get count(): number {
    return this.#count;
  }

  has(shard: number): boolean {
    return ((this.#words[shard >>> 5] as number) & (1 << (shard & 31))) !== 0;
  }

  /** @returns whether it is new. */
  add(shard: number): boolean {
    if (shard < 0 || shard >= this.size || this.has(shard)) return false;
    this.#own();
    this.#words[shard >>> 5] = (this.#words[shard >>> 5] as number) | (1 << (shard & 31));
    this.#count += 1;
    return true;
  }

  /** @returns whether it was there. */
  delete(shard: number): boolean {
    if (shard < 0 || shard >= this.size || !this.has(shard)) return false;
    this.#own();
    this.#words[shard >>> 5] = (this.#words[shard >>> 5] as number) & ~(1 << (shard & 31));
    this.#count -= 1;
    return true;
  }

  /** The first member at or after `from`, or -1. */
  next(from: number): number {
    if (from >= this.size || this.#count === 0) return -1;
    let index = from >>> 5;
    let word = (this.#words[index] as number) & (0xffffffff << (from & 31));
    while (word === 0) {
      index += 1;
      if (index >= this.#words.length) return -1;
      word = this.#words[index] as number;
    }
    return index * 32 + (31 - Math.clz32(word & -word));
  }

  /** A copy that costs nothing until one of the two is written to. */
  clone(): ShardSet {
    const copy = new ShardSet(0);
    (copy as { size: number }).size = this.size;
    copy.#words = this.#words;
    copy.#count = this.#count;
    copy.#shared = true;
    this.#shared = true;
    return copy;
  }

  *[Symbol.iterator](): Generator<number> {
    for (let shard = this.next(0); shard !== -1; shard = this.next(shard + 1)) yield shard;
  }

  #own(): void {
    if (!this.#shared) return;
    this.#words = this.#words.slice();
    this.#shared = false;
  }
}
