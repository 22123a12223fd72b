/**
 * Which shards to ask whom for, in a swarm: walks the shards that are due and puts a {@link Question} about each to the rules.
 *
 * All nodes walk nearly the same shards in the same order and take up at most `downloads` at a time: that window is what
 * they work on together, so what one fetches from the origin, all others are ready to follow.
 */
import type { NodeId } from "@swarmd/protocol";
import { type BlobPeers, holdsShard, isUsable, type Peer, type PeerBlob } from "../catalog/catalog.js";
import type { Fetching } from "../fetching.js";
import type { PullId, Reason, Source } from "../messages.js";
import type { Session } from "../session/session.js";
import type { EngineState } from "../state.js";
import { decide } from "./decide.js";
import { type Contender, DutyOrder } from "./duty-order.js";
import type { Answer, Question } from "./question.js";
import { compareOffers, type Offer } from "./rank.js";
import { orderByRarity } from "./rarest.js";
import { drawOf, shardKeyOf } from "./rendezvous.js";
import { areSeedsScarce } from "./scarce.js";

/** A want that is news to us counts for duty only after this time, when everybody has heard of it. */
const NEWCOMER_MS = 1_000;
/** Wants that come close together belong to a common cold start: wait until none came for so long … */
const SETTLE_QUIET_MS = 200;
/** … but no longer than that. */
const SETTLE_MOST_MS = 1_500;

export class SwarmPlanner {
  readonly #state: EngineState;
  readonly #fetching: Fetching;
  readonly #reasons = new Map<Session, Map<number, Reason>>();

  constructor(state: EngineState, fetching: Fetching) {
    this.#state = state;
    this.#fetching = fetching;
  }

