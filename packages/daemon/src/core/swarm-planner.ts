/**
 * Which shards to ask whom for, in a swarm: walks the shards that are due and puts a {@link Question} about each to the rules.
 *
 * All nodes walk nearly the same shards in the same order and take up at most `downloads` at a time: that window is what
 * they work on together, so what one fetches from the origin, all others are ready to follow.
 */
import type { NodeId } from "@swarmd/protocol";
import { type BlobPeers, isUsable, type Peer, type PeerBlob } from "./catalog/catalog.js";
import type { Fetching } from "./fetching.js";
import type { PullId, Reason, Source } from "./messages.js";
import { isSmall, seatsForReaders } from "./order.js";
import { decide } from "./planner/decide.js";
import { type Contender, type DutyOrder, dutyOrder, dutyOrderAmongEquals } from "./planner/duty-order.js";
import type { Answer, Question } from "./planner/question.js";
import { compareOffers, type Offer } from "./planner/rank.js";
import { orderByRarity } from "./planner/rarest.js";
import { areSeedsScarce } from "./planner/scarce.js";
import { STRIPES, Stripes } from "./planner/stripes.js";
import { drawOf, shardKeyOf } from "./rendezvous.js";
import type { Session } from "./session/session.js";
import type { EngineState } from "./state.js";

/** A want that is news to us counts for duty only after this time, when everybody has heard of it. */
const NEWCOMER_MS = 1_000;
/**
 * So many of the first missing shards are begun at a time by the swarm as a whole. Fewer than a node has downloads: then
 * every node can follow all that is under way, and has some to spare for what it missed. More than an origin's or a seed's
 * connections need to fill its line.
 */
const WINDOW = 16;
const WAIT_GRID_MS = 50;
/** What others ask of us comes on top of what we plan, up to so many times our downloads. */
const MOST_ON_DEMAND = 2;
/** Of many holders, so many are compared: more would cost more than the best of them is better. */
const MOST_LOOKED_AT = 16;
const ORDER_KEPT_MS = 500;
/** Wants that come close together belong to a common cold start: wait until none came for so long … */
const SETTLE_QUIET_MS = 200;
/** … but no longer than that. */
const SETTLE_MOST_MS = 1_500;

interface Holder {
  readonly any: boolean;
  readonly best: PeerBlob | undefined;
}

/** An order and what it was computed from. */
interface CachedOrder {
  readonly order: DutyOrder;
  readonly root: NodeId | undefined;
  readonly version: number;
  readonly untilMs: number;
}

const NOBODY: Holder = { any: false, best: undefined };

export class SwarmPlanner {
  readonly #state: EngineState;
  readonly #fetching: Fetching;
  readonly #orders = new Map<Session, Map<number, CachedOrder>>();
  readonly #stripes = new Map<Session, { readonly stripes: Stripes; readonly version: number }>();
  readonly #reasons = new Map<Session, Map<number, Reason>>();

  constructor(state: EngineState, fetching: Fetching) {
    this.#state = state;
    this.#fetching = fetching;
  }

