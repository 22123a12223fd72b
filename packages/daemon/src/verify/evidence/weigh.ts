/** What evidence says about a shard: a pure judgement over what was brought. */
import type { NodeId } from "@swarmd/protocol";
import type { Attestation, EvidenceItem } from "@swarmd/protocol/wire";
import { findAttestation, type ShardName } from "./attest.js";

export interface Testimony {
  readonly attestation: Attestation;
  readonly item: EvidenceItem;
}

/**
 * `supported`: somebody vouches for this very hash. `contradicted`: for another one, and nobody for this. `forged`: nothing that was
 * brought is good, which no honest node hands on. `nothing`: nothing was brought that counts.
 */
export type Weight =
  | { readonly kind: "supported"; readonly by: Testimony }
  | { readonly kind: "contradicted"; readonly by: Testimony }
  | { readonly kind: "forged" }
  | { readonly kind: "nothing" };

export interface Weighed {
  readonly weight: Weight;
  /** Everything that counts, of whatever hash. */
  readonly testimonies: readonly Testimony[];
}

/** @param isBelieved whether a signer's word counts */
export function weigh(
  about: ShardName,
  hash: Uint8Array,
  items: readonly EvidenceItem[],
  isBelieved: (signer: NodeId) => boolean,
): Weighed {
  const attestations = items.filter(({ kind }) => kind === "attestation");
  const signed = attestations.flatMap((item): Testimony[] => {
    const attestation = findAttestation(item.payload, about);
    return attestation === undefined ? [] : [{ attestation, item }];
  });
  const testimonies = signed.filter(({ attestation }) => isBelieved(attestation.signer));
  const by = testimonies.find(({ attestation }) => isSame(attestation.hash, hash));
  const against = testimonies[0];
  if (by !== undefined) return { weight: { kind: "supported", by }, testimonies };
  if (against !== undefined) return { weight: { kind: "contradicted", by: against }, testimonies };
  return { weight: { kind: attestations.length > signed.length ? "forged" : "nothing" }, testimonies };
}

export function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && Buffer.compare(one, other) === 0;
}
