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
  /**
   * Whether anyone may read the repo: by the origin's own word; `published` by that of another node, for a repo that no origin has.
   *
   * @throws SwarmError when nobody can say now
   */
  of(repo: RepoRef, options: { readonly signal: AbortSignal }): Promise<"public" | "published" | "private">;
}
