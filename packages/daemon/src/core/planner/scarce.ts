/** When complete holders are to be spared like the origin. */

/**
 * Few seeds facing many wanters: each shard should leave a seed once and spread from there. With as many seeds as wanters or
 * nearly so, asking a seed is the shortest way.
 *
 * @param wanters our own node included.
 */
export function areSeedsScarce(seeds: number, wanters: number): boolean {
  return wanters >= 2 && wanters > 2 * seeds;
}
