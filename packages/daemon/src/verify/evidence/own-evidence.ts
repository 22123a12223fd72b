/** What this node itself says of shards: signed when somebody asks, and kept for the next who does. */
import type { BlobId } from "@swarmd/protocol";
import type { AttestationBasis, EvidenceItem } from "@swarmd/protocol/wire";
import { type Attestor, attest, type ShardName } from "./attest.js";

/** Signatures of some thousand shards take a megabyte. */
const MOST_BLOBS = 64;

export class OwnEvidence {
  readonly #attestor: () => Attestor;
  /** The blob that was asked for longest ago goes first. */
  readonly #byBlob = new Map<BlobId, Map<string, Promise<EvidenceItem>>>();

  /** @param attestor is asked when there is something to sign: before that, the node may have no name yet */
  constructor(attestor: () => Attestor) {
    this.#attestor = attestor;
  }

  /** Vouches for a shard with this hash. */
  attest(about: ShardName, basis: AttestationBasis, hash: Uint8Array): Promise<EvidenceItem> {
    const items = this.#itemsOf(about.blob);
    const key = `${about.shard} ${basis} ${Buffer.from(hash).toString("base64")}`;
    let item = items.get(key);
    if (item === undefined) {
      item = attest(about, { hash, basis }, this.#attestor());
      items.set(key, item);
      item.catch(() => items.delete(key));
    }
    return item;
  }

  #itemsOf(blob: BlobId): Map<string, Promise<EvidenceItem>> {
    const items = this.#byBlob.get(blob) ?? new Map<string, Promise<EvidenceItem>>();
    this.#byBlob.delete(blob);
    this.#byBlob.set(blob, items);
    if (this.#byBlob.size > MOST_BLOBS) this.#byBlob.delete(this.#byBlob.keys().next().value as BlobId);
    return items;
  }
}
