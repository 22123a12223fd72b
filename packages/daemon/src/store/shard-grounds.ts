/** What the whole shards of a blob on its way rest on, and whose bytes are in those that are not whole. */
import { type NodeId, parseNodeId } from "@swarmd/protocol";
import { decodeAttestation, type EvidenceKind } from "@swarmd/protocol/wire";
import type { Ground } from "../verify/types.js";
import type { GroundRecord } from "./journal-records.js";

/** What the journal of an earlier run says. */
export interface KnownGrounds {
  readonly grounds: ReadonlyMap<number, GroundRecord>;
  readonly guests: ReadonlyMap<number, ReadonlySet<string>>;
}

export interface GuestRange {
  readonly startBytes: number;
  readonly endBytes: number;
}

export class ShardGrounds {
  readonly #grounds = new Map<number, Ground>();
  readonly #guests = new Map<number, Set<NodeId>>();
  /** Where their bytes lie; nobody knows of those that an earlier run took. */
  readonly #ranges = new Map<number, GuestRange>();

  /** @param rangeOf where anything of a shard lies that an earlier run left */
  constructor({ grounds, guests }: KnownGrounds, rangeOf: (shard: number) => GuestRange) {
    for (const [shard, record] of grounds) {
      const ground = findGround(record);
      if (ground !== undefined) this.#grounds.set(shard, ground);
    }
    for (const [shard, peers] of guests) {
      this.#guests.set(shard, new Set([...peers].map(parseNodeId)));
      this.#ranges.set(shard, rangeOf(shard));
    }
  }

  find(shard: number): Ground | undefined {
    return this.#grounds.get(shard);
  }

  guests(shard: number): readonly NodeId[] {
    return [...(this.#guests.get(shard) ?? [])];
  }

  /** All bytes of guests in a shard lie in it. */
  guestRange(shard: number): GuestRange | undefined {
    return this.#ranges.get(shard);
  }

  /** @returns whether the guest is new */
  addGuest(shard: number, peer: NodeId, { startBytes, endBytes }: GuestRange): boolean {
    const range = this.#ranges.get(shard) ?? { startBytes, endBytes };
    this.#ranges.set(shard, {
      startBytes: Math.min(range.startBytes, startBytes),
      endBytes: Math.max(range.endBytes, endBytes),
    });
    const guests = this.#guests.get(shard) ?? new Set();
    if (guests.has(peer)) return false;
    this.#guests.set(shard, guests.add(peer));
    return true;
  }

  /** The shard is whole and rests on this. */
  set(shard: number, ground: Ground): void {
    this.#guests.delete(shard);
    this.#ranges.delete(shard);
    this.#grounds.set(shard, ground);
  }

  forget(shard: number): void {
    this.#guests.delete(shard);
    this.#ranges.delete(shard);
    this.#grounds.delete(shard);
  }
}

/** As the journal has it. */
export function toGroundRecord(ground: Ground): GroundRecord {
  return { kind: ground.kind, payload: "item" in ground ? ground.item.payload : new Uint8Array(0) };
}

/** What this node once wrote down after checking it; what makes no sense any more is left out. */
function findGround({ kind, payload }: GroundRecord): Ground | undefined {
  if (kind === "origin" || kind === "digest") return { kind };
  if (kind === "proof") return { kind };
  const item = { kind: kind satisfies EvidenceKind, payload };
  try {
    const { signer, basis } = decodeAttestation(payload);
    return { kind, item, signer, basis };
  } catch {
    return undefined;
  }
}
