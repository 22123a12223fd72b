/** What the gateway needs of others: the Hub, the cache, fetches, and a way to get bytes out. */
import type { ServerResponse } from "node:http";
import type { BlobId, CommitId, RepoFile, RepoManifest, RepoRef, Revision } from "@swarmd/protocol";

interface Cancellable {
  readonly signal: AbortSignal;
}

export interface HubRequest {
  readonly method: "GET" | "HEAD" | "POST";
  /** Path and query, beginning with `/`. */
  readonly target: string;
  /** Of the caller. */
  readonly authorization: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export interface HubHead {
  readonly status: number;
  /** Names in lower case. */
  readonly fields: Readonly<Record<string, string | undefined>>;
}

export interface HubAnswer extends HubHead {
  readonly body: Buffer;
}

/** Takes bytes in order; a promise means "wait". */
export interface ByteSink {
  write(chunk: Uint8Array): Promise<void> | undefined;
}

/** The Hub, asked as the caller would ask it. Redirects on the Hub itself are followed. @throws SwarmError ORIGIN_*, OFFLINE */
export interface Upstream {
  ask(request: HubRequest, options: Cancellable & { readonly maxBytes: number }): Promise<HubAnswer>;
  stream(request: HubRequest, onHead: (head: HubHead) => ByteSink | undefined, options: Cancellable): Promise<void>;
}

/** All files of a commit, as the holder of a token may see them; the node's own where none is given. */
export interface FileLists {
  tree(repo: RepoRef, commit: CommitId, token: string | undefined, options: Cancellable): Promise<readonly RepoFile[]>;
}

/** Other members of the node's cluster, who are believed what the Hub told them. */
export interface Members {
  readonly areThere: boolean;
  resolve(
    repo: RepoRef,
    revision: Revision,
    options: Cancellable,
  ): Promise<{ readonly commit: CommitId; readonly isPrivate: boolean } | undefined>;
  files(
    repo: RepoRef,
    commit: CommitId,
    options: Cancellable,
  ): Promise<{ readonly files: readonly RepoFile[] } | undefined>;
}

/** What is remembered of the origin's word on who may read a repo. */
export interface Visibility {
  find(repo: RepoRef): Promise<{ readonly isPrivate: boolean; readonly isGated: boolean } | undefined>;
  note(repo: RepoRef, said: { readonly isPrivate: boolean; readonly isGated: boolean } | undefined): Promise<void>;
}

export interface HeldBlob {
  readonly blob: BlobId;
  readonly sizeBytes: number;
}

/** A file to send from: whole, or on its way. */
export interface OpenFile {
  readonly sizeBytes: number;
  readonly shardBytes: number;
  readonly fileDescriptor: number;
  read(positionBytes: number, target: Uint8Array): Promise<void>;
  /** Everything from `positionBytes` up to the returned position may be read; `positionBytes` itself when nothing may. */
  servableUpTo(positionBytes: number): number;
  /** Calls back whenever that may have grown; the returned function takes it back. */
  onRise(callback: () => void): () => void;
  /** Calls back when bytes that could be read before turn out to be wrong; the returned function takes it back. */
  onDiscard(callback: (startBytes: number, endBytes: number) => void): () => void;
  close(): Promise<void>;
}

/** The cache. `Arriving` is what it calls a file on its way. */
export interface RepoStore<Arriving = unknown> {
  readRef(repo: RepoRef, revision: Revision): Promise<CommitId | undefined>;
  writeRef(repo: RepoRef, revision: Revision, commit: CommitId): Promise<void>;
  listRefs(repo: RepoRef): Promise<readonly { readonly revision: Revision; readonly commit: CommitId }[]>;
  readTree(repo: RepoRef, commit: CommitId): Promise<readonly RepoFile[] | undefined>;
  writeTree(manifest: RepoManifest): Promise<void>;
  find(
    blob: BlobId,
    options: { readonly repo: RepoRef; readonly sizeBytes: number },
  ): Promise<{ readonly path: string; readonly sizeBytes: number } | undefined>;
  findLinked(repo: RepoRef, commit: CommitId, path: string): Promise<HeldBlob | undefined>;
  isKnownAbsent(repo: RepoRef, commit: CommitId, path: string): Promise<boolean>;
  link(
    file: { readonly repo: RepoRef; readonly commit: CommitId; readonly path: string; readonly blob: BlobId },
    options: Cancellable,
  ): Promise<string>;
  openWhole(path: string): Promise<OpenFile | undefined>;
  whenOpen(blob: BlobId, options: Cancellable): Promise<Arriving>;
  openArriving(arriving: Arriving): Promise<OpenFile | undefined>;
}

/** Repos that no origin has. Looked for before the Hub is asked. */
export interface OwnRepos {
  find(repo: RepoRef, revision: Revision): Promise<CommitId | undefined>;
}

/** Fetches of single files. */
export interface Demands {
  take(wanted: {
    readonly repo: RepoRef;
    readonly commit: CommitId;
    readonly revision: Revision;
    readonly file: RepoFile;
    readonly isPrivate: boolean;
    /** No origin has it. */
    readonly isOwn: boolean;
    readonly token: string | undefined;
  }): { readonly done: Promise<void>; release(): void };
}

/** Hears what is read, so that what is used stays. */
export interface Uses {
  noteUse(repo: RepoRef, commit: CommitId): void;
}

/** A reader waits for these bytes: they go first. */
export interface Focus {
  focus(blob: BlobId, startBytes: number, endBytes: number): void;
}

/** The way of one answer's body to its reader. */
export interface BodyOutlet {
  /** Resolves once `[startBytes, endBytes)`, which must be readable, has left. @throws when the reader has gone or takes nothing for long */
  send(file: OpenFile, startBytes: number, endBytes: number): Promise<void>;
  /** Once nothing is being sent any more. */
  close(): void;
}

export interface Outlets {
  open(response: ServerResponse, options: Cancellable): BodyOutlet;
}
