/**
 * Which shards to ask the origin for now.
 *
 * Runs when something changed. Looks at blobs in order and stops as soon as every worker is busy.
 */
import type { Fetching } from "./fetching.js";
import type { Lifecycle } from "./lifecycle.js";
import type { Fault, PullId, Reason } from "./messages.js";
import { isSmall, nextHead, seatsForReaders } from "./order.js";
import { runLength } from "./planner/run-length.js";
import type { Session } from "./session/session.js";
import type { EngineState } from "./state.js";

/** Long enough for a peer that restarts to be back. */
const STUCK_MS = 30_000;
const ORIGIN = { kind: "origin" } as const;

export class OriginPlanner {
  readonly #state: EngineState;
  readonly #lifecycle: Lifecycle;
  readonly #fetching: Fetching;
  #sessions: readonly Session[] = [];

  constructor(state: EngineState, lifecycle: Lifecycle, fetching: Fetching) {
    this.#state = state;
    this.#lifecycle = lifecycle;
    this.#fetching = fetching;
  }

  /** @param sessions those that are fetched from the origin alone, in order. */
  plan(sessions: readonly Session[]): void {
    this.#sessions = sessions;
    this.#failWithoutSource();
    const { origin, timers } = this.#state;
    if (origin.blockedUntilMs > this.#state.nowMs) {
      timers.set("origin", origin.blockedUntilMs);
      return;
    }
    let started = true;
    while (started && this.#state.originInFlight < this.#state.originRequests) started = this.#startOne();
  }

  #startOne(): boolean {
    const { focus, originInFlight, originRequests } = this.#state;
    const isReaderWaiting = focus.length > 0;
    if (isReaderWaiting && (this.#startSmall() || this.#startFocus())) return true;
    if (originInFlight >= originRequests - seatsForReaders(originRequests, isReaderWaiting)) return false;
    return this.#startHead() || this.#startBulk();
  }

  #startSmall(): boolean {
    for (const session of this.#sessions) {
      if (!isSmall(session)) continue;
      const shard = this.#nextReady(session, 0);
      if (shard !== -1 && this.#start(session, shard, 1, "order")) return true;
    }
    return false;
  }

  #startFocus(): boolean {
    for (const { blob, firstShard, lastShard } of this.#state.focus) {
      const session = this.#sessions.find((one) => one.blob === blob);
      if (session === undefined) continue;
      const shard = this.#nextReady(session, firstShard);
      if (shard !== -1 && shard <= lastShard && this.#start(session, shard, 1, "focus")) return true;
    }
    return false;
  }

  #startHead(): boolean {
    for (const session of this.#sessions) {
      if (nextHead(session) === -1) continue;
      const shard = this.#nextReady(session, 0);
      if (shard !== -1 && shard < session.headShards && this.#start(session, shard, 1, "order")) return true;
    }
    return false;
  }

  #startBulk(): boolean {
    const { originRequests, focus } = this.#state;
    for (const session of this.#sessions) {
      const shard = this.#nextReady(session, 0);
      if (shard === -1) continue;
      // Others may come to want the blob: they can follow a shard that arrives, not one that is third in a run. Nor should a reader wait for one.
      const most =
        this.#state.catalog.upCount > 0 || focus.length > 0 ? 1 : runLength(this.#absentShards(), originRequests);
      if (this.#start(session, shard, most, "order")) return true;
    }
    return false;
  }

  #absentShards(): number {
    let count = 0;
    for (const session of this.#sessions) if (session.phase === "fetching") count += session.shards.absent.count;
    return count;
  }

  /** The next absent shard that may be tried now, or -1. */
  #nextReady(session: Session, from: number): number {
    if (session.phase !== "fetching" || !session.originAllowed) return -1;
    const { absent } = session.shards;
    for (let shard = absent.next(from); shard !== -1; shard = absent.next(shard + 1)) {
      const notBeforeMs = session.trouble.get(shard)?.notBeforeMs ?? 0;
      if (notBeforeMs <= this.#state.nowMs) return shard;
      this.#state.timers.setIfEarlier(`back-off ${session.blob}`, notBeforeMs);
      // A stream begins at 0, so what holds shard 0 back holds back all.
      if (session.origin === "stream") return -1;
    }
    return -1;
  }

  #start(session: Session, first: number, most: number, reason: Reason): boolean {
    const pull = this.#pullWithRoom(session);
    if (pull === undefined) return false;
    const failures = session.trouble.get(first)?.failures;
    const why = failures === undefined ? reason : "retry";
    if (session.origin !== "stream") {
      const last = this.#endOfRun(session, first, most);
      this.#fetching.start({ session, first, last, source: ORIGIN, reason: why, pull, isRoot: true, place: 0 });
      return true;
    }
    if (session.attempts.size > 0) return false;
    session.restart();
    this.#fetching.start({
      session,
      first: 0,
      last: session.shards.count - 1,
      source: ORIGIN,
      reason: why,
      pull,
      isRoot: true,
      place: 0,
    });
    return true;
  }

  /** A run ends before a shard that is not absent, is partly there (its bytes would come twice), or failed before. */
  #endOfRun(session: Session, first: number, most: number): number {
    const { shards, trouble } = session;
    let last = first;
    while (last + 1 < first + most && shards.absent.has(last + 1)) {
      if (shards.watermark(last + 1) > 0 || trouble.has(last + 1)) break;
      last += 1;
    }
    return last;
  }

  #pullWithRoom(session: Session): PullId | undefined {
    for (const [pull, { originRequests, origin }] of session.pulls) {
      if (origin && (this.#state.originInFlightByPull.get(pull) ?? 0) < originRequests) return pull;
    }
    return undefined;
  }

  /**
   * @param sessions those fetched in a swarm. A swarm in which nobody has anything would wait for ever: without an origin to turn to,
   * a blob of which nothing came for long has no source.
   */
  failStuck(sessions: readonly Session[]): void {
    for (const session of sessions) {
      const sinceMs = Math.max(session.notes.startedMs, this.#state.flowedMs);
      if (session.originAllowed || this.#state.nowMs - sinceMs < STUCK_MS) continue;
      this.#lifecycle.fail(session, noSourceFault(session));
    }
  }

  #failWithoutSource(): void {
    for (const session of this.#sessions) {
      if (session.phase === "fetching" && !session.originAllowed && session.shards.absent.count > 0) {
        this.#lifecycle.fail(session, noSourceFault(session));
      }
    }
  }
}

function noSourceFault(session: Session): Fault {
  if (session.origin === "none") {
    return {
      code: "NO_SOURCE",
      blame: "none",
      message: `no node and no origin has ${session.blob}`,
      hint: "Start a node that holds it, or pull it from its origin.",
    };
  }
  return {
    code: "OFFLINE",
    blame: "none",
    message: `${session.blob} is not in the cache, no node that can be reached offers it, and the origin may not be asked`,
    hint: "Start a node that holds it, or pull without --offline (and without HF_HUB_OFFLINE) once there is a network.",
  };
}
