/**
 * What the manifest room needs of others.
 *
 * *Purpose*: what is in a model, without its bytes: files, blobs, shards, tensors. *In*: file lists, the heads of tensor files. *Out*: one
 * {@link ModelManifest}. *Never*: fetches more than heads, or lets a file that can't be understood hide the others.
 */
import type { NodeId, RepoFile, RepoManifest } from "@swarmd/protocol";

interface Cancellable {
  readonly signal: AbortSignal;
}

export interface PlannedRepo {
  readonly manifest: RepoManifest;
  /** Of a repo that no origin has. */
  readonly publisher: NodeId | undefined;
  /** Whether bytes may be read from the origin. */
  readonly mayAskOrigin: boolean;
}

/** Where the first bytes of a file come from. */
export interface HeadSource {
  readonly name: "cache" | "origin" | "peer";
  /** `[0, endBytes)`. @throws SwarmError */
  read(endBytes: number, options: Cancellable): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface HeadSources {
  /** Best first; each is opened only when those before it have failed. */
  of(file: RepoFile, repo: PlannedRepo): readonly (() => Promise<HeadSource | undefined>)[];
}