  /** Whether peers have a part in this blob, or may be about to have. */
  isSwarming(session: Session): boolean {
    const { swarm } = this.#state.options;
    if (swarm === undefined || !session.peersAllowed || !this.#mayShare(session)) return false;
    if (session.origin === "stream" && session.originAllowed) return false;
    if (this.#state.nowMs < session.notes.settleUntilMs) return true;
    const blob = this.#state.catalog.find(session.blob);
    if (blob === undefined) return false;
    for (const part of blob.peers.values()) {
      if (isUsable(part.peer) && (part.wants || part.isComplete || part.holds.count > 0)) return true;
    }
    return false;
  }

  /** Peers are asked for a private blob only where they may give it to us. */
  #mayShare({ spec }: Session): boolean {
    const { sharing } = this.#state;
    if (!spec.isPrivate || sharing === "members") return true;
    return sharing === "owners" && spec.hasAccess === true;
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
    const most = 2 * swarm.downloads - this.#state.attempts.size;
    let position = this.#state.attempts.size;
    for (const [session, shards] of this.#due(sessions, most)) {
      for (const shard of shards) {
        const kept = this.#isWaitedFor(session, shard) ? 0 : seatsForReaders(swarm.downloads, this.#hasReaders);
        if (position >= 2 * swarm.downloads || this.#state.attempts.size >= swarm.downloads - kept) return;
        const isInWindow = position < WINDOW;
        position += 1;
        if (!isInWindow && !this.#isOnItsWay(session, shard)) continue;
        if (this.#canAskNow(session, shard)) this.#ask(session, shard, isInWindow);
      }
    }
  }

  /** Some peer holds the shard or is getting it from a scarce source: worth a question even outside of the window. */
  #isOnItsWay(session: Session, shard: number): boolean {
    const blob = this.#state.catalog.expect(session.blob, session.spec.sizeBytes);
    if (blob.holders[shard] !== 0 || (blob.roots.get(shard)?.size ?? 0) > 0) return true;
    const seeds = this.#state.catalog.seeds(blob).length;
    return seeds > 0 && !areSeedsScarce(seeds, this.#state.catalog.wanters(blob).length + 1);
  }

  #canAskNow(session: Session, shard: number): boolean {
    if (session.phase !== "fetching" || !session.shards.absent.has(shard)) return false;
    return this.#readyAtMs(session, shard) <= this.#state.nowMs;
  }

  #readyAtMs(session: Session, shard: number): number {
    return Math.max(session.notes.waits.get(shard) ?? 0, session.trouble.get(shard)?.notBeforeMs ?? 0);
  }

  /**
   * A follower asks for a shard that we have not begun. On duty we begin it; if we stand before the asker in its tree, we begin to follow
   * ourselves, so that the tree stands before its first byte is there. @returns whether the shard is coming now.
   */
  startOnDemand(session: Session, shard: number, asker: NodeId): boolean {
    const { nowMs, attempts, options, self } = this.#state;
    if (!this.isSwarming(session) || (session.trouble.get(shard)?.notBeforeMs ?? 0) > nowMs) return false;
    if (attempts.size >= MOST_ON_DEMAND * (options.swarm?.downloads ?? 0)) return false;
    const question = this.#question(session, shard, true);
    const answer = decide(question);
    if (answer.kind === "wait") return false;
    if (answer.kind === "peer" && !answer.isRoot) {
      if (answer.peer === asker) return false;
      if (this.placeOf(session, shard, self?.id) >= this.placeOf(session, shard, asker)) return false;
    }
    return this.#carryOut(session, shard, answer);
  }

  /** Who is on duty for a shard as we see it, our own node aside. */
  dutyHolder(session: Session, shard: number): NodeId | undefined {
    return this.#question(session, shard, true).order.first;
  }

  /** Our own node is on duty for a shard, and may ask the origin. */
  isOnDuty(session: Session, shard: number): boolean {
    return session.originAllowed && this.#question(session, shard, true).order.place === 0;
  }

  /** Somebody else could be on duty at the origin. */
  hasDeputy(session: Session): boolean {
    const blob = this.#state.catalog.find(session.blob);
    return blob !== undefined && this.#state.catalog.wanters(blob).some(({ mayFetch }) => mayFetch);
  }

  /** Who said that it fetches a shard from a scarce source, and has not failed us. */
  rootOf(session: Session, shard: number): NodeId | undefined {
    const blob = this.#state.catalog.find(session.blob);
    return blob && this.#rootOf(session, shard, blob)?.id;
  }

  /** Whether we would follow this peer again if we chose anew. */
  isStillBest(session: Session, shard: number, peer: NodeId): boolean {
    const { above, mayAsk } = this.#question(session, shard, true);
    return above.find((id) => mayAsk(id)) === peer;
  }

  /** Another holder of a shard, for a second try beside the attempt from `besides`. */
  findRival(session: Session, shard: number, besides: NodeId): Peer | undefined {
    const blob = this.#state.catalog.expect(session.blob, session.spec.sizeBytes);
    return this.#holderOf(session, shard, blob, false, besides).best?.peer;
  }

  /** The session is over. */
  forget(session: Session): void {
    this.#orders.delete(session);
    this.#stripes.delete(session);
    this.#reasons.delete(session);
  }

  /**
   * Where readers wait: small blobs, for which they wait longest in proportion, then the focus; then heads, then all. Each is a stretch of
   * shards of one blob; no shard comes twice, since each takes a place in the window.
   */
  *#due(sessions: readonly Session[], most: number): Generator<[Session, readonly number[]]> {
    const { focus } = this.#state;
    if (focus.length === 0) {
      yield* this.#dueInOrder(sessions, most);
      return;
    }
    const seen = new Map<Session, Set<number>>();
    for (const [session, shards] of this.#dueWithFocus(sessions, most)) {
      const before = seen.get(session) ?? new Set();
      const fresh = shards.filter((shard) => !before.has(shard));
      for (const shard of fresh) before.add(shard);
      seen.set(session, before);
      yield [session, fresh];
    }
  }

  *#dueWithFocus(sessions: readonly Session[], most: number): Generator<[Session, readonly number[]]> {
    for (const session of sessions) {
      if (isSmall(session)) yield [session, this.#absent(session, 0, session.shards.count, most)];
    }
    // Not the newest first: nodes that walk in different orders wait for each other, and then ask the origin after all.
    for (const session of sessions) {
      const wishes = this.#state.focus.filter(({ blob }) => blob === session.blob);
      for (const { firstShard, lastShard } of [...wishes].sort((a, b) => a.firstShard - b.firstShard)) {
        yield [session, this.#absent(session, firstShard, lastShard + 1, most)];
      }
    }
    yield* this.#dueInOrder(sessions, most);
  }

  *#dueInOrder(sessions: readonly Session[], most: number): Generator<[Session, readonly number[]]> {
    for (const session of sessions) {
      if (session.headShards > 0) yield [session, this.#absent(session, 0, session.headShards, most)];
    }
    for (const session of sessions) {
      const shards = this.#absent(session, 0, session.shards.count, most);
      const blob = this.#state.catalog.find(session.blob);
      yield [session, blob === undefined ? shards : orderByRarity(shards, (shard) => holderCount(blob, shard))];
    }
  }

  /** The first absent shards in `[from, end)`, those included that have to wait. */
  #absent(session: Session, from: number, end: number, most: number): number[] {
    const shards: number[] = [];
    if (session.phase !== "fetching") return shards;
    const { absent } = session.shards;
    for (
      let shard = absent.next(from);
      shard !== -1 && shard < end && shards.length < most;
      shard = absent.next(shard + 1)
    ) {
      shards.push(shard);
      const untilMs = this.#readyAtMs(session, shard);
      if (untilMs > this.#state.nowMs) this.#state.timers.setIfEarlier("plan", untilMs);
    }
    return shards;
  }

  #ask(session: Session, shard: number, isInWindow: boolean): void {
    const { notes } = session;
    if (!notes.waitingSince.has(shard)) notes.waitingSince.set(shard, this.#state.nowMs);
    const question = this.#question(session, shard, isInWindow);
    const answer = decide(question);
    if (answer.kind !== "wait") {
      this.#carryOut(session, shard, answer);
      return;
    }
    // On a grid, so that many waits end in one wake.
    const untilMs = Math.ceil(answer.untilMs / WAIT_GRID_MS) * WAIT_GRID_MS;
    notes.waits.set(shard, untilMs);
    this.#state.timers.setIfEarlier("plan", untilMs);
    this.#explain(session, shard, answer.reason);
  }

  #carryOut(session: Session, shard: number, answer: Exclude<Answer, { kind: "wait" }>): boolean {
    const source = this.#sourceOf(answer);
    if (source === undefined) return false;
    session.notes.waits.delete(shard);
    const isRoot = answer.kind === "origin" || answer.isRoot;
    const pull = answer.kind === "origin" ? this.pullWithRoom(session) : undefined;
    this.#reasons.get(session)?.delete(shard);
    const place = answer.reason === "relay" ? 1 + this.placeOf(session, shard, this.#state.options.swarm?.self) : 0;
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

  #question(session: Session, shard: number, isInWindow: boolean): Question {
    const { nowMs, catalog, options } = this.#state;
    const { notes } = session;
    const blob = catalog.expect(session.blob, session.spec.sizeBytes);
    const wanters = catalog.wanters(blob);
    const seeds = catalog.seeds(blob);
    const isScarce = areSeedsScarce(seeds.length, wanters.length + 1);
    const isSettling = nowMs < notes.settleUntilMs && areSeedsScarce(seeds.length, catalog.upCount - seeds.length);
    const holder = isSettling ? NOBODY : this.#holderOf(session, shard, blob, false);
    const seed = isScarce ? this.#holderOf(session, shard, blob, true) : NOBODY;
    const mayAsk = (id: NodeId) => this.#mayAsk(session, shard, id);
    let order: DutyOrder | undefined;
    const makeOrder = () => this.#orderOf(session, shard, blob, seed.any);
    const makeAbove = (onDuty: NodeId | undefined) => this.#above(session, shard, onDuty);
    return {
      nowMs,
      holder: holder.best?.peer.id,
      areHoldersBusy: holder.any,
      isRare: holderCount(blob, shard) === 1,
      seed: seed.best?.peer.id,
      areSeedsBusy: seed.any,
      hints: notes.hints(shard),
      hasRivals: wanters.length > 0,
      settleUntilMs: notes.settleUntilMs,
      get order() {
        order ??= makeOrder();
        return order;
      },
      get above() {
        return makeAbove(this.order.first);
      },
      isInWindow,
      hasRoot: (blob.roots.get(shard)?.size ?? 0) > 0,
      mayTakeDuty: seed.any || session.originAllowed,
      hasDutyFailed: notes.hasFailures(shard, nowMs),
      canAskOrigin: this.#canAskOrigin(session, shard),
      isOriginAllowed: session.originAllowed,
      waitingSinceMs: Math.max(notes.waitingSince.get(shard) ?? nowMs, this.#state.flowedMs),
      random: options.random(),
      mayAsk,
    };
  }

  /**
   * The best peer that holds the shard and can be asked now, and whether there is any that holds it and has not failed us.
   * Looks at no more than {@link MOST_LOOKED_AT} of them, beginning at a place that depends on shard and node.
   *
   * @param isSeed only seeds; else, while seeds are scarce, only the others.
   */
  #holderOf(session: Session, shard: number, blob: BlobPeers, isSeed: boolean, besides?: NodeId): Holder {
    const { catalog } = this.#state;
    const seeds = catalog.seeds(blob);
    if (blob.holders[shard] === 0 && seeds.length === 0) return NOBODY;
    const isScarce = areSeedsScarce(seeds.length, catalog.wanters(blob).length + 1);
    const draw = drawOf(this.#state.self?.key ?? 0, shardKeyOf(session.notes.blobKey, shard));
    const found: PeerBlob[] = [];
    let any = false;
    const visit = (part: PeerBlob): boolean => {
      if (part.peer.id === besides) return true;
      const standing = this.#standingOf(session, shard, part.peer);
      any ||= standing !== "failed";
      if (standing === "free") found.push(part);
      return found.length < MOST_LOOKED_AT;
    };
    if (isSeed) {
      for (let index = 0; index < seeds.length && visit(seeds[(draw + index) % seeds.length] as PeerBlob); index += 1);
    } else {
      const usable = catalog.usable(blob);
      catalog.visitHolders(blob, shard, usable[draw % usable.length], isScarce ? "partial" : "any", visit);
    }
    return { any, best: this.#bestOf(found, draw) };
  }

  #standingOf(session: Session, shard: number, peer: Peer): "free" | "busy" | "failed" {
    const { nowMs } = this.#state;
    if (peer.notBeforeMs > nowMs || session.notes.isAvoided(shard, peer.id, nowMs, "failed")) return "failed";
    return session.notes.isAvoided(shard, peer.id, nowMs) ? "busy" : "free";
  }

  #bestOf(parts: readonly PeerBlob[], draw: number): PeerBlob | undefined {
    let best: PeerBlob | undefined;
    let bestOffer: Offer | undefined;
    for (const part of parts) {
      const { key, links, rateBytesPerS, freeSlots } = part.peer;
      const linkClass = links[0]?.class ?? "routed";
      const offer = { linkClass, isComplete: part.isComplete, rateBytesPerS, freeSlots, draw: drawOf(key, draw) };
      if (bestOffer !== undefined && compareOffers(offer, bestOffer) >= 0) continue;
      best = part;
      bestOffer = offer;
    }
    return best;
  }

  /** Orders are kept for a moment: a shard that was refused is asked for again and again, and little changes meanwhile. */
  #orderOf(session: Session, shard: number, blob: BlobPeers, fromSeed: boolean): DutyOrder {
    const { nowMs } = this.#state;
    let orders = this.#orders.get(session);
    if (orders === undefined) {
      orders = new Map();
      this.#orders.set(session, orders);
    }
    const root = this.#rootOf(session, shard, blob)?.id;
    const version = blob.version + session.notes.failures + this.#state.fitness.version(nowMs);
    const cached = orders.get(shard);
    if (cached !== undefined && cached.untilMs > nowMs && cached.version === version && cached.root === root) {
      return cached.order;
    }
    const order = this.#computeOrder(session, shard, blob, fromSeed);
    orders.set(shard, { order, root, version, untilMs: nowMs + ORDER_KEPT_MS });
    return order;
  }

  #computeOrder(session: Session, shard: number, blob: BlobPeers, fromSeed: boolean): DutyOrder {
    const { nowMs, self, catalog } = this.#state;
    const { notes } = session;
    const root = this.#rootOf(session, shard, blob);
    if (this.#areEquals(session, shard, blob, fromSeed)) {
      const shardKey = shardKeyOf(notes.blobKey, shard);
      return dutyOrderAmongEquals(self?.key ?? 0, catalog.field(blob), shardKey, root?.id);
    }
    const others: Contender[] = [];
    let hasRoot = false;
    for (const { peer, mayFetch, wantedSinceMs } of catalog.wanters(blob)) {
      if (peer.notBeforeMs > nowMs || notes.isAvoided(shard, peer.id, nowMs, "failed")) continue;
      const isNewcomer = wantedSinceMs > notes.startedMs + SETTLE_MOST_MS && nowMs - wantedSinceMs < NEWCOMER_MS;
      others.push({ node: peer, isEligible: (fromSeed || mayFetch) && !isNewcomer });
      hasRoot ||= peer.id === root?.id;
    }
    if (root !== undefined && !hasRoot) others.push({ node: root, isEligible: true });
    const own = { node: self as NonNullable<typeof self>, isEligible: fromSeed || session.originAllowed };
    return dutyOrder(own, others, shardKeyOf(notes.blobKey, shard), root?.id);
  }

