/**
 * The one machine that decides: `handle(input, now) -> effects`.
 *
 * Purpose: takes facts, keeps the books, says what to do next.
 * In: inputs of `messages.ts`, in the order in which they happened, with the time. Out: effects, to be carried out in order.
 * Never: I/O, a clock, dice. The same inputs give the same effects, so a thousand engines run in one process in virtual time.
 */
import type { BlobId, NodeId } from "@swarmd/protocol";
import { Announcer } from "./announcer.js";
import type { BlobNews } from "./catalog/announcement.js";
import { holdsShard, isUsable } from "./catalog/catalog.js";
import { Fetching } from "./fetching.js";
import { Lifecycle } from "./lifecycle.js";
import type { Effect, Input } from "./messages.js";
import { OriginPlanner } from "./origin-planner.js";
import { PeerFaults } from "./peer-faults.js";
import { fastThreshold } from "./planner/tiers.js";
import { type Attempt, firstShard } from "./session/attempt.js";
import type { Session } from "./session/session.js";
import { type EngineOptions, EngineState } from "./state.js";
import { SwarmPlanner } from "./swarm-planner.js";
import { Uploads } from "./uploads.js";
import { Watch } from "./watch.js";

export type { EngineOptions, SwarmOptions } from "./state.js";
export { SWARM_DEFAULTS } from "./state.js";

/** News come in bursts: the planner looks at them together. */
const NEWS_MS = 10;
/** How often silent peers are looked for. */
const EXPIRE_MS = 5_000;

type Of<Type extends Input["type"]> = Extract<Input, { readonly type: Type }>;

/** What a person may see of a blob that is on its way. `waiting`: no attempt is under way now. */
export interface BlobView {
  readonly doneBytes: number;
  readonly phase: "waiting" | "fetching" | "checking";
}

export class Engine {
  readonly #state: EngineState;
  readonly #lifecycle: Lifecycle;
  readonly #fetching: Fetching;
  readonly #originPlanner: OriginPlanner;
  readonly #swarmPlanner: SwarmPlanner;
  readonly #faults: PeerFaults;
  readonly #uploads: Uploads;
  readonly #announcer: Announcer;
  readonly #watch: Watch;
  #wakeAtMs = Number.POSITIVE_INFINITY;
  #wasOriginDown = false;

