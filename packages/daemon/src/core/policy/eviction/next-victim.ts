/** Goes through candidates in their order, while that order changes: what shared its content with a victim may become a last copy. */
import { MinHeap } from "./min-heap.js";
import { type Candidate, compareForEviction } from "./order.js";

export class NextVictim<Item extends Candidate> {
  readonly #order: readonly Item[];
  #at = 0;
  /** Those that were put back. */
  readonly #late = new MinHeap<Item>([], compareForEviction);

  constructor(order: readonly Item[]) {
    this.#order = order;
  }

  pop(): Item | undefined {
    const next = this.#order[this.#at];
    const late = this.#late.first;
    if (next === undefined || (late !== undefined && compareForEviction(late, next) < 0)) return this.#late.pop();
    this.#at += 1;
    return next;
  }

  putBack(item: Item): void {
    this.#late.push(item);
  }
}