  /** How many stand before a node in the tree of a shard; one that we have not heard of stands behind all. */
  placeOf(session: Session, shard: number, id: NodeId | undefined): number {
    const place = id === undefined ? undefined : this.#stripesOf(session).placeOf(id, treeKey(session, shard));
    return place ?? Number.MAX_SAFE_INTEGER;
  }

  /** Whom a node follows in the tree of a shard; undefined for its head, which follows whoever is on duty. */
  parentOf(session: Session, shard: number, id: NodeId): NodeId | undefined {
    return this.#stripesOf(session).find(id, treeKey(session, shard)).above[0];
  }

  /** Whom to follow, best first: our parent in the tree, some that stand before us, those above our parent, who is on duty. */
  #above(session: Session, shard: number, onDuty: NodeId | undefined): readonly NodeId[] {
    const { self, options } = this.#state;
    if (self === undefined) return [];
    const stripes = this.#stripesOf(session);
    const key = treeKey(session, shard);
    const { place, above } = stripes.find(self.id, key);
    const last = onDuty === undefined ? [] : [onDuty];
    // One that failed us may hold up the others that stand before us as well: nobody between us and the source any more.
    if (session.notes.hasFailures(shard, this.#state.nowMs)) return [...last, ...above];
    if (above.length === 0) return [...last, ...stripes.spares(place, key, options.random())];
    const [parent, ...ancestors] = above;
    return [...new Set([parent as NodeId, ...stripes.spares(place, key, options.random()), ...ancestors, ...last])];
  }

  #stripesOf(session: Session): Stripes {
    const { self, catalog } = this.#state;
    const blob = catalog.expect(session.blob, session.spec.sizeBytes);
    const version = blob.version + this.#state.fitness.version(this.#state.nowMs);
    const cached = this.#stripes.get(session);
    if (cached?.version === version) return cached.stripes;
    const nodes = catalog.wanters(blob).map(({ peer }) => peer);
    const stripes = new Stripes(self === undefined ? nodes : [...nodes, self]);
    this.#stripes.set(session, { stripes, version });
    return stripes;
  }

