/**
 * Who has what, who wants what, and how to reach them.
 *
 * Purpose: folds announcements into a picture that the planner can question without scanning everything.
 * In: peers that come and go, announcements in any order. Out: peers of a blob, rarity of a shard.
 * Never: a decision; more memory than its limits allow, whatever peers say.
 */
import { type BlobId, type NodeId, shardCount } from "@swarmd/protocol";
import { keyOf } from "../rendezvous.js";
import { ShardSet } from "../shard-set.js";
import type { Announcement, BlobNews, LinkClass, PeerLink } from "./announcement.js";
import { HolderIndex } from "./holder-index.js";

/** A peer as this node knows it. */
export interface Peer {
  readonly id: NodeId;
  /** For rendezvous hashing. */
  readonly key: number;
  links: readonly PeerLink[];
  isUp: boolean;
  isBanned: boolean;
  epoch: number;
  sequence: number;
  /** It was away: its next full record counts even if its clock was set back meanwhile. */
  isReturning: boolean;
  expiresMs: number;
  capacityBytesPerS: number;
  freeSlots: number;
  /** Measured on finished transfers, a moving average; 0 before the first. */
  rateBytesPerS: number;
  /** Wrong shards that it passed on, for which it may not be to blame. */
  strikes: number;
  /** It failed us: not asked before this time. */
  notBeforeMs: number;
  failures: number;
  readonly blobs: Map<BlobId, PeerBlob>;
}

/** One peer's part in one blob. */
export interface PeerBlob {
  readonly peer: Peer;
  /** Its place in the blob's index, if that has one. */
  slot: number;
  isComplete: boolean;
  holds: ShardSet;
  wants: boolean;
  mayFetch: boolean;
  /** It says that its own token opens the blob at the origin. */
  hasAccess: boolean;
  /** When its want was first heard of. */
  wantedSinceMs: number;
  rooted: readonly number[];
}

/** Those that want a blob, summed up; the order is that of {@link Catalog.wanters}. */
export interface WanterField {
  readonly ids: readonly NodeId[];
  readonly keys: Uint32Array;
  /** The most and the least bytes per second that one of them can send; 0 and Infinity without any. */
  readonly bestCapacity: number;
  readonly leastCapacity: number;
  /** All of them may ask the origin. */
  readonly mayAllFetch: boolean;
  /** When the last of them was first heard of. */
  readonly newestMs: number;
}

/** All peers' parts in one blob. */
export interface BlobPeers {
  readonly sizeBytes: number;
  readonly shards: number;
  readonly peers: Map<NodeId, PeerBlob>;
  /** How many peers with a part of the blob hold each shard; complete ones are not counted. */
  readonly holders: Uint16Array;
  /** Usable peers that want it, that hold all of it; rebuilt when somebody changes. */
  wanters: PeerBlob[] | undefined;
  seeds: PeerBlob[] | undefined;
  usable: PeerBlob[] | undefined;
  field: WanterField | undefined;
  /** Holders by shard, from the first time on that somebody asks for them: blobs that we don't want need none. */
  index: HolderIndex<PeerBlob> | undefined;
  /** Rises whenever one of these lists changes. */
  version: number;
  /** Who fetches which shard from a scarce source. */
  readonly roots: Map<number, Set<NodeId>>;
}

export interface CatalogLimits {
  readonly peers: number;
  readonly blobsPerPeer: number;
  /** Bits of partial holdings, per peer: 1 M shards are 16 TiB in progress. */
  readonly shardsPerPeer: number;
}

export const CATALOG_LIMITS: CatalogLimits = { peers: 4_096, blobsPerPeer: 16_384, shardsPerPeer: 1_048_576 };

/** Announcements that were not believed, by reason. */
export interface Dropped {
  stale: number;
  oversize: number;
  invalid: number;
}

const LINK_RANK: Record<LinkClass, number> = { rdma: 0, thunderbolt: 1, ethernet: 2, wifi: 3, routed: 4 };

export class Catalog {
  readonly peers = new Map<NodeId, Peer>();
  readonly dropped: Dropped = { stale: 0, oversize: 0, invalid: 0 };
  readonly #blobs = new Map<BlobId, BlobPeers>();
  readonly #shardBytes: number;
  readonly #limits: CatalogLimits;
  #upCount = 0;
  /** The latest time before which some peer is left alone. */
  #leftAloneMs = 0;

  constructor(shardBytes: number, limits: CatalogLimits = CATALOG_LIMITS) {
    this.#shardBytes = shardBytes;
    this.#limits = limits;
  }

  /** How many peers can be reached. */
  get upCount(): number {
    return this.#upCount;
  }

