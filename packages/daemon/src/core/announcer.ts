/**
 * What this node tells the others, and when.
 *
 * Wants, roots of relay trees and whole blobs matter to everyone at once: they go out within {@link COALESCE_MS}. Every other
 * checked shard is told only as far as a budget allows that grows with the bytes received: with many listeners that is seldom,
 * but then the trees carry the shards, not the gossip.
 */
import { type BlobId, type NodeId, shardCount } from "@swarmd/protocol";
import { type Announcement, announcementBytes, type BlobNews } from "./catalog/announcement.js";
import type { BlobSpec } from "./messages.js";
import type { Session } from "./session/session.js";
import { ShardSet } from "./shard-set.js";
import type { EngineState } from "./state.js";

/** Changes that come close together travel together. */
const COALESCE_MS = 100;
/** A pull wants its files within one moment. */
const WANT_COALESCE_MS = 10;
/**
 * Share of the bytes received that may be spent on telling what was received, all listeners counted. With the wants, which cost some 370 bytes
 * from each node, a pull of 1 GiB among 1,000 nodes stays below 0.1 % in all.
 */
const BUDGET_SHARE = 0.0005;
/** A record of more blobs would not fit the gossip's message limit. */
const BLOBS_PER_RECORD = 256;
/** A node at rest says this often that it lives; with many peers less often, so that the sum stays small. */
const HEARTBEAT_MS = 20_000;
const HEARTBEAT_PER_PEER_MS = 100;
/** So many heartbeats in a row tell what changed lately, the next one everything: a full cache is too much to tell each time. */
const FULL_EVERY = 30;
/** With so many whole copies known, it is no news that there is one more: it goes with the next heartbeat. */
const PLENTY = 16;
/** Above this many shards, only the new ones are named. */
const EXACT_UP_TO = 1_024;

export class Announcer {
  readonly #state: EngineState;
  readonly #changed = new Map<BlobId, number[]>();
  /** Told since the heartbeat before the last one: told again with the next, in case it was lost. */
  #recent = new Set<BlobId>();
  #earlier = new Set<BlobId>();
  #beats = 0;
  /** When the last one was, or the first peer came up. */
  #beatMs = Number.NEGATIVE_INFINITY;
  #sequence = 0;
  #creditBytes = 0;

  constructor(state: EngineState) {
    this.#state = state;
  }

  /** We want the blob: others who want it wait for this word before they begin. */
  wanted(blob: BlobId): void {
    this.#soon(blob, WANT_COALESCE_MS);
  }