  /** Nobody is slower or may do less than we, and nobody failed us: nearly always. */
  #areEquals(session: Session, shard: number, blob: BlobPeers, fromSeed: boolean): boolean {
    const { nowMs, self, catalog } = this.#state;
    const { bestCapacity, leastCapacity, mayAllFetch, newestMs } = catalog.field(blob);
    if (bestCapacity !== leastCapacity || bestCapacity !== self?.capacityBytesPerS) return false;
    if (!fromSeed && !(mayAllFetch && session.originAllowed)) return false;
    const hasNewcomer = newestMs > session.notes.startedMs + SETTLE_MOST_MS && nowMs - newestMs < NEWCOMER_MS;
    return !hasNewcomer && !catalog.areSomeLeftAlone(nowMs) && !session.notes.hasFailures(shard, nowMs);
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

  get #hasReaders(): boolean {
    return this.#state.focus.length > 0;
  }

  /** A reader may be waiting for it: then it gets one of the places that are left free for that. */
  #isWaitedFor(session: Session, shard: number): boolean {
    if (isSmall(session)) return true;
    return this.#state.focus.some(
      ({ blob, firstShard, lastShard }) => blob === session.blob && firstShard <= shard && shard <= lastShard,
    );
  }

  #canAskOrigin(session: Session, shard: number): boolean {
    const { origin, nowMs, originInFlight, originRequests } = this.#state;
    if (!session.originAllowed || origin.blockedUntilMs > nowMs) return false;
    const kept = this.#isWaitedFor(session, shard) ? 0 : seatsForReaders(originRequests, this.#hasReaders);
    if (originInFlight >= originRequests - kept) return false;
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

/** Blobs of few shards would all hang on the relays of the first stripes: each begins at another one. */
function treeKey({ shards, notes }: Session, shard: number): number {
  return shards.count < STRIPES ? shard + (notes.blobKey % STRIPES) : shard;
}
