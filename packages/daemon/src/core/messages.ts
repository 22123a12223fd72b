/**
 * What goes into the engine and what comes out: `handle(input, now) -> effects`.
 *
 * Inputs are facts that have happened, effects are orders for the rooms that do. Every effect that can fail is answered by
 * an input. Times are milliseconds of one monotonic clock; offsets are bytes from the start of the blob.
 */
import type { Fault as AnyFault, BlobId, NodeId } from "@swarmd/protocol";
import type { Announcement, PeerLink } from "./catalog/announcement.js";
import type { Verdict } from "./policy/admit.js";

export type { Verdict } from "./policy/admit.js";

/** One `swarm pull`; several may want the same blob. */
export type PullId = number;
/** One try at fetching a range from one source. Never used twice. */
export type AttemptId = number;
/** One request of a peer. Named by the room that took it; never used twice. */
export type RequestId = number;

/** Where bytes come from. `link` names one of the peer's lane addresses. */
export type Source =
  | { readonly kind: "origin" }
  | { readonly kind: "peer"; readonly peer: NodeId; readonly link: string };

/** Why a source was chosen, or why nothing was: the metric label, the event-log field, and what `swarm explain` prints. */
export type Reason =
  | "order"
  | "focus"
  | "rarest"
  | "duty"
  | "takeover"
  | "relay"
  | "hedge"
  | "endgame"
  | "retry"
  | "fallback"
  | "yield"
  | "leave:silent"
  | "leave:slow"
  | "step-down"
  | "peers-off"
  | "wait:duty-elsewhere"
  | "wait:wants"
  | "wait:back-off"
  | "wait:slots"
  | "wait:no-source";

export interface BlobSpec {
  readonly id: BlobId;
  readonly sizeBytes: number;
  /** `ranges`: any range at any time. `stream`: the server ignores Range, so one request from 0 to the end. `none`: no origin has it. */
  readonly origin: "ranges" | "stream" | "none";
  /** Only members of the cluster may hear of it. */
  readonly isPrivate: boolean;
  /** The origin lets this node have it, by its own token. */
  readonly hasAccess?: boolean;
}

/** Who hears of private blobs, and who gets them: nobody; members of the cluster whose own token opens them; all members. */
export type Sharing = "nobody" | "owners" | "members";

export interface WantOptions {
  /** `false` is `--no-peer`: if any pull of a blob says so, the blob comes from the origin only. */
  readonly peers: boolean;
  /** `false` is `--offline`: nothing leaves the LAN. */
  readonly origin: boolean;
  /** Most origin requests at a time for this pull (`--workers`). */
  readonly originRequests: number;
  /** Lower goes first among the blobs of all pulls; equal goes by the order of wanting. */
  readonly order: number;
  /** Bytes at the start that are wanted before the bulk of every blob: the header of a safetensors or GGUF file. */
  readonly headBytes: number;
}

/** What a journal knows of a blob. */
export interface ResumeState {
  /** Shards whose bytes are whole and hashed. */
  readonly checked: readonly number[];
  /** Shards of which the first `watermarkBytes` are there. */
  readonly partial: readonly { readonly shard: number; readonly watermarkBytes: number }[];
}

/** Why something failed. */
export interface Fault extends AnyFault {
  /** PEER_BUSY, PEER_LACKS: who else may have the shard, as the refusing peer said. */
  readonly redirect?: readonly NodeId[];
}

