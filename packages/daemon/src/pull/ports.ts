/** What the pull room needs of others. */
import type { BlobId, CommitId, NodeId, RepoFile, RepoManifest, RepoRef, Revision } from "@swarmd/protocol";
import type { Publication } from "@swarmd/protocol/wire";

interface Cancellable {
  readonly signal: AbortSignal;
}

/** What is remembered of the origin's word on who may read a repo. */
export interface KnownVisibility {
  /** `undefined`: nobody knows. */
  find(repo: RepoRef): Promise<{ readonly isPrivate: boolean; readonly isGated: boolean } | undefined>;
  /** The origin has spoken; `undefined` when it says that there is nothing, or nothing for us. */
  note(
    repo: RepoRef,
    visibility: { readonly isPrivate: boolean; readonly isGated: boolean } | undefined,
  ): Promise<void>;
}

/** Where metadata comes from: the Hub. Whoever else is trusted as much may stand behind this port. */
export interface RepoOrigin {
  /** What a revision points at now. */
  resolve(
    repo: RepoRef,
    revision: Revision,
    options: Cancellable,
  ): Promise<{ readonly commit: CommitId; readonly isPrivate: boolean; readonly isGated: boolean }>;
  /** All files of a commit. */
  tree(repo: RepoRef, commit: CommitId, options: Cancellable): Promise<readonly RepoFile[]>;
}

/** Something that a node publishes, whose word counts for this question. */
export interface PublishedFound {
  readonly kind: "found";
  readonly chosen: { readonly publication: Publication; readonly holders: readonly NodeId[] };
  /** Why it counts. */
  readonly because: "named" | "commit" | "setting" | "member";
}

export type PublishedAnswer =
  | PublishedFound
  | { readonly kind: "untrusted" | "ambiguous"; readonly publishers: readonly NodeId[] }
  | { readonly kind: "nobody" };

/** Repos that no origin has. */
export interface PublishedRepos {
  /** The node whose files were taken under this name before. */
  publisherOf(repo: RepoRef): Promise<NodeId | undefined>;
  /** Who publishes this, and whether it counts. */
  choose(question: {
    readonly repo: RepoRef;
    readonly revision: Revision;
    readonly from: NodeId | undefined;
  }): Promise<PublishedAnswer>;
  /** @throws SwarmError NO_SOURCE, INTERRUPTED */
  filesOf(chosen: PublishedFound["chosen"], options: Cancellable): Promise<readonly RepoFile[]>;
  /** Its files are in the cache: from now on the name means this publisher's. */
  keep(publication: Publication): Promise<void>;
  /** Whether the origin has a repo of this name; never throws but on abort. */
  nameAtOrigin(repo: RepoRef, options: Cancellable): Promise<"exists" | "absent" | "unknown">;
}

/** What tells one version of the file behind a URL from another. */
export interface UrlValidators {
  readonly etag?: string;
  readonly lastModified?: string;
}

export interface UrlFile {
  /** Provisional: nobody knows the digest yet. */
  readonly blob: BlobId;
  readonly sizeBytes: number;
  readonly acceptsRanges: boolean;
  readonly fileName: string;
  readonly validators: UrlValidators;
}

export interface FileOrigin {
  describe(url: string, options: Cancellable): Promise<UrlFile>;
  /** Whether the file still is what these validators stand for. */
  isUnchanged(url: string, validators: UrlValidators, options: Cancellable): Promise<boolean>;
}

export type Locator =
  | {
      readonly kind: "hub";
      readonly repo: RepoRef;
      readonly commit: CommitId;
      readonly path: string;
      readonly sizeBytes: number;
      /** Of whoever wants the file, where the node's own will not do. */
      readonly token?: string;
    }
  | { readonly kind: "url"; readonly url: string; readonly sizeBytes: number; readonly validators: UrlValidators };

/** Tells the origin room where the bytes of a blob are. */
export interface Locators {
  register(blob: BlobId, locator: Locator): void;
  /** Forgets it, if nobody has registered another place since. */
  unregister(blob: BlobId, locator: Locator): void;
}

/** Other members of the cluster, as far as they know what the origin said. */
export interface RepoMembers {
  /** This node belongs to a cluster, and peers are asked at all. */
  readonly areThere: boolean;
  /** Every member may have what is private or gated, whatever its own token opens. */
  readonly shareGated: boolean;
  resolve(
    repo: RepoRef,
    revision: Revision,
    options: Cancellable,
  ): Promise<{ readonly commit: CommitId; readonly isPrivate: boolean; readonly from: NodeId } | undefined>;
  files(
    repo: RepoRef,
    commit: CommitId,
    options: Cancellable & { readonly first?: NodeId },
  ): Promise<{ readonly files: readonly RepoFile[]; readonly from: NodeId } | undefined>;
}

/** Remembers on whose word a file list rests, where it is not the origin's. */
export interface AnchorBasis {
  find(repo: RepoRef, commit: CommitId): Promise<{ readonly member: NodeId } | undefined>;
  note(repo: RepoRef, commit: CommitId, basis: { readonly member: NodeId }): Promise<void>;
  /** The origin has confirmed it, or it was replaced by the origin's. */
  clear(repo: RepoRef, commit: CommitId): Promise<void>;
}

