/** How long an attempt may bring nothing before its source is given up. */

/**
 * A machine with too much to do stops for a second or two now and then, and goes on. With 1 s, eight nodes of which half are starved take
 * duty from each other three times as often, and end later (scenario `starved`).
 */
const LEAST_MS = 2_000;
const MOST_MS = 5_000;
/** A gap four times as long as nearly all gaps were is no ordinary one. */
const TIMES_P95 = 4;

export interface Waiting {
  /** Of the times between two signs of life, as observed. */
  readonly p95GapMs: number;
  /** In the shard's order; 0 is the root. */
  readonly place: number;
  /**
   * Of the shards that come by relays, hardly any has come yet: in a cold start all nodes begin their threads, ask for tickets and open
   * connections at the same time, which says nothing about any of them.
   */
  readonly isFirst: boolean;
}

/**
 * Those near the root of a relay tree notice first and mend it; those below must not run away from parents that only wait
 * themselves. So patience grows with the depth.
 */
export function stallAfterMs({ p95GapMs, place, isFirst }: Waiting): number {
  const baseMs = isFirst ? MOST_MS : Math.min(MOST_MS, Math.max(LEAST_MS, TIMES_P95 * p95GapMs));
  return baseMs * (1 + Math.log2(1 + place) / 2);
}