  /** Whether peers have a part in this blob, or may be about to have. */
  isSwarming(session: Session): boolean {
    const { swarm } = this.#state.options;
    if (swarm === undefined || !session.peersAllowed || (session.spec.isPrivate && !swarm.isCluster)) return false;
    if (session.spec.origin === "stream" && session.originAllowed) return false;
    if (this.#state.nowMs < session.notes.settleUntilMs) return true;
    const blob = this.#state.catalog.find(session.blob);
    if (blob === undefined) return false;
    for (const part of blob.peers.values()) {
      if (isUsable(part.peer) && (part.wants || part.isComplete || part.holds.count > 0)) return true;
    }
    return false;
  }

  /** A blob is open: from now on we take part. */
  begin(session: Session): void {
    const { nowMs, catalog } = this.#state;
    catalog.expect(session.blob, session.spec.sizeBytes);
    session.notes.startedMs = nowMs;
    const hasPeers = [...catalog.peers.values()].some(isUsable);
    session.notes.settleUntilMs = hasPeers ? nowMs + SETTLE_QUIET_MS : nowMs;
  }

  /** Another node wants the blob as well: more wants may follow. */
  wantHeard(session: Session): void {
    const { notes } = session;
    if (this.#state.nowMs >= notes.settleUntilMs) return;
    notes.settleUntilMs = Math.min(this.#state.nowMs + SETTLE_QUIET_MS, notes.startedMs + SETTLE_MOST_MS);
    notes.waits.clear();
  }

  /** Starts what can be started, for all blobs that are fetched in a swarm. */
  plan(sessions: readonly Session[]): void {
    const { swarm } = this.#state.options;
    if (swarm === undefined) return;
    let room = 2 * swarm.downloads - this.#state.attempts.size;
    for (const [session, shards] of this.#due(sessions, room)) {
      for (const shard of shards) {
        if (room <= 0 || this.#state.attempts.size >= swarm.downloads) return;
        room -= 1;
        if (session.phase === "fetching" && session.shards.absent.has(shard)) this.#ask(session, shard);
      }
    }
  }

  /** A follower asks for a shard that we have not begun. @returns whether it is coming from a scarce source now. */
  startOnDemand(session: Session, shard: number): boolean {
    if (!this.isSwarming(session) || (session.trouble.get(shard)?.notBeforeMs ?? 0) > this.#state.nowMs) return false;
    const question = this.#question(session, shard);
    const answer = decide(question);
    if (answer.kind === "wait" || (answer.kind === "peer" && !answer.isRoot)) return false;
    return this.#carryOut(session, shard, question, answer);
  }

  /** Who is on duty for a shard as we see it, our own node aside. */
  dutyHolder(session: Session, shard: number): NodeId | undefined {
    const { order } = this.#question(session, shard);
    return order.place === 0 ? undefined : order.at(0);
  }

  /** Another holder of a shard, for a second try beside the attempt from `besides`. */
  findRival(session: Session, shard: number, besides: NodeId): Peer | undefined {
    const blob = this.#state.catalog.expect(session.blob, session.spec.sizeBytes);
    const others = this.#holdersOf(session, shard, blob, false).filter(({ peer }) => peer.id !== besides);
    return others[0]?.peer;
  }

  forget(session: Session): void {
    this.#reasons.delete(session);
  }

  /** Focus first, then heads, then all: each a stretch of shards of one blob. */
  *#due(sessions: readonly Session[], most: number): Generator<[Session, readonly number[]]> {
    for (const { blob, firstShard, lastShard } of this.#state.focus) {
      const session = sessions.find((one) => one.blob === blob);
      if (session !== undefined) yield [session, this.#ready(session, firstShard, lastShard + 1, most)];
    }
    for (const session of sessions) {
      if (session.headShards > 0) yield [session, this.#ready(session, 0, session.headShards, most)];
    }
    for (const session of sessions) {
      const shards = this.#ready(session, 0, session.shards.count, most);
      const blob = this.#state.catalog.find(session.blob);
      yield [session, blob === undefined ? shards : orderByRarity(shards, (shard) => holderCount(blob, shard))];
    }
  }

  /** Absent shards in `[from, end)` that may be asked for now. Those that wait count against `most` too. */
  #ready(session: Session, from: number, end: number, most: number): number[] {
    const ready: number[] = [];
    if (session.phase !== "fetching") return ready;
    const { absent } = session.shards;
    let looked = 0;
    for (let shard = absent.next(from); shard !== -1 && shard < end && looked < most; shard = absent.next(shard + 1)) {
      looked += 1;
      const untilMs = Math.max(session.notes.waits.get(shard) ?? 0, session.trouble.get(shard)?.notBeforeMs ?? 0);
      if (untilMs <= this.#state.nowMs) ready.push(shard);
      else this.#state.timers.setIfEarlier("plan", untilMs);
    }
    return ready;
  }

  #ask(session: Session, shard: number): void {
    const { notes } = session;
    if (!notes.waitingSince.has(shard)) notes.waitingSince.set(shard, this.#state.nowMs);
    const question = this.#question(session, shard);
    const answer = decide(question);
    if (answer.kind !== "wait") {
      this.#carryOut(session, shard, question, answer);
      return;
    }
    notes.waits.set(shard, answer.untilMs);
    this.#state.timers.setIfEarlier("plan", answer.untilMs);
    this.#explain(session, shard, answer.reason);
  }

  #carryOut(session: Session, shard: number, question: Question, answer: Exclude<Answer, { kind: "wait" }>): boolean {
    const source = this.#sourceOf(answer);
    if (source === undefined) return false;
    session.notes.waits.delete(shard);
    const isRoot = answer.kind === "origin" || answer.isRoot;
    const pull = answer.kind === "origin" ? this.pullWithRoom(session) : undefined;
    this.#reasons.get(session)?.delete(shard);
    const place = answer.reason === "relay" ? question.order.place : 0;
    this.#fetching.start({ session, first: shard, last: shard, source, reason: answer.reason, pull, isRoot, place });
    return true;
  }

  #sourceOf(answer: Exclude<Answer, { kind: "wait" }>): Source | undefined {
    if (answer.kind === "origin") return { kind: "origin" };
    const link = this.#state.catalog.peers.get(answer.peer)?.links[0];
    return link && { kind: "peer", peer: answer.peer, link: link.link };
  }

  /** A wait is told once, not each time it is found to go on. */
  #explain(session: Session, shard: number, reason: Reason): void {
    let reasons = this.#reasons.get(session);
    if (reasons === undefined) {
      reasons = new Map();
      this.#reasons.set(session, reasons);
    }
    if (reasons.get(shard) === reason) return;
    reasons.set(shard, reason);
    this.#state.emit({ type: "decision", blob: session.blob, shard, reason });
  }

  #question(session: Session, shard: number): Question {
    const { nowMs, catalog, options } = this.#state;
    const { notes } = session;
    const blob = catalog.expect(session.blob, session.spec.sizeBytes);
    const wanters = catalog.wanters(blob);
    const seeds = catalog.seeds(blob);
    const isScarce = areSeedsScarce(seeds.length, wanters.length + 1);
    const holders = this.#holdersOf(session, shard, blob, isScarce);
    const spared = isScarce ? this.#holdersOf(session, shard, blob, true) : [];
    const isAble = ({ peer }: PeerBlob) => !notes.isAvoided(shard, peer.id, nowMs);
    const free = holders.find(isAble);
    const seed = spared.find(isAble);
    const mayAsk = (id: NodeId) => this.#mayAsk(session, shard, id);
    let order: DutyOrder | undefined;
    const makeOrder = () => this.#orderOf(session, shard, blob, wanters, spared.length > 0);
    return {
      nowMs,
      holders: free === undefined ? [] : [free.peer.id],
      areHoldersBusy: holders.length > 0,
      isRare: holderCount(blob, shard) === 1,
      seeds: seed === undefined ? [] : [seed.peer.id],
      areSeedsBusy: spared.length > 0,
      hints: notes.hints(shard),
      hasRivals: wanters.length > 0,
      settleUntilMs: notes.settleUntilMs,
      get order() {
        order ??= makeOrder();
        return order;
      },
      mayTakeDuty: spared.length > 0 || session.originAllowed,
      hasDutyFailed: notes.hasFailures(shard, nowMs),
      canAskOrigin: this.#canAskOrigin(session),
      isOriginAllowed: session.originAllowed,
      waitingSinceMs: notes.waitingSince.get(shard) ?? nowMs,
      random: options.random(),
      mayAsk,
    };
  }

  /** Peers that hold the shard and have not failed us for it, best first. `complete`: only seeds; else only the others while seeds are scarce. */
  #holdersOf(session: Session, shard: number, blob: BlobPeers, wantSeeds: boolean): PeerBlob[] {
    const { nowMs, catalog } = this.#state;
    const seeds = catalog.seeds(blob);
    if (blob.holders[shard] === 0 && seeds.length === 0) return [];
    const isScarce = areSeedsScarce(seeds.length, catalog.wanters(blob).length + 1);
    const found: PeerBlob[] = [];
    for (const part of wantSeeds ? seeds : blob.peers.values()) {
      if (!holdsShard(part, shard) || !isUsable(part.peer) || part.peer.notBeforeMs > nowMs) continue;
      if (isScarce && part.isComplete !== wantSeeds) continue;
      if (!session.notes.isAvoided(shard, part.peer.id, nowMs, "failed")) found.push(part);
    }
    return this.#ranked(found, shardKeyOf(session.notes.blobKey, shard));
  }

  #ranked(parts: readonly PeerBlob[], shardKey: number): PeerBlob[] {
    const ownKey = this.#state.self?.key ?? 0;
    const offers = parts.map((part): [Offer, PeerBlob] => {
      const { peer, isComplete } = part;
      const linkClass = peer.links[0]?.class ?? "routed";
      const { rateBytesPerS, freeSlots } = peer;
      return [{ linkClass, isComplete, rateBytesPerS, freeSlots, draw: drawOf(peer.key ^ ownKey, shardKey) }, part];
    });
    return offers.sort(([a], [b]) => compareOffers(a, b)).map(([, part]) => part);
  }

