/** What the announce room needs of others. */
import type { BlobId, RepoRef } from "@swarmd/protocol";

/** One repo of the cache. */
export interface CachedRepo {
  readonly repo: RepoRef;
  readonly blobs: readonly { readonly id: BlobId; readonly sizeBytes: number }[];
}

export interface Cache {
  /** Everything that is whole. */
  repos(options: { readonly signal: AbortSignal }): Promise<readonly CachedRepo[]>;
}

export interface Visibility {
  /** Whether anyone may read the repo, by the origin's own word. @throws SwarmError when the origin can't say now */
  isPublic(repo: RepoRef, options: { readonly signal: AbortSignal }): Promise<boolean>;
}
