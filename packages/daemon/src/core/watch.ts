/** Looks after attempts under way: stalls, slow sources, roots that move. Runs on a timer while there is anything to look after. */
import type { NodeId } from "@swarmd/protocol";
import type { Peer } from "./catalog/catalog.js";
import type { Fetching } from "./fetching.js";
import type { Lifecycle } from "./lifecycle.js";
import type { Source } from "./messages.js";
import type { PeerFaults } from "./peer-faults.js";
import { crawls } from "./planner/crawl.js";
import { hedge } from "./planner/hedge.js";
import { stallAfterMs } from "./planner/stall.js";
import { isTooSlow, type Stream } from "./planner/too-slow.js";
import { drawOf, shardKeyOf } from "./rendezvous.js";
import { type Attempt, firstShard, isPaced, lastShard } from "./session/attempt.js";
import type { EngineState } from "./state.js";
import type { SwarmPlanner } from "./swarm-planner.js";

/** An eighth of the least patience: fine enough to act on. */
const SWEEP_MS = 250;
/** Second sources at a time: more would be a second download. */
const MOST_RIVALS = 2;
/** So many attempts, second sources included, don't fill the links any more. */
const MOST_AT_THE_END = 6;
/** A follower without a byte for so long goes over to a new root at once. */
const IDLE_MS = 500;
/** A crawling source is given up after so many times what a shard takes. */
const CRAWL_PATIENCE = 1.5;
/** A rate is taken over at least so long: bytes come in bursts. */
const LEAST_SPAN_MS = 2_000;
/** A source that crawled does not count for that shard any more. */
const SLOW_AVOIDED_MS = 60_000;

export class Watch {
  readonly #state: EngineState;
  readonly #lifecycle: Lifecycle;
  readonly #fetching: Fetching;
  readonly #planner: SwarmPlanner;
  readonly #faults: PeerFaults;
  readonly #announce: () => void;

  constructor(
    state: EngineState,
    parts: {
      lifecycle: Lifecycle;
      fetching: Fetching;
      planner: SwarmPlanner;
      faults: PeerFaults;
      announce: () => void;
    },
  ) {
    this.#state = state;
    this.#lifecycle = parts.lifecycle;
    this.#fetching = parts.fetching;
    this.#planner = parts.planner;
    this.#faults = parts.faults;
    this.#announce = parts.announce;
  }