export type Input =
  /** A pull needs a blob. Answered by `open`, later by `settled`. */
  | { readonly type: "want"; readonly pull: PullId; readonly blob: BlobSpec; readonly options: WantOptions }
  /** A pull no longer needs a blob: cancelled. The last one to leave stops the fetching and closes the staging file. */
  | { readonly type: "unwant"; readonly pull: PullId; readonly blob: BlobId }
  /** A reader waits for these bytes: they go first. */
  | { readonly type: "focus"; readonly blob: BlobId; readonly startBytes: number; readonly endBytes: number }
  /** Answers `open`: the staging file is there, with this much in it. */
  | { readonly type: "opened"; readonly blob: BlobId; readonly state: ResumeState }
  /** Answers `open`: somebody else finished the blob meanwhile. */
  | { readonly type: "present"; readonly blob: BlobId }
  /** Answers `open` or `finish`, or comes at any time: the store can't go on with this blob. */
  | { readonly type: "store-failed"; readonly blob: BlobId; readonly fault: Fault }
  /** Everything of an attempt's range below `positionBytes` is in the staging file. */
  | { readonly type: "progress"; readonly attempt: AttemptId; readonly positionBytes: number }
  /** One shard of an attempt is whole, hashed and in the journal. */
  | { readonly type: "checked"; readonly attempt: AttemptId; readonly shard: number }
  /** The attempt is over; without `fault` it reached its end. Comes exactly once per `fetch`, after a `cancel` too. */
  | { readonly type: "ended"; readonly attempt: AttemptId; readonly positionBytes: number; readonly fault?: Fault }
  /** Answers `finish`: the file matches its digest and is in the cache. */
  | { readonly type: "verified"; readonly blob: BlobId }
  /**
   * Answers `finish`: the file does not match; or comes while shards are fetched, when somebody is found to have lied. These shards (all,
   * if nobody can tell) are worthless.
   */
  | {
      readonly type: "corrupt";
      readonly blob: BlobId;
      readonly shards: readonly number[];
      /** Nodes whose attestations vouched for wrong bytes. */
      readonly culprits?: readonly NodeId[];
    }
  /** A member asks for a private blob and says that its own token opens it; its want, which says so too, may still be on its way. */
  | { readonly type: "claim"; readonly peer: NodeId; readonly blob: BlobId }
  /** The node joined a cluster, left it, or goes by another rule. Said while no peer is up. */
  | { readonly type: "sharing"; readonly sharing: Sharing }
  /** The node's bound on origin requests. */
  | { readonly type: "limits"; readonly originRequests: number }
  /** A whole blob is in the cache without a want of ours: adopted at start, or put there by another program. */
  | { readonly type: "have"; readonly blob: BlobSpec }
  /** A blob left the cache. */
  | { readonly type: "lost"; readonly blob: BlobId }
  /** A peer can be reached over these links; again when they change. */
  | { readonly type: "peer-up"; readonly peer: NodeId; readonly links: readonly PeerLink[] }
  /** A peer can't be reached any more. */
  | { readonly type: "peer-down"; readonly peer: NodeId }
  /** A peer's ban is over. */
  | { readonly type: "pardon"; readonly peer: NodeId }
  /** A peer's announcement came, by gossip or over a stream. */
  | { readonly type: "heard"; readonly peer: NodeId; readonly record: Announcement }
  /** A peer asks for a shard from this byte of the blob on. Answered by `answer`, at once or half a second later. */
  | {
      readonly type: "asked";
      readonly request: RequestId;
      readonly peer: NodeId;
      readonly blob: BlobId;
      readonly shard: number;
      readonly startBytes: number;
    }
  /** A request that was to be served is over, however it ended; or one that was not answered yet was taken back. */
  | { readonly type: "served"; readonly request: RequestId }
  /** The time asked for by the last `wake` has come. */
  | { readonly type: "wake" };

export type Effect =
  /** Open or create the staging file. */
  | { readonly type: "open"; readonly blob: BlobSpec }
  /** Fetch `[startBytes, endBytes)` into the staging file. Covers whole shards, but for a first one that is resumed midway. */
  | {
      readonly type: "fetch";
      readonly attempt: AttemptId;
      readonly blob: BlobId;
      readonly startBytes: number;
      readonly endBytes: number;
      readonly source: Source;
      readonly reason: Reason;
    }
  /** Stop an attempt; what is flushed stays. */
  | { readonly type: "cancel"; readonly attempt: AttemptId }
  /** Every shard is checked: check the whole file and put it into the cache. */
  | { readonly type: "finish"; readonly blob: BlobId }
  /** Nobody wants the blob any more: write the journal and close the staging file. */
  | { readonly type: "close"; readonly blob: BlobId }
  /** The blob is in the cache, or will not be. Comes once per `want` that was not taken back. */
  | { readonly type: "settled"; readonly pull: PullId; readonly blob: BlobId; readonly fault?: Fault }
  /** Call back with `wake` at this time. Replaces the time asked for before; Infinity means never. */
  | { readonly type: "wake"; readonly atMs: number }
  /** Publish to all peers. */
  | { readonly type: "announce"; readonly record: Announcement }
  /** Send to one peer, over a stream. */
  | { readonly type: "tell"; readonly peer: NodeId; readonly record: Announcement }
  /** Answers `asked`. */
  | { readonly type: "answer"; readonly request: RequestId; readonly verdict: Verdict }
  /** What was sent of this request proved wrong: break it off with PEER_TAINTED. */
  | { readonly type: "stop-serving"; readonly request: RequestId }
  /** Have nothing more to do with this peer. */
  | { readonly type: "ban"; readonly peer: NodeId; readonly why: string }
  /** What was decided about a shard, and why: for the event log and `swarm explain`. */
  | {
      readonly type: "decision";
      readonly blob: BlobId;
      readonly shard: number;
      readonly reason: Reason;
      readonly source?: Source;
    };
