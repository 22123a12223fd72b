/** What a repo is at one commit: its files, and for each what the origin vouches for. */
import type { BlobId, CommitId, RepoRef, Revision } from "./ids.js";

export interface RepoFile {
  /** Relative, `/`-separated, and checked by `checkFileNames` before anything is written. */
  readonly path: string;
  readonly sizeBytes: number;
  /** The anchor: sha256 for LFS and Xet files, git sha1 for the rest. */
  readonly blob: BlobId;
  /** Root of the xet hash tree, where the origin gives one. */
  readonly xetHash?: string;
}

export interface RepoManifest {
  readonly repo: RepoRef;
  /** As asked for. */
  readonly revision: Revision;
  /** What it was resolved to; everything after is by commit. */
  readonly commit: CommitId;
  readonly files: readonly RepoFile[];
}
