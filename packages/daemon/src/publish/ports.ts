/**
 * What the publish room needs of others.
 *
 * *Purpose*: repos that no origin has: takes a folder into the cache under a name, signs what is in it, and says whose word counts when
 * such a repo is pulled. *In*: folders, publications that peers hold. *Out*: publications, file lists, the choice between publishers.
 * *Never*: asks an origin, talks to a peer, or believes a publication whose signature it has not checked.
 */
import type { BlobId, CommitId, NodeId, RepoFile, RepoManifest, RepoRef, Revision } from "@swarmd/protocol";
import type { Publication } from "@swarmd/protocol/wire";

interface Cancellable {
  readonly signal: AbortSignal;
}

/** The key that this node is known by. */
export interface Signer {
  readonly id: NodeId;
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}

/** A small text that outlives the process. */
export interface Records {
  /** `undefined` when nothing was written yet. */
  read(): Promise<string | undefined>;
  /** @throws SwarmError NO_SPACE, STORE_FAULT */
  write(text: string): Promise<void>;
}

/** A file that is in the cache now, under its sha256. */
export interface ImportedFile {
  readonly blob: BlobId;
  readonly sizeBytes: number;
}

/** The store, as far as publishing goes. */
export interface PublishStore {
  /** Copies a file into the repo's blobs and names it by its content. @throws SwarmError STORE_FAULT, NO_SPACE, INTERRUPTED; USAGE when it changes meanwhile */
  importFile(source: string, repo: RepoRef, options: Cancellable): Promise<ImportedFile>;
  checkFileNames(paths: readonly string[]): Promise<void>;
  reserve(bytes: number): Promise<{ release(): void }>;
  link(
    file: { readonly repo: RepoRef; readonly commit: CommitId; readonly path: string; readonly blob: BlobId },
    options: Cancellable,
  ): Promise<string>;
  readTree(repo: RepoRef, commit: CommitId): Promise<readonly RepoFile[] | undefined>;
  writeTree(manifest: RepoManifest): Promise<void>;
  writeRef(repo: RepoRef, revision: Revision, commit: CommitId): Promise<void>;
  snapshotPath(repo: RepoRef, commit: CommitId): string;
}

/** Whether the origin has a repo of a name: `unknown` when it can't be asked now. */
export type NameAtOrigin = "exists" | "absent" | "unknown";

/** A publication that somebody holds. */
export interface HeldPublication {
  readonly publication: Publication;
  /** Peers that hold all of it and can be reached. */
  readonly holders: readonly NodeId[];
}

/** What other nodes hold, by what they say. */
export interface HeldByOthers {
  publicationsOf(repo: RepoRef): readonly HeldPublication[];
}

/** Asks a peer for the file list of a publication. */
export interface FileLists {
  /** @throws SwarmError PEER_*, INTERRUPTED */
  ask(
    peer: NodeId,
    list: { readonly sha256: string; readonly bytes: number },
    options: Cancellable,
  ): Promise<Uint8Array>;
}
