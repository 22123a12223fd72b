/** Quantiles over the last values of something measured. */

/** Enough for a p95, few enough to follow changes within seconds. */
const WINDOW = 64;

export class Quantiles {
  readonly #values: number[] = [];
  #next = 0;
  #sorted: number[] | undefined;

  add(value: number): void {
    this.#values[this.#next] = value;
    this.#next = (this.#next + 1) % WINDOW;
    this.#sorted = undefined;
  }

  /** What was measured so far says nothing about what comes. */
  clear(): void {
    this.#values.length = 0;
    this.#next = 0;
    this.#sorted = undefined;
  }

  /** @returns 0 before there are values enough to speak of a distribution. */
  at(quantile: number): number {
    if (this.#values.length < 8) return 0;
    this.#sorted ??= [...this.#values].sort((a, b) => a - b);
    return this.#sorted[Math.floor(quantile * (this.#sorted.length - 1))] as number;
  }
}
