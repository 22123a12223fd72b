/** What crosses the local API, and what `--json` prints: one object per line, told apart by `type`. Sizes in bytes, times in ms. */
import type { ErrorBody } from "../errors.js";
import type { BackgroundStatus } from "./background-types.js";

export interface PullRequest {
  /** `org/model`, `datasets/org/name`, or an `http(s)://` URL. */
  readonly target: string;
  /** Branch, tag or commit; default `main`. Not for URLs. */
  readonly revision?: string;
  /** fnmatch patterns, as huggingface_hub's `allow_patterns` and `ignore_patterns`. */
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  /** Absolute. The repo's files are placed here too. */
  readonly localDir?: string;
  /** Absolute. The one file that was pulled is placed here too. */
  readonly out?: string;
  readonly workers?: number;
  readonly noPeer?: boolean;
  readonly offline?: boolean;
  /** Say what would be pulled; move nothing. */
  readonly dryRun?: boolean;
  /** Take what this node published under the name: its node id. Not for URLs. */
  readonly from?: string;
}

/** What became of one file of a pull. */
export type FileState = "waiting" | "fetching" | "checking" | "done" | "cached";

export interface FileProgress {
  readonly path: string;
  readonly sizeBytes: number;
  /** In the staging file or in the cache. */
  readonly doneBytes: number;
  readonly state: FileState;
}

export interface StartEvent {
  readonly type: "start";
  readonly repo: string;
  readonly revision: string;
  readonly commit: string;
  readonly files: number;
  readonly bytes: number;
  /** Already in the cache, or in a staging file from an earlier try. */
  readonly bytesPresent: number;
}

/** At most a few times a second. */
export interface ProgressEvent {
  readonly type: "progress";
  readonly bytes: number;
  readonly totalBytes: number;
  readonly bytesPerSecond: number;
  /** `null` while there is no telling. */
  readonly etaMs: number | null;
  readonly filesDone: number;
  readonly filesTotal: number;
  /** Only files in flight. */
  readonly files: readonly FileProgress[];
}

/** One file is whole, verified and linked. */
export interface FileEvent {
  readonly type: "file";
  readonly path: string;
  readonly bytes: number;
  readonly source: "origin" | "peers" | "cache" | "mixed";
}

export interface WarningEvent {
  readonly type: "warning";
  readonly message: string;
  readonly path?: string;
}

export interface ErrorEvent extends ErrorBody {
  readonly type: "error";
}

/** The last line of a pull that worked. */
export interface DoneEvent {
  readonly type: "done";
  readonly repo: string;
  readonly revision: string;
  readonly commit: string;
  /** The snapshot folder; the file itself for a URL or `--out`; the folder of `--local-dir`. */
  readonly path: string;
  readonly files: number;
  readonly bytes: number;
  readonly bytesFromOrigin: number;
  readonly bytesFromPeers: number;
  readonly bytesFromCache: number;
  readonly elapsedMs: number;
  readonly sources: readonly { readonly peer: string; readonly link: string; readonly bytes: number }[];
  /** Of a repo: making room, fetching, and putting links (and copies) in place. */
  readonly phasesMs?: { readonly decide: number; readonly fetch: number; readonly link: number };
  readonly dryRun?: boolean;
}

export type PullEvent = StartEvent | ProgressEvent | FileEvent | WarningEvent | ErrorEvent | DoneEvent;

/** One repo at one revision in the cache. */
export interface CachedRevision {
  readonly repo: string;
  readonly commit: string;
  readonly refs: readonly string[];
  readonly files: number;
  readonly bytes: number;
  /** ISO 8601. */
  readonly lastModified: string;
  /** By `swarm`, or by anybody where the mount keeps that. */
  readonly lastAccessed: string;
  readonly isPinned: boolean;
  readonly path: string;
  /** The node that published it, for a repo that no origin vouches for. */
  readonly publisher?: string;
}

