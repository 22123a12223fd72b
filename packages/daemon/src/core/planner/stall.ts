/** How long an attempt may bring nothing before its source is given up. */

/**
 * A machine with too much to do stops for a second or two now and then, and goes on. With 1 s, eight nodes of which half are starved take
 * duty from each other three times as often, and end later (scenario `starved`).
 */
const LEAST_MS = 2_000;
const MOST_MS = 5_000;
/** A gap four times as long as nearly all gaps were is no ordinary one. */
const TIMES_P95 = 4;

/**
 * Those near the root of a relay tree notice first and mend it; those below must not run away from parents that only wait
 * themselves. So patience grows with the depth.
 *
 * @param p95GapMs of the times between two signs of life, as observed.
 * @param place in the shard's order; 0 is the root.
 */
export function stallAfterMs(p95GapMs: number, place: number): number {
  const baseMs = Math.min(MOST_MS, Math.max(LEAST_MS, TIMES_P95 * p95GapMs));
  return baseMs * (1 + Math.log2(1 + place) / 2);
}
