/** Order serves people; rarity serves the swarm: a shard that hangs on one node's life is copied before the others. */

/**
 * @param shards that are due, in order.
 * @param holders how many peers hold a shard.
 * @returns the same shards: first those that exactly one peer holds, the rest as they came.
 */
export function orderByRarity(shards: readonly number[], holders: (shard: number) => number): readonly number[] {
  const rare = shards.filter((shard) => holders(shard) === 1);
  if (rare.length === 0 || rare.length === shards.length) return shards;
  return [...rare, ...shards.filter((shard) => holders(shard) !== 1)];
}
