/** Hands things on at once when it is quiet, and several together when it is busy. */
import { RECORDS_MAX } from "@swarmd/protocol/wire";

export class Coalescer<Item> {
  readonly #gatherMs: number;
  readonly #send: (items: readonly Item[]) => void;
  #items: Item[] = [];
  /** Set while something was sent less than `gatherMs` ago. */
  #timer: NodeJS.Timeout | undefined;

  constructor(gatherMs: number, send: (items: readonly Item[]) => void) {
    this.#gatherMs = gatherMs;
    this.#send = send;
  }

  add(item: Item): void {
    this.#items.push(item);
    if (this.#timer === undefined || this.#items.length >= RECORDS_MAX) this.flush();
  }

  /** Sends what waits. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#items.length === 0) return;
    const items = this.#items;
    this.#items = [];
    this.#timer = setTimeout(() => this.flush(), this.#gatherMs);
    this.#timer.unref();
    this.#send(items);
  }
}
