/** Of sets without a member: most peers hold nothing of most blobs at first. */
const NO_WORDS = new Uint32Array(0);

/** A set of shards of one blob, one bit each: small enough to keep one per peer, quick to scan. */
export class ShardSet {
  /** How many shards the blob has. */
  readonly size: number;
  /** None as long as there never was a member. */
  #words = NO_WORDS;
  #count = 0;
  #shared = false;

  constructor(size: number) {
    this.size = size;
  }

  /** Every shard of a blob of `size` shards. */
  static full(size: number): ShardSet {
    const set = new ShardSet(size);
    set.#own();
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
    return this.#count > 0 && ((this.#words[shard >>> 5] as number) & (1 << (shard & 31))) !== 0;
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

  /**
   * Calls `visit` for every shard that is in one of the two sets only.
   *
   * @param visit is told whether the shard is in `next`.
   */
  compare(next: ShardSet, visit: (shard: number, isAdded: boolean) => void): void {
    const [old, now] = [this.#words, next.#words];
    if (old === now) return;
    for (let index = 0; index < old.length || index < now.length; index += 1) {
      const added = now[index] ?? 0;
      for (let word = (old[index] ?? 0) ^ added; word !== 0; word &= word - 1) {
        const bit = 31 - Math.clz32(word & -word);
        visit(index * 32 + bit, (added & (1 << bit)) !== 0);
      }
    }
  }

  #own(): void {
    if (this.#words.length === 0) this.#words = new Uint32Array((this.size + 31) >>> 5);
    if (!this.#shared) return;
    this.#words = this.#words.slice();
    this.#shared = false;
  }
}
