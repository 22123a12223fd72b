/** What the serve room needs of others: who may have what (the engine), and the bytes (the store). */
import type { BlobId, NodeId } from "@swarmd/protocol";

/** What a peer that asks for a shard is told. The engine's shape of the same name. */
export type Verdict =
  | { readonly kind: "serve" }
  | {
      readonly kind: "refuse";
      readonly code: "PEER_BUSY" | "PEER_LACKS" | "PEER_DENIED";
      readonly redirect: readonly NodeId[];
    };

export interface Asked {
  /** Never used twice. */
  readonly request: number;
  readonly peer: NodeId;
  readonly blob: BlobId;
  readonly shard: number;
  readonly startBytes: number;
}

/** Who decides; slots and fairness are its business. */
export interface Admit {
  /** May take a moment: an asker waits for its turn. */
  ask(asked: Asked): Promise<Verdict>;
  /** A request that was to be served is over, however it ended; or its asker left before it had its turn. */
  served(request: number): void;
}

/** One blob, open for reading: whole, or arriving. */
export interface OpenBlob {
  readonly sizeBytes: number;
  readonly shardBytes: number;
  /** For lanes that can send a file without reading it; `undefined` when the bytes lie elsewhere. */
  readonly fileDescriptor?: number;
  /** Reads into all of `target`, which must lie below what is servable. @throws SwarmError STORE_FAULT */
  read(positionBytes: number, target: Uint8Array): Promise<void>;
  /** Everything from `positionBytes` up to the returned position may be sent now; `positionBytes` itself when nothing may. */
  servableUpTo(positionBytes: number): number;
  /** Calls back whenever more has become servable; the returned function takes it back. */
  onRise(callback: () => void): () => void;
  close(): Promise<void>;
}

/** Where the bytes are. */
export interface ShardReader {
  /** `undefined`: there is nothing of this blob here. While it is open, what is read stays readable. @throws SwarmError STORE_FAULT */
  open(blob: BlobId): Promise<OpenBlob | undefined>;
}

/** Bounds what is sent, for the node as a whole. */
export interface SendLimit {
  readonly bytesPerSecond: number | undefined;
  take(bytes: number, options: { readonly signal: AbortSignal }): Promise<void>;
}

/** One request, over whatever lane it came. The transport room's shape of the same name. */
export interface LaneRequest {
  readonly peer: NodeId;
  readonly blob: BlobId;
  readonly startBytes: number;
  /** `undefined`: to the end of the blob. */
  readonly endBytes: number | undefined;
  /** The IP address that it asks from; `undefined` over a libp2p connection. */
  readonly fromHost?: string;
}

/** Takes bytes to the peer. The transport room's shape of the same name. */
export interface LaneOutlet {
  /** Resolves when the chunk may be written into again. */
  write(chunk: Uint8Array): Promise<void>;
  /** Whether `sendFile` may do anything. */
  readonly canSendFile?: boolean;
  /**
   * Sends bytes of an open file as far as that goes without waiting for the peer, and says how many; 0 means that `write` has to
   * be used before the next try. Not while a `write` is under way.
   */
  sendFile?(fileDescriptor: number, positionBytes: number, bytes: number): Promise<number>;
}

export interface LaneRefusal {
  readonly kind: "refuse";
  readonly code: "PEER_BUSY" | "PEER_LACKS" | "PEER_DENIED" | "PEER_TAINTED" | "PEER_FAULT";
  readonly message: string;
  readonly redirect: readonly NodeId[];
  readonly retryAfterMs?: number;
  readonly sizeBytes?: number;
}

export interface LaneService {
  readonly kind: "serve";
  readonly sizeBytes: number;
  readonly startBytes: number;
  readonly endBytes: number;
  send(outlet: LaneOutlet, options: { readonly signal: AbortSignal }): Promise<void>;
}
