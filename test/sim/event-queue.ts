/** Things to happen at a time: a binary heap; equal times in the order of adding. Columns, not objects: millions pass through. */
export class EventQueue {
  #atMs = new Float64Array(1_024);
  #order = new Float64Array(1_024);
  readonly #runs: (() => void)[] = [];
  #sequence = 0;

  get nextMs(): number {
    return this.#runs.length === 0 ? Number.POSITIVE_INFINITY : (this.#atMs[0] as number);
  }

  add(atMs: number, run: () => void): void {
    const runs = this.#runs;
    const sequence = this.#sequence++;
    let index = runs.push(run) - 1;
    if (index >= this.#atMs.length) this.#grow();
    while (index > 0) {
      const parent = (index - 1) >> 1;
      // What is added now comes after everything of the same time.
      if (atMs >= (this.#atMs[parent] as number)) break;
      this.#put(index, parent);
      index = parent;
    }
    this.#set(index, atMs, sequence, run);
  }

  /** Removes the next one. Its time is {@link nextMs} before the call. */
  take(): (() => void) | undefined {
    const runs = this.#runs;
    const first = runs[0];
    const last = runs.pop();
    const size = runs.length;
    if (last === undefined || size === 0) return first;
    const atMs = this.#atMs[size] as number;
    const sequence = this.#order[size] as number;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= size) break;
      if (child + 1 < size && this.#isBefore(child + 1, this.#atMs[child] as number, this.#order[child] as number))
        child += 1;
      if (!this.#isBefore(child, atMs, sequence)) break;
      this.#put(index, child);
      index = child;
    }
    this.#set(index, atMs, sequence, last);
    return first;
  }

  #isBefore(index: number, atMs: number, sequence: number): boolean {
    const own = this.#atMs[index] as number;
    return own < atMs || (own === atMs && (this.#order[index] as number) < sequence);
  }

  #put(to: number, from: number): void {
    this.#set(to, this.#atMs[from] as number, this.#order[from] as number, this.#runs[from] as () => void);
  }

  #set(index: number, atMs: number, sequence: number, run: () => void): void {
    this.#atMs[index] = atMs;
    this.#order[index] = sequence;
    this.#runs[index] = run;
  }

  #grow(): void {
    const [atMs, order] = [this.#atMs, this.#order];
    this.#atMs = new Float64Array(2 * atMs.length);
    this.#order = new Float64Array(2 * order.length);
    this.#atMs.set(atMs);
    this.#order.set(order);
  }
}