/** All revisions of one repo. */
export interface CachedRepo {
  readonly repo: string;
  readonly revisions: number;
  readonly refs: readonly string[];
  /** What several revisions share counts once. */
  readonly bytes: number;
  readonly lastModified: string;
  readonly lastAccessed: string;
  readonly isPinned: boolean;
}

/** A blob that is still arriving, or was left half done. */
export interface PartialBlob {
  readonly repo: string;
  readonly blob: string;
  readonly bytes: number;
  readonly sizeBytes: number;
}

export interface CacheListing {
  readonly cacheDir: string;
  readonly repos: readonly CachedRepo[];
  readonly revisions: readonly CachedRevision[];
  readonly partial: readonly PartialBlob[];
  readonly totalBytes: number;
}

export interface RemoveRequest {
  /** `org/model` or `org/model@revision`. */
  readonly target: string;
  /** Only what an interrupted pull left behind. */
  readonly partial?: boolean;
  readonly dryRun?: boolean;
}

export interface RemoveResult {
  readonly revisions: readonly CachedRevision[];
  readonly freedBytes: number;
}

/** Two revisions, of one repo or of two. */
export interface DiffRequest {
  readonly from: string;
  readonly to: string;
  readonly offline?: boolean;
}

export interface DiffFile {
  readonly path: string;
  readonly state: "added" | "removed" | "changed";
  /** 0 when it is not there. */
  readonly fromBytes: number;
  readonly toBytes: number;
  /** Of the new content, that a pull would move; 0 when that is in the cache already. */
  readonly shards: number;
}

export interface DiffResult {
  readonly from: string;
  readonly to: string;
  readonly files: readonly DiffFile[];
  readonly sameFiles: number;
  /** What `swarm pull` of the second would move, from peers or the origin. */
  readonly moveBytes: number;
  readonly moveShards: number;
}

export interface PinRequest {
  /** `org/model` or `org/model@revision`. */
  readonly target: string;
  /** Copies on the LAN, this node's included; 1 if left out. */
  readonly copies?: number;
}

export interface UnpinRequest {
  readonly target: string;
}

export interface PinInfo {
  readonly repo: string;
  readonly revision?: string;
  readonly copies: number;
}

export interface PinResult {
  /** Every pin there is now. */
  readonly pins: readonly PinInfo[];
}

export interface CollectRequest {
  readonly dryRun?: boolean;
}

/** What went, or would go. */
export interface CollectResult {
  readonly evicted: readonly {
    readonly id: string;
    readonly bytes: number;
    readonly why: string;
    readonly isLastCopy: boolean;
  }[];
  readonly freedBytes: number;
}

export interface HoldRequest {
  readonly target: string;
}

/** `held` at once; the hold lasts until the client goes away. */
export type HoldEvent = { readonly type: "held"; readonly target: string } | { readonly type: "released" } | ErrorEvent;

export interface VerifyRequest {
  /** `org/model[@revision]`; everything in the cache if left out. */
  readonly target?: string;
  /** Say of each file what it rests on. */
  readonly explain?: boolean;
  /** Fetch again what is damaged. */
  readonly mend?: boolean;
}

/** What a file rests on. */
export interface FileGround {
  /** Whose digest it was held against, now. */
  readonly digest: "sha256" | "git-sha1";
  /** Whether the origin said so, or only the name under which it lies in the cache. */
  readonly vouchedBy: "origin" | "name";
  /** When this node fetched it; `null` when another program did, or when it is too small to keep a record of. ISO 8601. */
  readonly fetchedAt: string | null;
  /** What its shards rested on while it was arriving. */
  readonly shards: {
    readonly origin: number;
    readonly digest: number;
    readonly proof: number;
    readonly unknown: number;
    /** By the node that vouched. */
    readonly attestation: Readonly<Record<string, number>>;
  } | null;
  /** Whether this node can prove any part of it to others, against a hash that the origin vouches for. */
  readonly canProve: boolean;
}

