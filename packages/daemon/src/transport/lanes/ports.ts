/** What the lanes need of others: who answers requests, who hands out tickets, who knows addresses. */
import type { BlobId, ErrorCode, NodeId } from "@swarmd/protocol";

/** One request of a peer, over whatever lane it came. The lane answers for `peer`: a ticket or the handshake of libp2p says so. */
export interface LaneRequest {
  readonly peer: NodeId;
  readonly blob: BlobId;
  readonly startBytes: number;
  /** `undefined`: to the end of the blob. */
  readonly endBytes: number | undefined;
  /** The IP address that it asks from; `undefined` over a libp2p connection. */
  readonly fromHost?: string;
}

/** Takes bytes to the peer, in order. */
export interface LaneOutlet {
  /** Resolves when the chunk may be written into again. Rejects when the peer is gone or too slow. */
  write(chunk: Uint8Array): Promise<void>;
  /** Whether `sendFile` may do anything. */
  readonly canSendFile?: boolean;
  /**
   * Sends bytes of an open file as far as that goes without waiting for the peer, and says how many; 0 means that `write` has to
   * be used before the next try. Not while a `write` is under way.
   */
  sendFile?(fileDescriptor: number, positionBytes: number, bytes: number): Promise<number>;
}

/** Codes a request can be refused with, before the first byte. */
export type RefusalCode = Extract<
  ErrorCode,
  "PEER_BUSY" | "PEER_LACKS" | "PEER_DENIED" | "PEER_TAINTED" | "PEER_FAULT"
>;

export interface LaneRefusal {
  readonly kind: "refuse";
  readonly code: RefusalCode;
  readonly message: string;
  /** Who else may have it. */
  readonly redirect: readonly NodeId[];
  readonly retryAfterMs?: number;
  /** PEER_FAULT with a size: the range lies outside of the blob. */
  readonly sizeBytes?: number;
}

export interface LaneService {
  readonly kind: "serve";
  readonly sizeBytes: number;
  readonly startBytes: number;
  readonly endBytes: number;
  /**
   * Sends exactly `[startBytes, endBytes)`, as it becomes available. Must be called once, with an aborted signal if it came to
   * nothing: the upload slot is given back when it ends.
   *
   * @throws SwarmError PEER_TAINTED when what was sent proved wrong: break the connection off. INTERRUPTED on abort, PEER_STALLED
   *   when no more bytes came for too long, STORE_FAULT.
   */
  send(outlet: LaneOutlet, options: { readonly signal: AbortSignal }): Promise<void>;
}

/** Answers what peers ask; the serve room is one. Never throws. */
export interface LaneHandler {
  /** @param options `signal` aborts when the asker leaves: it may wait for its turn, and nobody should keep a place for it then. */
  handle(request: LaneRequest, options: { readonly signal: AbortSignal }): Promise<LaneRefusal | LaneService>;
}

/** What a peer gives for a blob, over an authenticated stream, before it serves it on the direct lane. */
export interface LaneTicket {
  readonly ticket: string;
  /** How long it can be used, from when it was given. */
  readonly validMs: number;
  /** SHA-256 of the peer's certificate, 64 hex digits; with it the lane speaks TLS, without it plain TCP. */
  readonly certificateSha256?: string;
  /** Where it opens, if not at the port that the peer's addresses name. */
  readonly port?: number;
}

/** Asks a peer for a ticket. */
export interface TicketSource {
  /** @throws SwarmError PEER_DENIED, PEER_LACKS, PEER_UNREACHABLE, PEER_STALLED, INTERRUPTED */
  get(peer: NodeId, blob: BlobId, options: { readonly signal: AbortSignal }): Promise<LaneTicket>;
}

/** Where the direct lane of a peer listens. */
export interface LaneAddress {
  /** The link's name, as the engine knows it. */
  readonly link: string;
  readonly host: string;
  readonly port: number;
}

/** Knows the addresses of peers. */
export interface LaneRoutes {
  /** All direct-lane addresses of a peer: the named link first, then the others, best first. Empty when there are none. */
  addresses(peer: NodeId, link: string): readonly LaneAddress[];
}