  peerUp(id: NodeId, links: readonly PeerLink[], nowMs: number): Peer | undefined {
    const peer = this.#peer(id, nowMs);
    if (peer === undefined) return undefined;
    peer.links = [...links].sort((a, b) => LINK_RANK[a.class] - LINK_RANK[b.class]);
    if (!peer.isUp) {
      this.#upCount += 1;
      peer.isReturning = peer.epoch >= 0;
    }
    peer.isUp = true;
    peer.notBeforeMs = 0;
    peer.failures = 0;
    this.#touch(peer);
    return peer;
  }

  peerDown(id: NodeId): void {
    const peer = this.peers.get(id);
    if (peer?.isUp !== true) return;
    this.#upCount -= 1;
    peer.isUp = false;
    this.#touch(peer);
  }

  /** Also one that is gone: it may come back. */
  ban(id: NodeId, nowMs: number): void {
    const peer = this.#peer(id, nowMs);
    if (peer === undefined) return;
    peer.isBanned = true;
    for (const blob of [...peer.blobs.keys()]) this.#forget(peer, blob);
  }

  /** A ban is over: what it says counts again. */
  pardon(id: NodeId): void {
    const peer = this.peers.get(id);
    if (peer?.isBanned !== true) return;
    peer.isBanned = false;
    peer.strikes = 0;
    peer.failures = 0;
    peer.notBeforeMs = 0;
    this.#touch(peer);
  }

  /** @returns the blobs of which something changed; undefined when the announcement was dropped. */
  heard(id: NodeId, record: Announcement, nowMs: number): readonly BlobNews[] | undefined {
    const peer = this.#peer(id, nowMs);
    if (peer === undefined || peer.isBanned || !this.#isNew(peer, record)) return undefined;
    if (record.epoch > peer.epoch || record.isFull) this.#restart(peer, record);
    if (record.isFull) peer.isReturning = false;
    peer.epoch = record.epoch;
    peer.sequence = record.sequence;
    peer.expiresMs = nowMs + record.ttlMs;
    if (peer.capacityBytesPerS !== record.capacityBytesPerS) this.#touch(peer);
    peer.capacityBytesPerS = record.capacityBytesPerS;
    peer.freeSlots = record.freeSlots;
    return record.blobs.filter((news) => this.#fold(peer, news, nowMs));
  }

  /** Forgets peers that were silent for longer than they said they would be. */
  expire(nowMs: number): void {
    for (const peer of this.peers.values()) {
      if (peer.expiresMs >= nowMs) continue;
      for (const blob of [...peer.blobs.keys()]) this.#forget(peer, blob);
      if (!peer.isUp && !peer.isBanned) this.peers.delete(peer.id);
    }
  }

  find(blob: BlobId): BlobPeers | undefined {
    return this.#blobs.get(blob);
  }

  /** Usable peers that want the blob. */
  wanters(blob: BlobPeers): readonly PeerBlob[] {
    blob.wanters ??= [...blob.peers.values()].filter(({ peer, wants }) => wants && isUsable(peer));
    return blob.wanters;
  }

  /** Usable peers that hold all of the blob. */
  seeds(blob: BlobPeers): readonly PeerBlob[] {
    blob.seeds ??= [...blob.peers.values()].filter(({ peer, isComplete }) => isComplete && isUsable(peer));
    return blob.seeds;
  }

  /** Usable peers with any part in the blob. */
  usable(blob: BlobPeers): readonly PeerBlob[] {
    blob.usable ??= [...blob.peers.values()].filter(({ peer }) => isUsable(peer));
    return blob.usable;
  }

  /** What matters of all usable wanters together. */
  field(blob: BlobPeers): WanterField {
    blob.field ??= fieldOf(this.wanters(blob));
    return blob.field;
  }

  /** It failed us: it is not to be asked before this time, unless it comes up anew. */
  leaveAlone(peer: Peer, untilMs: number): void {
    peer.notBeforeMs = Math.max(peer.notBeforeMs, untilMs);
    this.#leftAloneMs = Math.max(this.#leftAloneMs, untilMs);
  }

  /** Whether there may be peers that are left alone. */
  areSomeLeftAlone(nowMs: number): boolean {
    return this.#leftAloneMs > nowMs;
  }

  /**
   * Visits the usable peers that hold a shard, in the order of {@link usable}, beginning at `first` and round to the one before it.
   *
   * @param which `any`, or only those that hold a part of the blob.
   * @param visit returns whether to go on.
   */
  visitHolders(
    blob: BlobPeers,
    shard: number,
    first: PeerBlob | undefined,
    which: "any" | "partial",
    visit: (part: PeerBlob) => boolean,
  ): void {
    blob.index ??= new HolderIndex(blob.shards, blob.peers.values());
    blob.index.visit(shard, first?.slot ?? 0, which, (part) => !isUsable(part.peer) || visit(part));
  }

  #isNew(peer: Peer, record: Announcement): boolean {
    if (record.blobs.length > this.#limits.blobsPerPeer) {
      this.dropped.oversize += 1;
      return false;
    }
    if (record.epoch < peer.epoch && record.isFull && peer.isReturning) return true;
    if (record.epoch < peer.epoch || (record.epoch === peer.epoch && record.sequence <= peer.sequence)) {
      this.dropped.stale += 1;
      return false;
    }
    return true;
  }

  #restart(peer: Peer, record: Announcement): void {
    const named = new Set(record.blobs.map((news) => news.blob));
    for (const blob of [...peer.blobs.keys()])
      if (!named.has(blob) || record.epoch !== peer.epoch) this.#forget(peer, blob);
  }

