/** Named points in time. The engine asks for one `wake`, at the earliest of them. */
export class Timers {
  readonly #at = new Map<string, number>();

  /** Sets or moves a timer. */
  set(name: string, atMs: number): void {
    this.#at.set(name, atMs);
  }

  /** Sets a timer unless it would ring earlier than that already. */
  setIfEarlier(name: string, atMs: number): void {
    if (atMs < (this.#at.get(name) ?? Number.POSITIVE_INFINITY)) this.#at.set(name, atMs);
  }

  clear(name: string): void {
    this.#at.delete(name);
  }

  /** When the next one rings; Infinity when none is set. */
  get earliestMs(): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (const atMs of this.#at.values()) if (atMs < earliest) earliest = atMs;
    return earliest;
  }

  /** Removes those whose time has come and returns their names. */
  takeDue(nowMs: number): string[] {
    const due: string[] = [];
    for (const [name, atMs] of this.#at) if (atMs <= nowMs) due.push(name);
    for (const name of due) this.#at.delete(name);
    return due;
  }
}