/** One line per file, then `verified`. */
export type VerifyEvent =
  | {
      readonly type: "checked";
      readonly path: string;
      readonly repo: string;
      readonly bytes: number;
      readonly ok: boolean;
      readonly problem?: string;
      /** When it was asked for, and the file is right. */
      readonly restsOn?: FileGround;
    }
  | { readonly type: "mended"; readonly path: string; readonly repo: string; readonly ok: boolean }
  | { readonly type: "verified"; readonly files: number; readonly bytes: number; readonly bad: number }
  | ErrorEvent;

export interface NodeStatus {
  readonly version: string;
  readonly pid: number;
  readonly startedAt: string;
  readonly cacheDir: string;
  readonly stateDir: string;
  readonly endpoint: string;
  readonly workers: number;
  readonly rssBytes: number;
  readonly freeBytes: number;
  readonly pulls: readonly PullStatus[];
  /** What others know this node by; `null` with `--no-peer`. */
  readonly self: { readonly id: string; readonly addresses: readonly string[] } | null;
  /** What programs set HF_ENDPOINT to; `null` with `--no-gateway`. */
  readonly gateway: string | null;
  /** Nodes of this LAN that can be reached now. */
  readonly peers: readonly PeerStatus[];
  readonly banned: readonly BannedPeer[];
  /** Since the node started. */
  readonly bytesFromOrigin: number;
  readonly bytesFromPeers: number;
  readonly bytesFromCache: number;
  /** What is pulled when nobody waits for another pull. */
  readonly background: BackgroundStatus;
  /** The cache's decisions, by policy and action. */
  readonly cacheDecisions: readonly { readonly policy: string; readonly action: string; readonly count: number }[];
}

/** A peer and the ways to it, best first. Bytes are counted since the node started. */
export interface PeerStatus {
  readonly id: string;
  /** Name and version of its program, as it says. */
  readonly agent: string;
  readonly links: readonly LinkStatus[];
  /** Over all links, those that are gone too. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
}

/** One way to a peer. */
export interface LinkStatus {
  /** `host:port` of its direct lane; `libp2p` for a stream of the connection that there is. */
  readonly link: string;
  readonly class: string;
  /** Why it has this class. */
  readonly why: string;
  /** Our interface; `null` when the address is in none of our subnets. */
  readonly interface: string | null;
  /** What the hardware says; `null` when nobody knows. */
  readonly linkBytesPerSecond: number | null;
  /** Received while something was being fetched over it; `null` before the first time. */
  readonly measuredBytesPerSecond: number | null;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** The one that the next fetch tries first. */
  readonly isChosen: boolean;
  /** Why it is, or is not. */
  readonly whyChosen: string;
}

/** A node that sent wrong bytes. */
export interface BannedPeer {
  readonly id: string;
  readonly why: string;
  /** How often it was banned, this time included: each time for longer. */
  readonly times: number;
  readonly leftMs: number;
}

export interface UnbanRequest {
  readonly node: string;
}

/** Who is banned still. */
export interface UnbanResult {
  readonly banned: readonly BannedPeer[];
}

export interface PullStatus {
  readonly id: number;
  readonly target: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly bytesPerSecond: number;
  /** Nobody waits for it. */
  readonly isBackground?: true;
}

/** Rates such as `50MB/s`; `none` takes a bound away. What is left out stays as it is. */
export interface LimitsRequest {
  readonly maxUpload?: string;
  readonly maxDownload?: string;
  readonly maxOrigin?: string;
}

/** Bytes per second; `null` without a bound. */
export interface NodeLimits {
  /** To peers, all together. */
  readonly maxUpload: number | null;
  /** From peers. */
  readonly maxDownload: number | null;
  readonly maxOrigin: number | null;
}

/** The node is stopping; the process with this id ends soon. */
export interface StopResult {
  readonly pid: number;
}
