/** What goes to a lane thread and what comes back. */
import type { BlobId, Fault } from "@swarmd/protocol";
import type { LaneAddress } from "./ports.js";
import type { ShardProof } from "./proof-inbox.js";

export interface FetchOrder {
  readonly type: "fetch";
  readonly id: number;
  /** Best first. */
  readonly addresses: readonly LaneAddress[];
  readonly ticket: string;
  /** With it TLS, pinned to this certificate: 64 hex digits. */
  readonly certificateSha256: string | undefined;
  readonly blob: BlobId;
  readonly startBytes: number;
  readonly endBytes: number;
  /** The staging file, which exists. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly shardBytes: number;
  readonly claims: SharedArrayBuffer;
  readonly owner: number;
  /** With it, a `proof` follows for each shard of the range, and none is taken before: what its proof has to lead to, 64 hex digits. */
  readonly xetHash: string | undefined;
}

export type LaneOrder =
  | FetchOrder
  | { readonly type: "cancel"; readonly id: number }
  /** What a shard is to be held against; without `proof`, nobody has one. */
  | { readonly type: "proof"; readonly id: number; readonly shard: number; readonly proof: ShardProof | undefined }
  /** Addresses, ours or theirs, that are not there any more: a connection over one would never notice. */
  | { readonly type: "gone"; readonly hosts: readonly string[] };

export type LaneReport =
  /** Packets to this host vanish, while other addresses of the same peer answer. */
  | { readonly type: "dead"; readonly host: string }
  /**
   * Everything of the range below `positionBytes` is in the file. `hash`: BLAKE3 of the shard that ends there or is in progress
   * there, up to that position.
   */
  | { readonly type: "written"; readonly id: number; readonly positionBytes: number; readonly hash: Uint8Array }
  /** Over; without `fault` all of it is in the file. `link`: which address sent the last bytes. */
  | {
      readonly type: "ended";
      readonly id: number;
      readonly positionBytes: number;
      readonly link: string | undefined;
      readonly fault?: Fault;
      /** The peer does not know the ticket (any more): a new one may help. */
      readonly needsTicket?: true;
    };

/** What a lane thread is given when it starts. */
export interface LaneThreadData {
  readonly deadlines: LaneDeadlines;
  /** See `RateLimit`. */
  readonly downloadLimit: SharedArrayBuffer;
}

export interface LaneDeadlines {
  /** For a TCP connection, and for TLS on it. */
  readonly connectMs: number;
  /** The next address is tried beside the first after this time. */
  readonly headStartMs: number;
  /** From the request to the answer's head. */
  readonly answerMs: number;
  /** Between two pieces of a body; a relay may wait for its own source meanwhile. */
  readonly idleMs: number;
  /** For one request in all. */
  readonly totalMs: number;
  /** How long an idle connection is kept for the next request. Shorter than the server's, so that it seldom closes under us. */
  readonly keepMs: number;
}

export const LANE_DEADLINES: LaneDeadlines = {
  connectMs: 5_000,
  // As RFC 8305 recommends for connection attempts.
  headStartMs: 250,
  answerMs: 10_000,
  idleMs: 30_000,
  totalMs: 15 * 60_000,
  keepMs: 15_000,
};