  #fold(peer: Peer, news: BlobNews, nowMs: number): boolean {
    const shards = shardCount(news.sizeBytes, this.#shardBytes);
    const blob = this.#blobOf(news, shards);
    if (blob === undefined || !this.#hasRoom(peer, news, shards)) return false;
    const known = peer.blobs.get(news.blob);
    const part = known ?? newPart(peer, shards);
    const { wanters, seeds, usable } = blob;
    if (known === undefined) {
      peer.blobs.set(news.blob, part);
      blob.peers.set(peer.id, part);
      blob.index?.add(part);
      invalidate(blob);
    }
    this.#foldWants(blob, part, news, nowMs);
    this.#foldHolds(blob, part, news);
    this.#foldRoots(blob, part, news);
    if (known === undefined) append(blob, part, { wanters, seeds, usable });
    if (!news.wants && news.holds.kind === "exactly" && news.holds.shards.count === 0) this.#forget(peer, news.blob);
    return true;
  }

  #foldWants(blob: BlobPeers, part: PeerBlob, { wants, mayFetch, hasAccess }: BlobNews, nowMs: number): void {
    if (part.wants !== wants || part.mayFetch !== mayFetch) invalidate(blob);
    if (wants && !part.wants) part.wantedSinceMs = nowMs;
    part.wants = wants;
    part.mayFetch = mayFetch;
    part.hasAccess = hasAccess === true;
  }

  #foldHolds(blob: BlobPeers, part: PeerBlob, { holds }: BlobNews): void {
    const isComplete = holds.kind === "all";
    if (part.isComplete !== isComplete) invalidate(blob);
    if (holds.kind === "more") {
      for (const shard of holds.shards) if (part.holds.add(shard)) count(blob, part, shard, true);
    } else {
      const next = holds.kind === "all" ? new ShardSet(blob.shards) : holds.shards.clone();
      part.holds.compare(next, (shard, isAdded) => count(blob, part, shard, isAdded));
      part.holds = next;
    }
    part.isComplete = isComplete || (holds.kind === "more" && part.isComplete);
    blob.index?.markComplete(part.slot, part.isComplete);
  }

  #foldRoots(blob: BlobPeers, part: PeerBlob, news: BlobNews): void {
    if (part.rooted.length === 0 && news.rooted.length === 0) return;
    for (const shard of part.rooted) blob.roots.get(shard)?.delete(part.peer.id);
    part.rooted = news.rooted;
    for (const shard of part.rooted) {
      const roots = blob.roots.get(shard);
      if (roots === undefined) blob.roots.set(shard, new Set([part.peer.id]));
      else roots.add(part.peer.id);
    }
  }

  #blobOf(news: BlobNews, shards: number): BlobPeers | undefined {
    const known = this.#blobs.get(news.blob);
    if (known !== undefined) {
      // The first to name a blob may lie about its size; our own wants correct that (see `expect`).
      if (known.sizeBytes === news.sizeBytes) return known;
      this.dropped.invalid += 1;
      return undefined;
    }
    if (!Number.isSafeInteger(news.sizeBytes) || news.sizeBytes < 0 || shards > this.#limits.shardsPerPeer) {
      this.dropped.invalid += 1;
      return undefined;
    }
    return this.#newBlob(news.blob, news.sizeBytes);
  }

  /** Our own node deals with this blob: its size is known for sure, so parts that claim another are forgotten. */
  expect(blob: BlobId, sizeBytes: number): BlobPeers {
    const known = this.#blobs.get(blob);
    if (known?.sizeBytes === sizeBytes) return known;
    if (known !== undefined) for (const { peer } of [...known.peers.values()]) this.#forget(peer, blob);
    return this.#newBlob(blob, sizeBytes);
  }

  #newBlob(id: BlobId, sizeBytes: number): BlobPeers {
    const shards = shardCount(sizeBytes, this.#shardBytes);
    const blob: BlobPeers = {
      sizeBytes,
      shards,
      peers: new Map(),
      holders: new Uint16Array(shards),
      wanters: undefined,
      seeds: undefined,
      usable: undefined,
      field: undefined,
      index: undefined,
      version: 0,
      roots: new Map(),
    };
    this.#blobs.set(id, blob);
    return blob;
  }

  #hasRoom(peer: Peer, news: BlobNews, shards: number): boolean {
    const { holds, rooted } = news;
    const sizeFits = holds.kind !== "exactly" || holds.shards.size === shards;
    const listFits = (holds.kind !== "more" || holds.shards.length <= shards) && rooted.length <= shards;
    if (!sizeFits || !listFits || rooted.some((shard) => !(shard >= 0 && shard < shards))) {
      this.dropped.invalid += 1;
      return false;
    }
    if (peer.blobs.has(news.blob)) return true;
    let total = shards;
    for (const part of peer.blobs.values()) if (!part.isComplete) total += part.holds.size;
    if (peer.blobs.size < this.#limits.blobsPerPeer && total <= this.#limits.shardsPerPeer) return true;
    this.dropped.oversize += 1;
    return false;
  }

  #forget(peer: Peer, id: BlobId): void {
    const part = peer.blobs.get(id);
    const blob = this.#blobs.get(id);
    peer.blobs.delete(id);
    if (part === undefined || blob === undefined) return;
    blob.index?.remove(part);
    for (const shard of part.holds) blob.holders[shard] = (blob.holders[shard] as number) - 1;
    for (const shard of part.rooted) blob.roots.get(shard)?.delete(peer.id);
    blob.peers.delete(peer.id);
    invalidate(blob);
  }

  #peer(id: NodeId, nowMs: number): Peer | undefined {
    const known = this.peers.get(id);
    if (known !== undefined) return known;
    if (this.peers.size >= this.#limits.peers) {
      this.dropped.oversize += 1;
      return undefined;
    }
    const peer: Peer = {
      id,
      key: keyOf(id),
      links: [],
      isUp: false,
      isBanned: false,
      epoch: -1,
      sequence: -1,
      isReturning: false,
      expiresMs: nowMs + UNHEARD_TTL_MS,
      capacityBytesPerS: 0,
      freeSlots: 0,
      rateBytesPerS: 0,
      strikes: 0,
      notBeforeMs: 0,
      failures: 0,
      blobs: new Map(),
    };
    this.peers.set(id, peer);
    return peer;
  }

  #touch(peer: Peer): void {
    for (const id of peer.blobs.keys()) {
      const blob = this.#blobs.get(id);
      if (blob !== undefined) invalidate(blob);
    }
  }
}

