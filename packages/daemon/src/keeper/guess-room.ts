/** Whether there is room for all that is being pulled, even if none of it were there yet. Pure. */
import type { CacheBounds, CacheState } from "../core/policy/eviction/cache-state.js";
import { DEFAULT_FREE_SHARE } from "./bounds.js";

/** `likely`: the disk has room, and how big the cache is nobody knows yet. `unknown`: only a look at the cache tells. */
export type RoomGuess = "certain" | "likely" | "unknown";

export interface RoomQuestion {
  /** As asked for. */
  readonly bounds: CacheBounds;
  readonly disk: CacheState["disk"];
  /** Of the disk, never promised to a pull. */
  readonly marginBytes: number;
  /** How big the cache is, as last seen. */
  readonly extent: { readonly bytes: number; readonly models: number } | undefined;
  /** Of all pulls under way. */
  readonly neededBytes: number;
  readonly pulls: number;
}

export function guessRoom({ bounds, disk, marginBytes, extent, neededBytes, pulls }: RoomQuestion): RoomGuess {
  const { maxBytes, maxModels, minFreeBytes, reservedPinnedShare } = bounds;
  const isByDisk = maxBytes === undefined && maxModels === undefined;
  if (reservedPinnedShare !== undefined) return "unknown";
  const askedFree = minFreeBytes ?? (isByDisk ? disk.totalBytes * DEFAULT_FREE_SHARE : 0);
  if (disk.freeBytes - neededBytes < Math.max(askedFree, marginBytes)) return "unknown";
  if (isByDisk) return "certain";
  const room = { bytes: maxBytes ?? Number.POSITIVE_INFINITY, models: maxModels ?? Number.POSITIVE_INFINITY };
  if (extent === undefined) return neededBytes <= room.bytes ? "likely" : "unknown";
  const isWithin = extent.bytes + neededBytes <= room.bytes && extent.models + pulls <= room.models;
  return isWithin ? "certain" : "unknown";
}
