/** The bounds that hold where none was asked for, and what is said when they leave no room. */
import { formatBytes, SwarmError } from "@swarmd/protocol";
import type { CacheBounds, CacheState } from "../core/policy/eviction/cache-state.js";
import type { EvictionPlan } from "../core/policy/eviction/plan-eviction.js";
import type { KeeperOptions } from "./ports.js";

/** Our own default: most of a disk may be cache, as long as the machine can breathe. */
export const DEFAULT_FREE_SHARE = 0.1;

/**
 * Without any bound some of the disk stays free; softly, since nobody asked for it.
 *
 * @param marginBytes of the disk that no pull gets: what comes needs so much beyond itself, or it is not let in
 */
export function withDefault(bounds: CacheBounds, { disk }: CacheState, marginBytes = 0): CacheBounds {
  const { maxBytes, maxModels, minFreeBytes } = bounds;
  if (maxBytes !== undefined || maxModels !== undefined || minFreeBytes !== undefined) {
    return marginBytes > (minFreeBytes ?? 0) ? { ...bounds, minFreeBytes: marginBytes } : bounds;
  }
  return { ...bounds, minFreeBytes: disk.totalBytes * DEFAULT_FREE_SHARE, isMinFreeSoft: true };
}

/** Why nothing may go, and what to do. */
export function cacheFull(
  id: string,
  neededBytes: number,
  { policy, bounds }: KeeperOptions,
  plan: EvictionPlan,
): SwarmError {
  const why = plan.kind === "full" ? plan.why : "bytes";
  const bound = {
    models: `at most ${bounds.maxModels} models`,
    disk: `${formatBytes(bounds.minFreeBytes ?? 0)} of the disk and a margin stay free`,
    reserved: `${Math.round(100 * (bounds.reservedPinnedShare ?? 0))} % of ${formatBytes(bounds.maxBytes ?? 0)} are for pinned models`,
    bytes: `at most ${formatBytes(bounds.maxBytes ?? 0)}`,
    expired: "",
  }[why];
  const what =
    policy === "no-evict" ? "nothing is evicted (no-evict)" : "what is there is in use, pinned or not swarmd's own";
  return new SwarmError(
    "CACHE_FULL",
    `${id} needs ${formatBytes(neededBytes)}, and the cache is full: ${bound}, and ${what}`,
    {
      hint: "Remove something (swarm ls, swarm rm, swarm unpin), or raise the bound (--cache-max-size, --cache-max-models, --min-free).",
    },
  );
}