  constructor(options: EngineOptions) {
    const state = new EngineState(options);
    this.#state = state;
    this.#announcer = new Announcer(state);
    this.#lifecycle = new Lifecycle(state, {
      began: (session) => this.#announcer.wanted(session.blob),
      opened: (session) => this.#swarmPlanner.begin(session),
      changed: (session) => this.#tellState(session.blob),
      whole: (session) => state.library.set(session.blob, session.spec),
      gone: (session) => this.#swarmPlanner.forget(session),
      lied: (peer, why) => this.#faults.ban(peer, why),
      worthless: (session, shard) => this.#faults.stopServing(session.blob, shard),
    });
    this.#fetching = new Fetching(state, this.#lifecycle, {
      started: (attempt) => this.#started(attempt),
      flowed: ({ session, source }, shard) =>
        session.notes.flows(shard, source.kind === "peer" ? source.peer : undefined),
      checked: (session, shard) => this.#shardChecked(session, shard),
      failed: (attempt, fault) => this.#faults.failed(attempt, fault),
      ended: (attempt) => this.#attemptEnded(attempt),
    });
    this.#originPlanner = new OriginPlanner(state, this.#lifecycle, this.#fetching);
    this.#swarmPlanner = new SwarmPlanner(state, this.#fetching);
    this.#faults = new PeerFaults(state, this.#lifecycle);
    this.#uploads = new Uploads(state, this.#swarmPlanner);
    const parts = {
      lifecycle: this.#lifecycle,
      fetching: this.#fetching,
      planner: this.#swarmPlanner,
      faults: this.#faults,
      announce: () => this.#announceSessions(),
    };
    this.#watch = new Watch(state, parts);
  }

  /**
   * @param nowMs of one monotonic clock; never less than the time before.
   * @throws SwarmError INTERNAL for a bug in the engine, never for an input.
   */
  handle(input: Input, nowMs: number): Effect[] {
    this.#state.advance(nowMs);
    if (this.#apply(input)) this.#plan();
    this.#emitWake();
    return this.#state.takeEffects();
  }

  /** Announcements that were not believed; for metrics. */
  get dropped(): Readonly<{ stale: number; oversize: number; invalid: number }> {
    return this.#state.catalog.dropped;
  }

  /** Whether only members of a cluster may hear of a blob; undefined for one that we have nothing to do with. */
  isPrivate(blob: BlobId): boolean | undefined {
    return (this.#state.library.get(blob) ?? this.#state.sessions.get(blob)?.spec)?.isPrivate;
  }

  /** Whether the origin lets this node have a private blob that it is pulling: members are told with each question. */
  hasAccess(blob: BlobId): boolean {
    const spec = this.#state.sessions.get(blob)?.spec;
    return spec?.isPrivate === true && spec.hasAccess === true;
  }

  /** Peers that can be reached and hold all of a blob, as they said. */
  wholeHolders(blob: BlobId): readonly NodeId[] {
    const { catalog } = this.#state;
    const known = catalog.find(blob);
    return known === undefined ? [] : catalog.seeds(known).map(({ peer }) => peer.id);
  }

  /** How far a blob is; undefined when nobody wants it. */
  view(blob: BlobId): BlobView | undefined {
    const session = this.#state.sessions.get(blob);
    if (session === undefined) return undefined;
    const { phase, shards } = session;
    const doneBytes = shards.doneBytes;
    if (phase === "finishing") return { doneBytes, phase: "checking" };
    return { doneBytes, phase: session.attempts.size > 0 ? "fetching" : "waiting" };
  }

  /** Whether a peer may hear of a blob, and have what there is of it. */
  mayHave(peer: NodeId, blob: BlobId): boolean {
    return this.#uploads.mayHave(peer, blob);
  }

  /** Peers that say that they hold a shard, and can be asked. */
  holders(blob: BlobId, shard: number): readonly NodeId[] {
    const parts = [...(this.#state.catalog.find(blob)?.peers.values() ?? [])];
    return parts.filter((part) => isUsable(part.peer) && holdsShard(part, shard)).map((part) => part.peer.id);
  }

  /** Whether it is for this node to fetch a shard from the origin, as far as it knows. */
  isOnDuty(blob: BlobId, shard: number): boolean {
    const session = this.#state.sessions.get(blob);
    return session !== undefined && this.#swarmPlanner.isOnDuty(session, shard);
  }

  /** How many bytes of a blob each peer that is up announces; whole shards only. */
  heldBytes(blob: BlobId): ReadonlyMap<NodeId, number> {
    const found = this.#state.catalog.find(blob);
    const { shardBytes } = this.#state.options;
    const held = new Map<NodeId, number>();
    for (const [id, part] of found?.peers ?? []) {
      if (found === undefined || !part.peer.isUp || part.peer.isBanned) continue;
      const bytes = part.isComplete ? found.sizeBytes : Math.min(found.sizeBytes, part.holds.count * shardBytes);
      if (bytes > 0) held.set(id, bytes);
    }
    return held;
  }

  /** @returns whether the input can give the planner something to do. */
  #apply(input: Input): boolean {
    switch (input.type) {
      case "want":
        this.#lifecycle.want(input);
        return true;
      case "unwant":
        this.#lifecycle.unwant(input);
        return true;
      case "opened":
        this.#lifecycle.opened(input);
        return true;
      case "present":
        this.#lifecycle.present(input);
        return true;
      case "store-failed":
        this.#lifecycle.storeFailed(input);
        return true;
      case "verified":
        this.#lifecycle.verified(input);
        return true;
      case "corrupt":
        this.#lifecycle.corrupt(input);
        return true;
      case "focus":
        this.#lifecycle.focus(input);
        return true;
      case "limits":
        this.#state.originRequests = input.originRequests;
        return true;
      case "sharing":
        this.#state.sharing = input.sharing;
        this.#state.claims.clear();
        this.#announcer.startOver();
        return true;
      case "progress":
        this.#fetching.progress(input);
        return false;
      case "checked":
        this.#fetching.checked(input);
        return false;
      case "ended":
        this.#fetching.ended(input);
        return true;
      case "wake":
        return this.#wake();
      default:
        return this.#applySwarm(input);
    }
  }

  #applySwarm(input: SwarmInput): boolean {
    if (this.#state.options.swarm === undefined) return this.#refuseAll(input);
    switch (input.type) {
      case "have":
        this.#state.library.set(input.blob.id, input.blob);
        this.#tellState(input.blob.id);
        return false;
      case "lost":
        this.#state.library.delete(input.blob);
        this.#uploads.forget(input.blob);
        this.#announcer.urgent(input.blob);
        return false;
      case "peer-up":
        this.#peerUp(input);
        return true;
      case "claim":
        this.#uploads.claim(input.peer, input.blob);
        return false;
      case "peer-down":
        this.#state.claims.delete(input.peer);
        this.#state.catalog.peerDown(input.peer);
        return true;
      case "pardon":
        this.#state.catalog.pardon(input.peer);
        return true;
      case "heard":
        this.#heard(input);
        return false;
      case "asked":
        this.#uploads.asked(input);
        return false;
      case "served":
        this.#uploads.served(input.request);
        return false;
    }
  }

  /** A node alone keeps no books about others, and serves nobody. */
  #refuseAll(input: SwarmInput): boolean {
    if (input.type !== "asked") return false;
    const verdict = { kind: "refuse", code: "PEER_DENIED", redirect: [] } as const;
    this.#state.emit({ type: "answer", request: input.request, verdict });
    return false;
  }

  #tellState(blob: BlobId): void {
    if (this.#state.library.has(blob)) this.#announcer.whole(blob);
    else this.#announcer.urgent(blob);
  }

  #peerUp({ peer, links }: Of<"peer-up">): void {
    const { catalog, nowMs, timers } = this.#state;
    if (catalog.peerUp(peer, links, nowMs) === undefined) return;
    this.#announcer.tell(peer);
    timers.setIfEarlier("expire", nowMs + EXPIRE_MS);
    timers.setIfEarlier("heartbeat", nowMs + HEARTBEAT_FIRST_MS);
  }

  #heard({ peer, record }: Of<"heard">): void {
    const { catalog, nowMs } = this.#state;
    const from = catalog.peers.get(peer);
    const hadBytesPerS = from?.capacityBytesPerS ?? 0;
    const known = from?.blobs;
    const wanted = record.blobs.filter(({ blob, wants }) => wants && known?.get(blob)?.wants !== true);
    const news = catalog.heard(peer, record, nowMs);
    if (news === undefined) return;
    if (record.capacityBytesPerS < fastThreshold(hadBytesPerS)) this.#watch.slowed(peer);
    for (const one of news) this.#newsOf(one, peer);
    for (const { blob } of wanted) {
      const session = this.#state.sessions.get(blob);
      if (session?.phase === "fetching") this.#swarmPlanner.wantHeard(session);
    }
  }

  #newsOf({ blob, rooted }: BlobNews, peer: Of<"heard">["peer"]): void {
    const session = this.#state.sessions.get(blob);
    if (session === undefined || session.phase !== "fetching") return;
    const from = this.#state.catalog.peers.get(peer);
    if (from !== undefined) this.#watch.rootsHeard(blob, rooted, from);
    if (session.shards.absent.count === 0 || this.#isBusy()) return;
    this.#state.timers.setIfEarlier("plan", this.#state.nowMs + NEWS_MS);
  }

  #isBusy(): boolean {
    return this.#state.attempts.size >= (this.#state.options.swarm?.downloads ?? 0);
  }

  #wake(): boolean {
    this.#wakeAtMs = Number.POSITIVE_INFINITY;
    const { timers, nowMs, catalog } = this.#state;
    const due = timers.takeDue(nowMs);
    for (const name of due) {
      if (name === "announce") this.#announcer.flush();
      else if (name === "heartbeat") this.#announcer.heartbeat();
      else if (name === "sweep") this.#watch.sweep();
      else if (name === "parked") this.#uploads.expire();
      else if (name === "fit") this.#announceSessions();
      else if (name === "expire") {
        catalog.expire(nowMs);
        if (catalog.peers.size > 0) timers.set("expire", nowMs + EXPIRE_MS);
      }
    }
    return true;
  }

  #plan(): void {
    const { ordered } = this.#state;
    if (this.#state.options.swarm === undefined) {
      this.#originPlanner.plan(ordered);
      return;
    }
    const inSwarm: Session[] = [];
    const alone: Session[] = [];
    for (const session of ordered) {
      if (session.phase !== "fetching" || session.shards.absent.count === 0) continue;
      if (this.#swarmPlanner.isSwarming(session)) inSwarm.push(session);
      else alone.push(session);
    }
    this.#swarmPlanner.plan(inSwarm);
    this.#originPlanner.failStuck(inSwarm);
    this.#originPlanner.plan(alone);
    this.#tellOriginHealth();
  }

  /** Whoever can't reach the origin must not be on duty, and says so. */
  #tellOriginHealth(): void {
    const { isDown } = this.#state.origin;
    if (isDown === this.#wasOriginDown) return;
    this.#wasOriginDown = isDown;
    this.#announceSessions();
  }

  #announceSessions(): void {
    for (const blob of this.#state.sessions.keys()) this.#announcer.urgent(blob);
  }

  #started(attempt: Attempt): void {
    if (attempt.source.kind === "peer") this.#watch.started();
    if (attempt.isRoot) this.#announcer.urgent(attempt.session.blob);
    this.#uploads.retry(firstShard(attempt));
  }

  #shardChecked(session: Session, shard: number): void {
    session.notes.done(shard);
    this.#announcer.checked(session.blob, shard, session.shards.lengthOf(shard));
  }

  #attemptEnded(attempt: Attempt): void {
    const { session, source } = attempt;
    const shard = firstShard(attempt);
    if (session.notes.poisoned.has(shard) && session.shards.absent.has(shard)) {
      session.notes.poisoned.delete(shard);
      session.notes.forgetContributors(shard);
      session.shards.forget(shard);
    }
    if (attempt.isRoot) this.#announcer.urgent(session.blob);
    if (source.kind === "peer" && attempt.positionBytes === attempt.endBytes) this.#faults.brought(source.peer);
    if (source.kind === "peer" && attempt.reason !== "relay") this.#measure(attempt);
  }

  #measure({ source, positionBytes, startBytes, startedMs }: Attempt): void {
    const peer = source.kind === "peer" ? this.#state.catalog.peers.get(source.peer) : undefined;
    const bytes = positionBytes - startBytes;
    if (peer === undefined || bytes < MEASURE_FROM_BYTES) return;
    const rate = (1_000 * bytes) / Math.max(1, this.#state.awakeMs - startedMs);
    peer.rateBytesPerS = peer.rateBytesPerS === 0 ? rate : 0.7 * peer.rateBytesPerS + 0.3 * rate;
    peer.failures = 0;
  }

  #emitWake(): void {
    const atMs = this.#state.timers.earliestMs;
    if (atMs === this.#wakeAtMs) return;
    this.#wakeAtMs = atMs;
    this.#state.emit({ type: "wake", atMs });
  }
}

type SwarmInput = Of<"have" | "lost" | "peer-up" | "peer-down" | "pardon" | "claim" | "heard" | "asked" | "served">;

/** Less says more about latency than about rate. */
const MEASURE_FROM_BYTES = 1024 * 1024;
/** The first heartbeat, after which they follow in their own rhythm. */
const HEARTBEAT_FIRST_MS = 10_000;
