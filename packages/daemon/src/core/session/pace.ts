/** How fast an attempt goes lately: a source that slowed down midway must not live on what it brought before. */

interface Mark {
  readonly atMs: number;
  readonly positionBytes: number;
}

/** Who joins a shard midway gets at once what is there: only after so long the pace is that of the source. */
const SETTLED_AFTER_MS = 2_000;
/** A pace is told over so long at least. */
const LEAST_SETTLED_MS = 1_000;

export class Pace {
  /** The rate is taken from the older mark on: over one to two spans of time. */
  #older: Mark;
  #newer: Mark;
  #sinceMs: number;
  #settled: Mark | undefined;

  constructor(atMs: number, positionBytes: number) {
    this.#older = { atMs, positionBytes };
    this.#newer = this.#older;
    this.#sinceMs = atMs;
  }

  /** Since when the present source is judged. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** Another node stands behind the bytes from now on: what the one before did is not held against it. */
  restart(atMs: number, positionBytes: number): void {
    this.#older = { atMs, positionBytes };
    this.#newer = this.#older;
    this.#sinceMs = atMs;
    this.#settled = undefined;
  }

  /** Bytes per millisecond since what was there when we joined has come; undefined while that is too short to tell. */
  settledRate(atMs: number, positionBytes: number): number | undefined {
    const settled = this.#settled;
    if (settled === undefined || atMs - settled.atMs < LEAST_SETTLED_MS) return undefined;
    return (positionBytes - settled.positionBytes) / (atMs - settled.atMs);
  }

  /** To be called now and then. @param spanMs so long what came counts, and up to twice as long. */
  mark(atMs: number, positionBytes: number, spanMs: number): void {
    if (atMs - this.#sinceMs >= SETTLED_AFTER_MS) this.#settled ??= { atMs, positionBytes };
    if (atMs - this.#newer.atMs < spanMs) return;
    this.#older = this.#newer;
    this.#newer = { atMs, positionBytes };
  }

  /** Bytes per millisecond. */
  rate(atMs: number, positionBytes: number): number {
    return (positionBytes - this.#older.positionBytes) / Math.max(1, atMs - this.#older.atMs);
  }
}
