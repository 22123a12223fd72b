/** What judging needs of others. */
import type { BlobId, NodeId } from "@swarmd/protocol";
import type { EvidenceItem } from "@swarmd/protocol/wire";
import type { ShardName } from "./attest.js";

/** What a peer says when it is asked what a shard rests on. */
export interface EvidenceReply {
  /** None: it has nothing. */
  readonly items: readonly EvidenceItem[];
  /** What it sent of the shard until now proved wrong. */
  readonly isTainted: boolean;
}

/** Asks peers. */
export interface EvidenceSource {
  /**
   * Answers as soon as the peer has something, which for a shard in progress is when it is checked there.
   *
   * @throws SwarmError PEER_DENIED, PEER_LACKS, PEER_UNREACHABLE, PEER_STALLED, PEER_FAULT; INTERRUPTED on abort
   */
  ask(peer: NodeId, about: ShardName, options: { readonly signal: AbortSignal }): Promise<EvidenceReply>;
}

/** Who may be asked, and who is believed. */
export interface Witnesses {
  /** Peers that hold a shard, best first. */
  holders(blob: BlobId, shard: number): readonly NodeId[];
  isBanned(node: NodeId): boolean;
  /** Whether it is for this node to fetch a shard from the origin, as far as it knows. */
  isOnDuty(blob: BlobId, shard: number): boolean;
}

/** Holds a shard in a file against a proof. */
export interface ProofCheck {
  /** Whether the bytes of the shard in the file are what the proof says. `undefined`: the proof is none, or of something else. */
  check(
    about: ShardName,
    file: { readonly path: string; readonly payload: Uint8Array },
    options: { readonly signal: AbortSignal },
  ): Promise<boolean | undefined>;
}

/** Whether a whole file is what its blob id says. */
export interface DigestCheck {
  /** @throws SwarmError STORE_FAULT, INTERRUPTED */
  matches(
    file: { readonly path: string; readonly sizeBytes: number; readonly blob: BlobId },
    options: { readonly signal: AbortSignal },
  ): Promise<boolean>;
}

/** Two nodes vouch for different bytes: one of them lies, or its disk is bad. */
export interface Conflict {
  readonly about: ShardName;
  readonly signers: readonly NodeId[];
}
