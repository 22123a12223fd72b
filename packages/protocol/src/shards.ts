/** How a blob is cut into shards. Pure arithmetic; both ends of every transfer must agree on it. */

/** 16 MiB: one request's latency is lost in its transfer, and losing one costs little. */
export const SHARD_BYTES = 16 * 1024 * 1024;

/** How many shards a blob has; an empty blob has none. */
export function shardCount(sizeBytes: number, shardBytes: number = SHARD_BYTES): number {
  return Math.ceil(sizeBytes / shardBytes);
}

/** First byte of a shard. */
export function shardStart(shard: number, shardBytes: number = SHARD_BYTES): number {
  return shard * shardBytes;
}

/** One past the last byte of a shard. */
export function shardEnd(shard: number, sizeBytes: number, shardBytes: number = SHARD_BYTES): number {
  return Math.min((shard + 1) * shardBytes, sizeBytes);
}

/** Bytes in a shard; only the last is shorter. */
export function shardLength(shard: number, sizeBytes: number, shardBytes: number = SHARD_BYTES): number {
  return shardEnd(shard, sizeBytes, shardBytes) - shardStart(shard, shardBytes);
}

/** The shard that holds a byte. */
export function shardAt(offset: number, shardBytes: number = SHARD_BYTES): number {
  return Math.floor(offset / shardBytes);
}
