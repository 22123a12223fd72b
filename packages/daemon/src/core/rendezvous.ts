/**
 * Weighted rendezvous hashing: every node computes the same order of nodes for a shard, without a word between them.
 *
 * A node that comes or goes moves only the shards that it wins or won. Weights follow the announced capacity: a node twice as fast
 * is first twice as often.
 */

/** FNV-1a over the characters: enough to tell names apart; {@link mix} does the spreading. */
export function keyOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < name.length; index += 1) {
    hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}

/** The key of one shard of a blob. */
export function shardKeyOf(blobKey: number, shard: number): number {
  return mix(blobKey ^ Math.imul(shard + 1, 0x9e3779b1));
}

/** A bijection of 32 bits in which every input bit changes half of the output bits (the finaliser of MurmurHash3). */
function mix(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Hash of a node for a shard, for breaking ties between two nodes. */
export function drawOf(nodeKey: number, shardKey: number): number {
  return mix(nodeKey ^ shardKey);
}

/**
 * A node's place in the order of a shard: lower goes first. Exponential with rate `weight`, so the chance to be first is
 * proportional to the weight.
 */
export function scoreOf(nodeKey: number, shardKey: number, weight: number): number {
  return -Math.log((drawOf(nodeKey, shardKey) + 1) / 4_294_967_297) / weight;
}
