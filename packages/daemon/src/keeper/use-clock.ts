/** So far the clocks of a file server and of this machine may differ. */
const AHEAD_MS = 60_000;

/**
 * Time for "when was it last used": it starts at the wall clock and goes on with the monotonic one, so that a clock that jumps makes
 * nothing old at once; and it never starts before the last use that was written down, so that a clock set back between two runs
 * does not turn the order of uses around.
 */
export class UseClock {
  readonly #startedMs: number;
  readonly #monotonicMs: () => number;
  readonly #originMs: number;

  constructor(options: { readonly wallMs: number; readonly newestUseMs: number; readonly monotonicMs: () => number }) {
    this.#startedMs = Math.max(options.wallMs, options.newestUseMs);
    this.#monotonicMs = options.monotonicMs;
    this.#originMs = options.monotonicMs();
  }

  nowMs(): number {
    return this.#startedMs + this.#monotonicMs() - this.#originMs;
  }

  /**
   * A time stamp of the disk, in this clock's time. One from the future, left by a clock that was wrong, says nothing: it counts as the
   * start of this run, for else the file would be the one used last for years.
   */
  fromWall(stampMs: number, wallNowMs: number): number {
    if (stampMs > wallNowMs + AHEAD_MS) return this.#startedMs;
    return this.nowMs() - Math.max(0, wallNowMs - stampMs);
  }
}
