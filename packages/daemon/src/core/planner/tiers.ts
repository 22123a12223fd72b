/** Who may stand at the top of a relay tree: a slow node there would hold back everybody below. */

/** A node with less than this share of the best capacity comes after all nodes that have it. */
const FAST_SHARE = 0.25;

/** @returns the least capacity that belongs to the fast tier. */
export function fastThreshold(bestCapacity: number): number {
  return bestCapacity * FAST_SHARE;
}

/** Added to the score of slow nodes; far above any score. */
export const SLOW_PENALTY = 1e6;
