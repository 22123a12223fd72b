/** How many consecutive shards one origin request covers. */

/** More would make resuming and focus clumsy, and gains nothing: at 64 MiB a request's latency is already lost. */
const MAX_RUN = 4;

/**
 * Guided self-scheduling: long runs while much is left, single shards near the end, so that all workers end together.
 *
 * @param absentShards shards that nobody fetches yet, over all blobs.
 * @param workers requests that can run at the same time.
 */
export function runLength(absentShards: number, workers: number): number {
  return Math.max(1, Math.min(MAX_RUN, Math.floor(absentShards / (2 * Math.max(1, workers)))));
}
