/** The smallest first, without sorting those that are never asked for: building takes time linear in their number. */
export class MinHeap<Item> {
  readonly #items: Item[];
  readonly #compare: (a: Item, b: Item) => number;

  /** Takes the array over. */
  constructor(items: Item[], compare: (a: Item, b: Item) => number) {
    this.#items = items;
    this.#compare = compare;
    for (let at = (items.length >> 1) - 1; at >= 0; at -= 1) this.#sink(at);
  }

  get size(): number {
    return this.#items.length;
  }

  get first(): Item | undefined {
    return this.#items[0];
  }

  pop(): Item | undefined {
    const first = this.#items[0];
    const last = this.#items.pop();
    if (this.#items.length > 0) {
      this.#items[0] = last as Item;
      this.#sink(0);
    }
    return first;
  }

  /** Puts an item back, in its new place. */
  push(item: Item): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (this.#compare(items[above] as Item, item) <= 0) break;
      items[at] = items[above] as Item;
      at = above;
    }
    items[at] = item;
  }

  #sink(from: number): void {
    const items = this.#items;
    const item = items[from] as Item;
    let at = from;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= items.length) break;
      if (below + 1 < items.length && this.#compare(items[below + 1] as Item, items[below] as Item) < 0) below += 1;
      if (this.#compare(item, items[below] as Item) <= 0) break;
      items[at] = items[below] as Item;
      at = below;
    }
    items[at] = item;
  }
}