/** A peer that never spoke is kept so long. */
const UNHEARD_TTL_MS = 60_000;

/** Whether a peer may be asked for anything at all. */
export function isUsable(peer: Peer): boolean {
  return peer.isUp && !peer.isBanned;
}

/** Whether a peer says that it holds a shard. */
export function holdsShard(part: PeerBlob, shard: number): boolean {
  return part.isComplete || part.holds.has(shard);
}

function newPart(peer: Peer, shards: number): PeerBlob {
  const holds = new ShardSet(shards);
  return {
    peer,
    slot: 0,
    isComplete: false,
    holds,
    wants: false,
    mayFetch: false,
    hasAccess: false,
    wantedSinceMs: 0,
    rooted: [],
  };
}

function fieldOf(wanters: readonly PeerBlob[]): WanterField {
  const capacities = wanters.map(({ peer }) => peer.capacityBytesPerS);
  return {
    ids: wanters.map(({ peer }) => peer.id),
    keys: Uint32Array.from(wanters, ({ peer }) => peer.key),
    bestCapacity: capacities.reduce((best, one) => Math.max(best, one), 0),
    leastCapacity: capacities.reduce((least, one) => Math.min(least, one), Number.POSITIVE_INFINITY),
    mayAllFetch: wanters.every(({ mayFetch }) => mayFetch),
    newestMs: wanters.reduce((newest, { wantedSinceMs }) => Math.max(newest, wantedSinceMs), 0),
  };
}

/** A part that is new comes last in all lists: with a thousand nodes that begin together, building them anew each time is costly. */
function append(blob: BlobPeers, part: PeerBlob, before: Pick<BlobPeers, "wanters" | "seeds" | "usable">): void {
  const isIn = isUsable(part.peer);
  if (isIn && part.wants) before.wanters?.push(part);
  if (isIn && part.isComplete) before.seeds?.push(part);
  if (isIn) before.usable?.push(part);
  blob.wanters = before.wanters;
  blob.seeds = before.seeds;
  blob.usable = before.usable;
}

function invalidate(blob: BlobPeers): void {
  blob.wanters = undefined;
  blob.seeds = undefined;
  blob.usable = undefined;
  blob.field = undefined;
  blob.version += 1;
}

function count(blob: BlobPeers, part: PeerBlob, shard: number, isHeld: boolean): void {
  blob.holders[shard] = (blob.holders[shard] as number) + (isHeld ? 1 : -1);
  blob.index?.mark(part.slot, shard, isHeld);
}
