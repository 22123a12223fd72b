/**
 * The two certificates of this house. Only the verify room makes them, so a function that asks for one can't be called with
 * bytes that nobody checked.
 */
import type { BlobId, NodeId } from "@swarmd/protocol";
import type { AttestationBasis, EvidenceItem } from "@swarmd/protocol/wire";

declare const verified: unique symbol;
declare const checked: unique symbol;

/** This file, at this path, has the digest that its blob id names. */
export interface Verified {
  readonly [verified]: true;
  readonly blob: BlobId;
  readonly path: string;
  readonly sizeBytes: number;
}

/** What a shard rests on until the whole file is verified. */
export type Ground =
  /** Every byte of it came from the origin to this node. */
  | { readonly kind: "origin" }
  /** It is the whole file, and the file has its digest. */
  | { readonly kind: "digest" }
  /** A node vouches for it. */
  | {
      readonly kind: "attestation";
      readonly item: EvidenceItem;
      readonly signer: NodeId;
      readonly basis: AttestationBasis;
    }
  /** A path to a hash that the origin vouches for. The proof itself is kept elsewhere, and may be dropped. */
  | { readonly kind: "proof" };

/** This shard, as it is in the staging file, is what its ground says. */
export interface Checked {
  readonly [checked]: true;
  readonly blob: BlobId;
  readonly shard: number;
  /** BLAKE3, 32 bytes. */
  readonly hash: Uint8Array;
  readonly ground: Ground;
}