/** Keeps what else the origin says of a blob than its digest: a hash that parts of it can be proven against. */
export interface Anchors {
  note(blob: BlobId, sizeBytes: number, xetHash: string | undefined): void;
}

export interface FoundBlob {
  readonly path: string;
  readonly sizeBytes: number;
}

/** Free space set aside until it is used or given back. */
export interface Reservation {
  release(): void;
}

/** One file of a snapshot. */
export interface LinkedFile {
  readonly commit: CommitId;
  readonly path: string;
  readonly blob: BlobId;
}

/** The store, as far as pulls go. */
export interface PullStore {
  find(
    blob: BlobId,
    options?: { readonly repo?: RepoRef | undefined; readonly sizeBytes?: number },
  ): Promise<FoundBlob | undefined>;
  /** Bytes of a blob that an earlier, unfinished pull left. */
  partialBytes(blob: BlobId): number;
  /** Sets free space aside. @throws SwarmError NO_SPACE */
  reserve(bytes: number): Promise<Reservation>;
  /** @throws SwarmError UNSAFE_FILE_NAME */
  checkFileNames(paths: readonly string[]): Promise<void>;
  readRef(repo: RepoRef, revision: Revision): Promise<CommitId | undefined>;
  writeRef(repo: RepoRef, revision: Revision, commit: CommitId): Promise<void>;
  readTree(repo: RepoRef, commit: CommitId): Promise<readonly RepoFile[] | undefined>;
  writeTree(manifest: RepoManifest): Promise<void>;
  /** Whether the snapshot has this file, and it leads to this blob, which is there. */
  isLinked(file: LinkedFile & { readonly repo: RepoRef }): Promise<boolean>;
  /** Makes the snapshot's link to a blob of the cache, in whichever repo's folder that lies. */
  link(file: LinkedFile & { readonly repo: RepoRef }, options: Cancellable): Promise<string>;
  snapshotPath(repo: RepoRef, commit: CommitId): string;
  /** Hard link, else reflink, else copy; a target that is the same stays. */
  placeFile(blobPath: string, target: string, options: Cancellable): Promise<void>;
  /** The same inside a `--local-dir`, with the notes that huggingface_hub keeps there. */
  placeInLocalDir(
    file: LinkedFile & { readonly blobPath: string; readonly localDir: string },
    options: Cancellable,
  ): Promise<void>;
  /** What the last pull of a URL ended in, if it is still there. */
  findUrl(url: string): Promise<(FoundBlob & { readonly validators: UrlValidators }) | undefined>;
  /** Remembers what the file behind a URL turned out to be. */
  noteUrl(url: string, file: { readonly provisional: BlobId; readonly validators: UrlValidators }): Promise<FoundBlob>;
}

/** Whoever looks after the size of the cache. */
export interface CacheKeeper {
  /** What is found in the cache of these blobs from now on stays until the release. */
  hold(visit: {
    readonly repo: RepoRef;
    readonly commit: CommitId;
    /** All that the pull is about, with their sizes. */
    readonly blobs: ReadonlyMap<BlobId, number>;
  }): Promise<CacheStay>;
  /** Everything was there; `link`: some of it in another place. */
  noteServed(repo: RepoRef, commit: CommitId, action: "hit" | "link"): void;
  noteUse(repo: RepoRef, commit: CommitId): void;
}

export interface CacheStay {
  /** For what is not there. @throws SwarmError CACHE_FULL when it does not fit */
  makeRoom(options: Cancellable): Promise<void>;
  /** May be called twice. */
  release(): void;
}

/** How far a blob is. */
export interface BlobView {
  readonly doneBytes: number;
  readonly phase: "waiting" | "fetching" | "checking";
}

/** Who sent the bytes of a blob that was wanted; nobody sent what was there before. */
export interface BlobSources {
  readonly fromOriginBytes: number;
  readonly fromPeers: readonly { readonly peer: string; readonly link: string; readonly bytes: number }[];
}

export interface WantRequest {
  readonly pull: number;
  readonly blob: BlobId;
  readonly sizeBytes: number;
  readonly origin: "ranges" | "stream" | "none";
  readonly isPrivate: boolean;
  /** The origin lets this node have it, by its own token. */
  readonly hasAccess: boolean;
  /** The repo whose folder it goes to; none for the file behind a URL. */
  readonly home: RepoRef | undefined;
  readonly peers: boolean;
  /** `false`: from peers or not at all. */
  readonly fromOrigin: boolean;
  readonly originRequests: number;
  readonly order: number;
  readonly headBytes: number;
}

/** The engine, as a pull sees it. */
export interface BlobWants {
  /** Resolves once the blob is in the cache. @throws SwarmError why it will not be. */
  want(request: WantRequest): Promise<BlobSources>;
  /** Takes a want back; its promise rejects with INTERRUPTED. */
  unwant(pull: number, blob: BlobId): void;
  view(blob: BlobId): BlobView | undefined;
}
