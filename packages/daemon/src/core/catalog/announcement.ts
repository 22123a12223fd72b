/** What nodes tell each other, as the engine sees it; the wire has its own form of the same. */
import type { BlobId } from "@swarmd/protocol";
import type { ShardSet } from "../shard-set.js";

export type LinkClass = "rdma" | "thunderbolt" | "ethernet" | "wifi" | "routed";

/** One way to a peer. */
export interface PeerLink {
  /** Names one of the peer's lane addresses. */
  readonly link: string;
  readonly class: LinkClass;
}

/** What a node says about one blob. */
export interface BlobNews {
  readonly blob: BlobId;
  readonly sizeBytes: number;
  /** It is pulling the blob. */
  readonly wants: boolean;
  /** It may ask the origin for shards of the blob, so duty can fall to it. */
  readonly mayFetch: boolean;
  /** `all`, exactly these checked shards, or these in addition to what was said before. */
  readonly holds:
    | { readonly kind: "all" }
    | { readonly kind: "exactly"; readonly shards: ShardSet }
    | { readonly kind: "more"; readonly shards: readonly number[] };
  /** Shards in progress straight from the origin or from a scarce seed: the roots of relay trees. */
  readonly rooted: readonly number[];
  /** Its own token opens the blob at the origin, it says: in a cluster, that is what private blobs are given by. */
  readonly hasAccess?: boolean;
}

export interface Announcement {
  /** Rises with every start of the node: what an earlier run said is void. */
  readonly epoch: number;
  /** Rises with every announcement of one run. */
  readonly sequence: number;
  /** Forget the node when nothing is heard for so long. */
  readonly ttlMs: number;
  /** All that the node has to say; else only what changed. */
  readonly isFull: boolean;
  /** Bytes per second that its best link can send. */
  readonly capacityBytesPerS: number;
  /** Upload slots free. */
  readonly freeSlots: number;
  readonly blobs: readonly BlobNews[];
}

/** What a signed gossip message costs around its content: topic, peer id, sequence, key, signature, framing. */
const ENVELOPE_BYTES = 180;
/** A digest, sizes, tags. */
const BLOB_BYTES = 48;
const SHARD_BYTES = 2;

/** About how many bytes an announcement takes on the wire. It reaches each listener once: the publisher sends to all, nobody passes it on. */
export function announcementBytes(record: Announcement): number {
  let bytes = ENVELOPE_BYTES;
  for (const { holds, rooted } of record.blobs) {
    bytes += BLOB_BYTES + rooted.length * SHARD_BYTES;
    if (holds.kind === "exactly") bytes += Math.ceil(holds.shards.size / 8);
    if (holds.kind === "more") bytes += holds.shards.length * SHARD_BYTES;
  }
  return bytes;
}
