/** Named points in time. The engine asks for one `wake`, at the earliest of them. */
export class Timers {
  readonly #at = new Map<string, number>();
  /** NaN: to be found out. Asked for after every input, changed by few. */
  #earliestMs = Number.POSITIVE_INFINITY;

  /** Sets or moves a timer. */
  set(name: string, atMs: number): void {
    this.#at.set(name, atMs);
    this.#earliestMs = Number.NaN;
  }

  /** Sets a timer unless it would ring earlier than that already. */
  setIfEarlier(name: string, atMs: number): void {
    if (atMs < (this.#at.get(name) ?? Number.POSITIVE_INFINITY)) this.set(name, atMs);
  }

  clear(name: string): void {
    if (this.#at.delete(name)) this.#earliestMs = Number.NaN;
  }

  /** When the next one rings; Infinity when none is set. */
  get earliestMs(): number {
    if (Number.isNaN(this.#earliestMs)) this.#earliestMs = Math.min(...this.#at.values());
    return this.#earliestMs;
  }

  /** Removes those whose time has come and returns their names. */
  takeDue(nowMs: number): string[] {
    const due: string[] = [];
    for (const [name, atMs] of this.#at) if (atMs <= nowMs) due.push(name);
    for (const name of due) this.clear(name);
    return due;
  }
}
