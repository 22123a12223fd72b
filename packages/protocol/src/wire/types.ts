/**
 * What nodes tell each other, as plain data. Structurally the same as the engine's announcements, but for sets of shards, which are
 * bitfields here: bit 0 of byte 0 is shard 0.
 */
import type { ErrorCode } from "../errors.js";
import type { BlobId, NodeId } from "../ids.js";

/** Best first. */
export const LINK_CLASSES = ["rdma", "thunderbolt", "ethernet", "wifi", "routed"] as const;
export type LinkClass = (typeof LINK_CLASSES)[number];

/** One address where a node's direct lane listens. */
export interface LaneAddress {
  /** An IP address without a zone. */
  readonly host: string;
  readonly port: number;
  readonly class: LinkClass;
  /** 0 when nobody knows. */
  readonly speedBytesPerS: number;
  /** Leading bits of `host` that name its subnet; 0 when nobody knows. */
  readonly prefixBits: number;
}

/** Who a node is to its peers; sent first on every connection, and again when its addresses change. */
export interface Hello {
  /** Of the conversation: {@link PROTOCOL_VERSION}. */
  readonly protocolVersion: number;
  /** Rises with every hello of a node, over restarts too: the lower one is old. */
  readonly revision: number;
  /** Name and version of the program, for people. */
  readonly agent: string;
  readonly lanes: readonly LaneAddress[];
}

export interface WireBlobNews {
  readonly blob: BlobId;
  readonly sizeBytes: number;
  readonly wants: boolean;
  readonly mayFetch: boolean;
  readonly holds:
    | { readonly kind: "all" }
    | { readonly kind: "exactly"; readonly size: number; readonly bits: Uint8Array }
    | { readonly kind: "more"; readonly shards: readonly number[] };
  readonly rooted: readonly number[];
  readonly hasAccess?: boolean;
}

export interface WireAnnouncement {
  readonly epoch: number;
  readonly sequence: number;
  readonly ttlMs: number;
  readonly isFull: boolean;
  readonly capacityBytesPerS: number;
  readonly freeSlots: number;
  readonly blobs: readonly WireBlobNews[];
}

/** One gossip message, or one message on the state stream. */
export interface PeerNews {
  readonly hello?: Hello;
  readonly records: readonly WireAnnouncement[];
  /** The sender leaves. */
  readonly bye: boolean;
}

export type ControlRequest = {
  readonly type: "ticket";
  readonly blob: BlobId;
  /** Only to a lane that is encrypted; else as the other side thinks right. */
  readonly encrypted: boolean;
  /** Its own token opens the blob at the origin. Its want says so too, but may still be on its way. */
  readonly hasAccess: boolean;
};

/** Opens the direct lane for one blob. */
export interface LaneTicket {
  /** Opaque; goes back to whoever made it. Printable ASCII. */
  readonly ticket: string;
  /** How long it can be used, from when it was given. */
  readonly validMs: number;
  /** SHA-256 of the lane's certificate, 64 hex digits; with it the lane speaks TLS, without it plain TCP. */
  readonly certificateSha256?: string;
  /** Where the lane opens, if not at the port that the peer's addresses name. */
  readonly port?: number;
}

export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryAfterMs?: number;
  /** Who may serve it instead. */
  readonly redirect: readonly NodeId[];
}

export type ControlResponse =
  | { readonly type: "ticket"; readonly ticket: LaneTicket }
  | { readonly type: "refusal"; readonly refusal: Refusal };

/** Asks for `[startBytes, endBytes)` of a blob over the libp2p lane. */
export interface ShardRequest {
  readonly blob: BlobId;
  readonly startBytes: number;
  readonly endBytes: number;
}

export type ShardAnswer =
  | { readonly type: "bytes"; readonly sizeBytes: number; readonly startBytes: number; readonly endBytes: number }
  | { readonly type: "refusal"; readonly refusal: Refusal };
