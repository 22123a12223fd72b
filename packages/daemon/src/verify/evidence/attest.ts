/** Makes and checks attestations. */
import { verify } from "node:crypto";
import type { BlobId, NodeId } from "@swarmd/protocol";
import {
  type Attestation,
  type AttestationBasis,
  type AttestationBody,
  attestedBytes,
  decodeAttestation,
  type EvidenceItem,
  encodeAttestation,
} from "@swarmd/protocol/wire";
import { findPublicKey } from "./node-identity.js";

/** One shard of one blob. */
export interface ShardName {
  readonly blob: BlobId;
  readonly sizeBytes: number;
  readonly shardBytes: number;
  readonly shard: number;
}

/** Signs with the node's key. */
export type Sign = (bytes: Uint8Array) => Promise<Uint8Array>;

/** This node, as it vouches for shards. */
export interface Attestor {
  readonly node: NodeId;
  readonly sign: Sign;
  /** Milliseconds since 1970. */
  readonly wallMs: () => number;
}

/** Vouches for a shard. */
export async function attest(
  { blob, sizeBytes, shardBytes, shard }: ShardName,
  { hash, basis }: { readonly hash: Uint8Array; readonly basis: AttestationBasis },
  { node, sign, wallMs }: Attestor,
): Promise<EvidenceItem> {
  const body: AttestationBody = { basis, timeMs: wallMs(), blob, sizeBytes, shardBytes, shard, hash, signer: node };
  const signature = await sign(attestedBytes(body));
  return { kind: "attestation", payload: encodeAttestation({ ...body, signature }) };
}

/** The attestation in a payload, if it is one, is about this shard, and its signer has signed it. */
export function findAttestation(payload: Uint8Array, about: ShardName): Attestation | undefined {
  let attestation: Attestation;
  try {
    attestation = decodeAttestation(payload);
  } catch {
    return undefined;
  }
  return isAbout(attestation, about) && isSigned(attestation) ? attestation : undefined;
}

function isAbout(attestation: Attestation, { blob, sizeBytes, shardBytes, shard }: ShardName): boolean {
  return (
    attestation.blob === blob &&
    attestation.sizeBytes === sizeBytes &&
    attestation.shardBytes === shardBytes &&
    attestation.shard === shard
  );
}

function isSigned(attestation: Attestation): boolean {
  const key = findPublicKey(attestation.signer);
  return key !== undefined && verify(null, attestedBytes(attestation), key, attestation.signature);
}
