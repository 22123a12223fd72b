/**
 * What a decision about the cache reads: plain data, put together by whoever keeps the cache.
 *
 * What is evicted is a revision: a model with holes is of use to nobody. Its bytes are those of the blobs that no other revision uses.
 */

/** The content of one file. */
export interface CachedBlob {
  readonly sizeBytes: number;
  /** Other nodes that hold all of it, as far as we know. */
  readonly copiesElsewhere: number;
  /** A header, a tokenizer, the first layers: it stays when its revision goes. */
  readonly isStartup?: boolean;
}

/** Why a revision stays, whatever the pressure. */
export type KeepReason = "foreign" | "published" | "pin" | "open" | "lease" | "pull";

/** One commit of one repo. */
export interface CachedRevision {
  readonly id: string;
  /** Its repo: what `--cache-max-models` counts. */
  readonly model: string;
  readonly lastUsedMs: number;
  /** Another revision of the repo is the current one. */
  readonly isOld: boolean;
  readonly isPinned: boolean;
  readonly keep: KeepReason | undefined;
  /** Indexes into {@link CacheState.blobs}, each once. */
  readonly blobs: readonly number[];
}

export interface CacheState {
  readonly blobs: readonly CachedBlob[];
  readonly revisions: readonly CachedRevision[];
  /** Of the file system that the cache lies on. */
  readonly disk: { readonly freeBytes: number; readonly totalBytes: number };
}

/** What is about to come in. */
export interface Admission {
  readonly model: string;
  readonly neededBytes: number;
  readonly isPinned: boolean;
}

/** How far the cache may grow. What is left out does not bound it. */
export interface CacheBounds {
  /** All blobs of the cache together. */
  readonly maxBytes?: number;
  readonly maxModels?: number;
  /** So much of the disk stays free. */
  readonly minFreeBytes?: number;
  /**
   * Nobody asked for `minFreeBytes`, it is our default: it refuses nothing, and no pull evicts more than about its own size for it.
   * Else a disk that others have filled would empty the cache without ever getting below the bound.
   */
  readonly isMinFreeSoft?: boolean;
  /** What was untouched for so long goes. */
  readonly ttlMs?: number;
  /** Share of `maxBytes` that only pinned models may take. */
  readonly reservedPinnedShare?: number;
}

/** One revision that is to go. */
export interface Victim {
  readonly revision: CachedRevision;
  /** What its going frees, given those before it in the list. */
  readonly freedBytes: number;
  /** Some of it is on no other node. */
  readonly isLastCopy: boolean;
  readonly why: "expired" | "bytes" | "models" | "disk" | "reserved";
}