  /** The blob is whole here. While there are few such nodes, everybody should know soon. */
  whole(blob: BlobId): void {
    const found = this.#state.catalog.find(blob);
    if (found !== undefined && this.#state.catalog.seeds(found).length >= PLENTY) this.#note(blob);
    else this.urgent(blob);
  }

  /** Everybody should know of this blob's state soon. */
  urgent(blob: BlobId): void {
    this.#soon(blob, COALESCE_MS);
  }

  #soon(blob: BlobId, delayMs: number): void {
    if (this.#state.options.swarm === undefined) return;
    this.#note(blob);
    this.#state.timers.setIfEarlier("announce", this.#state.nowMs + delayMs);
  }

  /** Others listen from now on: what was said before they never heard, and may not be for them. */
  startOver(): void {
    this.#changed.clear();
    this.#sizes.clear();
  }

  /** A shard is checked: worth telling when the budget allows. */
  checked(blob: BlobId, shard: number, bytes: number): void {
    if (this.#state.options.swarm === undefined) return;
    this.#note(blob).push(shard);
    this.#creditBytes += bytes * BUDGET_SHARE;
    if (this.#creditBytes < this.#costOf(blob)) return;
    this.#state.timers.setIfEarlier("announce", this.#state.nowMs + COALESCE_MS);
  }

  /** To be called when the timer `announce` rings. */
  flush(): void {
    const blobs = [...this.#changed.keys()].slice(0, BLOBS_PER_RECORD);
    if (blobs.length === 0) return;
    const news = blobs
      .map((blob) => this.#newsOf(blob, this.#changed.get(blob) ?? []))
      .filter((one) => one !== undefined);
    for (const blob of blobs) {
      this.#changed.delete(blob);
      this.#recent.add(blob);
    }
    if (this.#changed.size > 0) this.#state.timers.setIfEarlier("announce", this.#state.nowMs);
    if (news.length > 0) this.#publish(news, false);
  }

  /** To be called when the timer `heartbeat` rings, and once at start. */
  heartbeat(): void {
    const peers = this.#state.catalog.peers.size;
    const dueMs = this.#beatMs + HEARTBEAT_PER_PEER_MS * peers;
    if (dueMs > this.#state.nowMs) {
      // Meanwhile there are more peers than when the timer was set.
      this.#state.timers.set("heartbeat", dueMs);
      return;
    }
    this.#beatMs = this.#state.nowMs;
    this.#state.timers.set("heartbeat", this.#state.nowMs + this.#heartbeatMs());
    if (peers === 0) return;
    this.#beats += 1;
    const isFull = this.#beats % FULL_EVERY === 0;
    const records = isFull ? this.#fullRecords() : this.#recordsOf(this.#recentBlobs());
    this.#earlier = this.#recent;
    this.#recent = new Set();
    for (const blob of records.flatMap((news) => news.map((one) => one.blob))) this.#changed.delete(blob);
    for (const [index, news] of records.entries()) this.#publish(news, isFull && index === 0);
  }

  /** What is under way, what changed lately, and what waited for this heartbeat. */
  #recentBlobs(): Set<BlobId> {
    return new Set([...this.#state.sessions.keys(), ...this.#recent, ...this.#earlier, ...this.#changed.keys()]);
  }

  /** Full state to a peer that came up; nothing if there is nothing to say. */
  tell(peer: NodeId): void {
    if (this.#beatMs === Number.NEGATIVE_INFINITY) this.#beatMs = this.#state.nowMs;
    const records = this.#fullRecords();
    if (records.length === 1 && records[0]?.length === 0) return;
    for (const [index, news] of records.entries()) {
      this.#state.emit({ type: "tell", peer, record: this.#record(news, index === 0) });
    }
  }

  #publish(news: readonly BlobNews[], isFull: boolean): void {
    const record = this.#record(news, isFull);
    const peers = this.#state.catalog.peers.size;
    this.#creditBytes = Math.max(0, this.#creditBytes - announcementBytes(record) * peers);
    this.#state.emit({ type: "announce", record });
  }

  #record(blobs: readonly BlobNews[], isFull: boolean): Announcement {
    this.#sequence += 1;
    return this.#recordOf(blobs, isFull);
  }

  #recordOf(blobs: readonly BlobNews[], isFull: boolean): Announcement {
    const { swarm } = this.#state.options;
    return {
      epoch: swarm?.epoch ?? 0,
      sequence: this.#sequence,
      ttlMs: 3 * this.#heartbeatMs(),
      isFull,
      capacityBytesPerS: this.#state.self?.capacityBytesPerS ?? 0,
      freeSlots: (swarm?.uploads ?? 0) - this.#state.uploads.size,
      blobs,
    };
  }

  #heartbeatMs(): number {
    return Math.max(HEARTBEAT_MS, HEARTBEAT_PER_PEER_MS * this.#state.catalog.peers.size);
  }

  #fullRecords(): BlobNews[][] {
    return this.#recordsOf(new Set([...this.#state.sessions.keys(), ...this.#state.library.keys()]));
  }

  #recordsOf(blobs: ReadonlySet<BlobId>): BlobNews[][] {
    const news = [...blobs].map((blob) => this.#newsOf(blob, undefined)).filter((one) => one !== undefined);
    const records: BlobNews[][] = [];
    for (let from = 0; from < news.length; from += BLOBS_PER_RECORD)
      records.push(news.slice(from, from + BLOBS_PER_RECORD));
    return records.length === 0 ? [[]] : records;
  }

  #note(blob: BlobId): number[] {
    let shards = this.#changed.get(blob);
    if (shards === undefined) {
      shards = [];
      this.#changed.set(blob, shards);
    }
    return shards;
  }

  /** What telling of the blob would cost, all listeners counted. */
  #costOf(blob: BlobId): number {
    const peers = this.#state.catalog.peers.size;
    const news = this.#newsOf(blob, this.#changed.get(blob));
    return news === undefined ? 0 : announcementBytes(this.#recordOf([news], false)) * peers;
  }

  /** @param added shards since the last time; undefined to name all. Undefined is returned for what nobody may hear of. */
  #newsOf(blob: BlobId, added: readonly number[] | undefined): BlobNews | undefined {
    const session = this.#state.sessions.get(blob);
    const held = this.#state.library.get(blob);
    const spec = session?.spec ?? held;
    if (spec === undefined) return this.#gone(blob);
    if (spec.isPrivate && this.#state.sharing === "nobody") return undefined;
    this.#sizes.set(blob, spec.sizeBytes);
    const { sizeBytes } = spec;
    if (held !== undefined) {
      return { blob, sizeBytes, wants: false, mayFetch: false, holds: { kind: "all" }, rooted: [], ...accessOf(held) };
    }
    return session && this.#newsOfSession(session, added);
  }

  #newsOfSession(session: Session, added: readonly number[] | undefined): BlobNews {
    const { blob, shards, spec } = session;
    const wants = session.pulls.size > 0 && session.peersAllowed && session.phase !== "closing";
    const mayFetch = wants && session.originAllowed && !this.#state.origin.isDown;
    const isExact = added === undefined || shards.count <= EXACT_UP_TO;
    const holds = isExact
      ? ({ kind: "exactly", shards: wants ? shards.held.clone() : new ShardSet(shards.count) } as const)
      : ({ kind: "more", shards: added } as const);
    const rooted = wants ? this.#rootedOf(session) : [];
    return { blob, sizeBytes: spec.sizeBytes, wants, mayFetch, holds, rooted, ...accessOf(spec) };
  }

  #rootedOf(session: Session): number[] {
    const rooted: number[] = [];
    for (const id of session.attempts) {
      const attempt = this.#state.attempts.get(id);
      if (attempt?.isRoot !== true || attempt.isCancelled) continue;
      const { shardBytes } = session.shards;
      const last = Math.ceil(attempt.endBytes / shardBytes);
      for (let shard = Math.floor(attempt.startBytes / shardBytes); shard < last; shard += 1) {
        if (!session.shards.held.has(shard)) rooted.push(shard);
      }
    }
    return rooted;
  }

  /** We have nothing of it any more, and want nothing: it is told once. */
  #gone(blob: BlobId): BlobNews | undefined {
    const sizeBytes = this.#sizes.get(blob);
    if (sizeBytes === undefined) return undefined;
    this.#sizes.delete(blob);
    const none = new ShardSet(shardCount(sizeBytes, this.#state.options.shardBytes));
    return { blob, sizeBytes, wants: false, mayFetch: false, holds: { kind: "exactly", shards: none }, rooted: [] };
  }

  /** Sizes of blobs that were announced, so that their end can be announced too. */
  readonly #sizes = new Map<BlobId, number>();
}

/** Of public blobs nobody needs to know. */
function accessOf({ isPrivate, hasAccess }: BlobSpec): { readonly hasAccess?: boolean } {
  return isPrivate && hasAccess === true ? { hasAccess } : {};
}