  /** To be called when the timer `sweep` rings. */
  sweep(): void {
    this.#stepDownIfTooSlow();
    let rivals = 0;
    for (const attempt of this.#state.attempts.values()) if (isRival(attempt)) rivals += 1;
    for (const attempt of [...this.#state.attempts.values()]) {
      if (attempt.isCancelled || attempt.session.phase !== "fetching") continue;
      this.#keepPace(attempt);
      if (attempt.source.kind !== "peer") {
        this.#tryAgainIfUnlucky(attempt);
        continue;
      }
      if (hasAllBytes(attempt)) continue;
      if (this.#giveUpIfStalled(attempt) || this.#takeOver(attempt, firstShard(attempt))) continue;
      if (rivals < MOST_RIVALS && this.#hedge(attempt)) rivals += 1;
    }
    if (this.#state.attempts.size > 0) this.#state.timers.set("sweep", this.#state.nowMs + SWEEP_MS);
  }

  /** An attempt began: there is something to look after. */
  started(): void {
    this.#state.timers.setIfEarlier("sweep", this.#state.nowMs + SWEEP_MS);
  }

  /**
   * A peer became the root of these shards. If two fetch the same shard from a scarce source, the one whose draw is worse yields and
   * follows, or the one that crawls; a follower whose own source fell silent goes over.
   */
  rootsHeard(blob: string, roots: readonly number[], peer: Peer): void {
    if (roots.length === 0) return;
    for (const attempt of [...this.#state.attempts.values()]) {
      const { session, source } = attempt;
      const shard = firstShard(attempt);
      if (session.blob !== blob || attempt.isCancelled || lastShard(attempt) !== shard || !roots.includes(shard))
        continue;
      if (attempt.isRoot) this.#yieldTo(attempt, shard, peer);
      else if (source.kind === "peer" && source.peer !== peer.id) this.#goOver(attempt, shard);
    }
  }

  /** A follower whose source fell silent or crawls leaves it for the new root. */
  #goOver(attempt: Attempt, shard: number): void {
    const { source, session } = attempt;
    const isSlow = this.#slownessOf(attempt) !== undefined && this.#crawls(attempt);
    if (source.kind !== "peer") return;
    if (!isSlow) {
      if (this.#state.awakeMs - attempt.progressMs <= IDLE_MS) return;
      // It waits itself: whoever stands next to the root goes over, the others stay behind him.
      if (this.#planner.isStillBest(session, shard, source.peer)) return;
    }
    if (isSlow) session.notes.avoid(shard, source.peer, "failed", this.#state.nowMs + SLOW_AVOIDED_MS);
    this.#leave(attempt, isSlow ? "leave:slow" : "leave:silent");
  }

  #yieldTo(attempt: Attempt, shard: number, peer: Peer): void {
    const { session } = attempt;
    // We would not follow it, but begin anew at once.
    if (this.#planner.rootOf(session, shard) !== peer.id) return;
    const shardKey = shardKeyOf(session.notes.blobKey, shard);
    const isOursBetter = drawOf(peer.key, shardKey) >= drawOf(this.#state.self?.key ?? 0, shardKey);
    if (isOursBetter && !this.#isOverdue(attempt)) return;
    this.#lifecycle.cancel(attempt);
    this.#state.emit({ type: "decision", blob: session.blob, shard, reason: "yield" });
  }

  /** It comes far slower than usual from the origin: of a root of ours, whoever took over did so for that, and we are better off behind it. */
  #isOverdue(attempt: Attempt): boolean {
    if (hasAllBytes(attempt) || this.#usualMs === 0) return false;
    if (this.#state.awakeMs - attempt.startedMs < CRAWL_PATIENCE * this.#usualMs) return false;
    return crawls({ rate: this.#rateOf(attempt), otherRates: [], usualRate: this.#usualRate(attempt) });
  }

  /** Nobody can know it sooner than we do: all nodes leave us at once, instead of finding out one by one. */
  #stepDownIfTooSlow(): void {
    const { attempts, fitness, nowMs, timers } = this.#state;
    if (!fitness.isFit(nowMs)) return;
    const paced = [...attempts.values()].filter((one) => isPaced(one) && this.#planner.hasDeputy(one.session));
    const [first] = paced;
    if (first === undefined || !isTooSlow(paced.map((one) => this.#streamOf(one)))) return;
    fitness.stepDown(nowMs);
    timers.set("fit", fitness.untilMs);
    this.#announce();
    for (const one of paced) if (one.isRoot) this.#lifecycle.cancel(one);
    const { blob } = first.session;
    this.#state.emit({ type: "decision", blob, shard: firstShard(first), reason: "step-down" });
  }

  #streamOf(attempt: Attempt): Stream {
    const { source } = attempt;
    const isFromOrigin = source.kind === "origin";
    const isSecondTry = attempt.reason === "retry";
    return { from: isFromOrigin ? "origin" : source.peer, isFromOrigin, isSecondTry, crawls: this.#isOverdue(attempt) };
  }

  /**
   * What we fetch for the others crawls over one connection and may flow over another: that costs nobody anything. Whoever took the shard
   * over from us would have to fetch again what he can't tell from our mistakes.
   */
  #tryAgainIfUnlucky(attempt: Attempt): void {
    const { session, source, pull } = attempt;
    const shard = firstShard(attempt);
    if (!attempt.isRoot || attempt.reason === "retry" || shard !== lastShard(attempt) || hasAllBytes(attempt)) return;
    if (this.#state.originInFlight >= this.#state.originRequests || !this.#isOverdue(attempt)) return;
    this.#lifecycle.cancel(attempt);
    this.#fetching.start({ session, first: shard, last: shard, source, reason: "retry", pull, isRoot: true, place: 0 });
  }

  /** A peer says that it became slow: what it still has to get itself comes sooner from those that stand before us now. */
  slowed(id: NodeId): void {
    if (!this.#state.fitness.isFit(this.#state.nowMs)) return;
    for (const attempt of [...this.#state.attempts.values()]) {
      const { source, reason } = attempt;
      if (source.kind === "peer" && source.peer === id && reason === "relay") this.#leave(attempt, "leave:slow");
    }
  }

  #giveUpIfStalled(attempt: Attempt): boolean {
    const idleMs = this.#state.awakeMs - attempt.progressMs;
    const { gapsMs, relayMs } = this.#state;
    const isFirst = isPaced(attempt) && relayMs.at(0.5) === 0;
    if (idleMs < stallAfterMs({ p95GapMs: gapsMs.at(0.95), place: attempt.place, isFirst })) return false;
    if (attempt.source.kind === "peer") this.#faults.blame(attempt, attempt.source.peer);
    this.#leave(attempt, "leave:silent");
    return true;
  }

  #hedge(attempt: Attempt): boolean {
    const { session, source } = attempt;
    const shard = firstShard(attempt);
    const state = session.shards.state(shard);
    if (source.kind !== "peer" || !("attempts" in state) || state.attempts.length > 1) return false;
    const reason = this.#slownessOf(attempt);
    if (reason === undefined) return false;
    const rival = this.#planner.findRival(session, shard, source.peer);
    const link = rival?.links[0];
    if (rival === undefined || link === undefined) return false;
    this.#fetching.start({
      session,
      first: shard,
      last: shard,
      source: { kind: "peer", peer: rival.id, link: link.link },
      reason,
      pull: undefined,
      isRoot: false,
      place: 0,
    });
    return true;
  }

  /**
   * The relay or the root that we follow crawls, or the only holder: we go on without it, from the byte reached, with whoever is on duty
   * then.
   */
  #takeOver(attempt: Attempt, shard: number): boolean {
    const { source, session, place, isRoot } = attempt;
    if (source.kind !== "peer" || isRoot || !session.originAllowed || this.#usualMs === 0) return false;
    // Those near the root first; if they don't see what we see, the others, one after the other.
    const patienceMs = CRAWL_PATIENCE * this.#usualMs * (1 + Math.log2(Math.max(1, place)) / 8);
    if (this.#state.awakeMs - attempt.pace.sinceMs < patienceMs || !this.#crawls(attempt)) return false;
    session.notes.avoid(shard, source.peer, "failed", this.#state.nowMs + SLOW_AVOIDED_MS);
    this.#faults.crawled(source.peer);
    this.#leave(attempt, "leave:slow");
    return true;
  }

  #leave(attempt: Attempt, reason: "leave:silent" | "leave:slow"): void {
    const { session, source } = attempt;
    this.#lifecycle.cancel(attempt);
    this.#state.emit({ type: "decision", blob: session.blob, shard: firstShard(attempt), reason, source });
  }

  #keepPace(attempt: Attempt): void {
    const { awakeMs } = this.#state;
    const root = this.#rootOf(attempt);
    if (root !== undefined && root !== attempt.root) {
      if (attempt.root !== undefined) attempt.pace.restart(awakeMs, attempt.positionBytes);
      attempt.root = root;
    }
    attempt.pace.mark(awakeMs, attempt.positionBytes, Math.max(LEAST_SPAN_MS, this.#usualMs / 2));
  }

  /** Much slower than what comes by way of others, or than before: then it is its source that is slow, not the origin that all share. */
  #crawls(attempt: Attempt): boolean {
    const { root, source } = attempt;
    const otherRates: number[] = [];
    for (const other of this.#state.attempts.values()) {
      if (!isPaced(other) || other === attempt || isSameSource(other.source, source)) continue;
      if (root === undefined || other.root !== root) otherRates.push(this.#rateOf(other));
    }
    return crawls({ rate: this.#rateOf(attempt), otherRates, usualRate: this.#usualRate(attempt) });
  }

  /** What a shard takes that has to come first; 0 while unknown. The median: one slow node in eight is more than the slowest tenth. */
  get #usualMs(): number {
    return this.#state.originMs.at(0.5);
  }

  /** Bytes per millisecond. */
  #usualRate({ session }: Attempt): number {
    return this.#usualMs === 0 ? 0 : session.shards.shardBytes / this.#usualMs;
  }

  /** Who fetches the shard from its source. */
  #rootOf(attempt: Attempt): NodeId | undefined {
    if (attempt.isRoot) return this.#state.self?.id;
    return this.#planner.rootOf(attempt.session, firstShard(attempt));
  }

  #rateOf({ positionBytes, pace }: Attempt): number {
    return pace.rate(this.#state.awakeMs, positionBytes);
  }

  #slownessOf(attempt: Attempt): "hedge" | "endgame" | undefined {
    const times = isPaced(attempt) ? this.#state.relayMs : this.#state.bulkMs;
    return hedge({
      ageMs: this.#state.awakeMs - attempt.startedMs,
      doneBytes: attempt.positionBytes - attempt.startBytes,
      leftBytes: attempt.endBytes - attempt.positionBytes,
      p50Ms: times.at(0.5),
      p90Ms: times.at(0.9),
      isLast: this.#isAtTheEnd(),
    });
  }

  /** The links idle: nothing of any file is left to begin, and little is under way. Sooner a second source would only slow down the others. */
  #isAtTheEnd(): boolean {
    const { attempts, ordered } = this.#state;
    if (attempts.size > MOST_AT_THE_END) return false;
    return ordered.every(({ phase, shards }) => phase !== "fetching" || shards.absent.count === 0);
  }
}

/** What they rest on is being found out, which has deadlines of its own. */
function hasAllBytes({ positionBytes, endBytes }: Attempt): boolean {
  return positionBytes >= endBytes;
}

function isSameSource(one: Source, other: Source): boolean {
  return one.kind === "peer" && other.kind === "peer" && one.peer === other.peer;
}

function isRival(attempt: Attempt): boolean {
  return attempt.reason === "hedge" || attempt.reason === "endgame";
}
