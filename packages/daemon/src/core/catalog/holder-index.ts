/**
 * Which peers hold a shard, found without a look at those that don't: a row of bits per shard, one bit per peer.
 *
 * With a thousand peers of whom three hold a shard, going through all of them for each question is most of a node's work.
 */
import type { ShardSet } from "../shard-set.js";

/** One peer's part in a blob, as far as the index has to know it. */
export interface Indexed {
  /** Its bit; given by the index, in the order of adding. */
  slot: number;
  readonly isComplete: boolean;
  readonly holds: ShardSet;
}

/** Bits of a word. */
const WORD = 32;

export class HolderIndex<Part extends Indexed> {
  readonly #shards: number;
  #parts: (Part | undefined)[] = [];
  /** Words per row. Behind the rows of the shards comes one of those that are complete. */
  #stride = 1;
  #rows: Uint32Array;

  /** @param parts all that there are, in the order in which they are to be found. */
  constructor(shards: number, parts: Iterable<Part>) {
    this.#shards = shards;
    this.#rows = new Uint32Array(0);
    this.#rebuild([...parts]);
  }

  add(part: Part): void {
    if (this.#parts.length >= this.#stride * WORD) {
      this.#rebuild([...this.#parts.filter((one) => one !== undefined), part]);
      return;
    }
    part.slot = this.#parts.push(part) - 1;
    this.#fill(part);
  }

  remove({ slot, holds }: Part): void {
    for (const shard of holds) this.mark(slot, shard, false);
    this.markComplete(slot, false);
    this.#parts[slot] = undefined;
  }

  mark(slot: number, shard: number, isHeld: boolean): void {
    const index = shard * this.#stride + (slot >>> 5);
    const word = this.#rows[index] as number;
    const bit = 1 << (slot & 31);
    this.#rows[index] = isHeld ? word | bit : word & ~bit;
  }

  markComplete(slot: number, isComplete: boolean): void {
    this.mark(slot, this.#shards, isComplete);
  }

  /**
   * Visits the parts that hold a shard, beginning at `first` and round to the one before it.
   *
   * @param which `any`, or only those that hold a part of the blob.
   * @param visit returns whether to go on.
   */
  visit(shard: number, first: number, which: "any" | "partial", visit: (part: Part) => boolean): void {
    if (this.#visitRange(shard, first, this.#parts.length, which, visit)) {
      this.#visitRange(shard, 0, first, which, visit);
    }
  }

  /** @returns whether to go on. */
  #visitRange(
    shard: number,
    from: number,
    to: number,
    which: "any" | "partial",
    visit: (part: Part) => boolean,
  ): boolean {
    const row = shard * this.#stride;
    const complete = this.#shards * this.#stride;
    for (let index = from >>> 5; index * WORD < to; index += 1) {
      const held = this.#rows[row + index] as number;
      const whole = this.#rows[complete + index] as number;
      let word = which === "any" ? held | whole : held & ~whole;
      if (index === from >>> 5) word &= 0xffffffff << (from & 31);
      for (; word !== 0; word &= word - 1) {
        const slot = index * WORD + 31 - Math.clz32(word & -word);
        if (slot >= to) return true;
        const part = this.#parts[slot];
        if (part !== undefined && !visit(part)) return false;
      }
    }
    return true;
  }

  /** Numbers the parts anew, with room for half as many more. */
  #rebuild(parts: readonly Part[]): void {
    this.#parts = [];
    this.#stride = Math.ceil((1.5 * parts.length + 1) / WORD);
    this.#rows = new Uint32Array((this.#shards + 1) * this.#stride);
    for (const part of parts) {
      part.slot = this.#parts.push(part) - 1;
      this.#fill(part);
    }
  }

  #fill({ slot, holds, isComplete }: Part): void {
    for (const shard of holds) this.mark(slot, shard, true);
    this.markComplete(slot, isComplete);
  }
}