  #orderOf(session: Session, shard: number, blob: BlobPeers, wanters: readonly PeerBlob[], fromSeed: boolean): DutyOrder {
    const { nowMs, self } = this.#state;
    const { notes } = session;
    const root = this.#rootOf(session, shard, blob);
    const others: Contender[] = [];
    let hasRoot = false;
    for (const { peer, mayFetch, wantedSinceMs } of wanters) {
      if (peer.notBeforeMs > nowMs || notes.isAvoided(shard, peer.id, nowMs, "failed")) continue;
      const isNewcomer = wantedSinceMs > notes.startedMs + SETTLE_MOST_MS && nowMs - wantedSinceMs < NEWCOMER_MS;
      others.push({ node: peer, isEligible: (fromSeed || mayFetch) && !isNewcomer });
      hasRoot ||= peer.id === root?.id;
    }
    if (root !== undefined && !hasRoot) others.push({ node: root, isEligible: true });
    const own = { node: self as NonNullable<typeof self>, isEligible: fromSeed || session.originAllowed };
    return new DutyOrder(own, others, shardKeyOf(notes.blobKey, shard), root?.id);
  }

  #rootOf(session: Session, shard: number, blob: BlobPeers): Peer | undefined {
    const { nowMs, catalog } = this.#state;
    const shardKey = shardKeyOf(session.notes.blobKey, shard);
    let best: Peer | undefined;
    for (const id of blob.roots.get(shard) ?? []) {
      const peer = catalog.peers.get(id);
      if (peer === undefined || !isUsable(peer) || peer.notBeforeMs > nowMs) continue;
      if (session.notes.isAvoided(shard, id, nowMs, "failed")) continue;
      if (best === undefined || drawOf(peer.key, shardKey) < drawOf(best.key, shardKey)) best = peer;
    }
    return best;
  }

  #mayAsk(session: Session, shard: number, id: NodeId): boolean {
    const { nowMs, catalog, self } = this.#state;
    const peer = catalog.peers.get(id);
    if (peer === undefined || id === self?.id || !isUsable(peer) || peer.notBeforeMs > nowMs) return false;
    return peer.links.length > 0 && !session.notes.isAvoided(shard, id, nowMs);
  }

  #canAskOrigin(session: Session): boolean {
    const { origin, nowMs, originInFlight, originRequests } = this.#state;
    if (!session.originAllowed || origin.blockedUntilMs > nowMs || originInFlight >= originRequests) return false;
    return this.pullWithRoom(session) !== undefined;
  }

  /** A pull of this blob that may have one more origin request. */
  pullWithRoom(session: Session): PullId | undefined {
    for (const [pull, { originRequests, origin }] of session.pulls) {
      if (origin && (this.#state.originInFlightByPull.get(pull) ?? 0) < originRequests) return pull;
    }
    return undefined;
  }
}

/** How many known peers hold a shard. */
function holderCount(blob: BlobPeers, shard: number): number {
  return (blob.holders[shard] as number) + (blob.seeds?.length ?? 0);
}
