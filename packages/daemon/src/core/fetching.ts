/** Attempts: started, moving, over. What they bring goes into the session, how they fail into blame and back-off. */
import { shardEnd, shardStart } from "@swarmd/protocol";
import type { Lifecycle } from "./lifecycle.js";
import type { Fault, Input, PullId, Reason, Source } from "./messages.js";
import { AFTER_PROGRESS_DELAY_MS, backOffMs, isRetryable, MAX_FAILURES } from "./policy/back-off.js";
import { type Attempt, firstShard, isPaced, lastShard } from "./session/attempt.js";
import { Pace } from "./session/pace.js";
import type { Session } from "./session/session.js";
import type { EngineState } from "./state.js";

type Of<Type extends Input["type"]> = Extract<Input, { readonly type: Type }>;

/** What the planner decided: shards `first` to `last` of a blob, from one source. */
export interface Order {
  readonly session: Session;
  readonly first: number;
  readonly last: number;
  readonly source: Source;
  readonly reason: Reason;
  readonly pull: PullId | undefined;
  readonly isRoot: boolean;
  readonly place: number;
}

/** What else has to know how attempts fare: the swarm's part of the engine. */
export interface FetchWatch {
  started(attempt: Attempt): void;
  /** Bytes of this shard came. */
  flowed(attempt: Attempt, shard: number): void;
  checked(session: Session, shard: number): void;
  /** Another attempt may still write to the shards of this one. Not called for attempts of a closing session. */
  failed(attempt: Attempt, fault: Fault): void;
  ended(attempt: Attempt): void;
}

export class Fetching {
  readonly #state: EngineState;
  readonly #lifecycle: Lifecycle;
  readonly #watch: FetchWatch;

  constructor(state: EngineState, lifecycle: Lifecycle, watch: FetchWatch) {
    this.#state = state;
    this.#lifecycle = lifecycle;
    this.#watch = watch;
  }

  start(order: Order): void {
    const { session, first, last, source, reason, isRoot, place } = order;
    const { shards } = session;
    // An attempt of no bytes would be one at the next shard.
    const known = Math.min(shards.watermark(first), Math.max(0, shards.lengthOf(first) - 1));
    const startBytes = shardStart(first, shards.shardBytes) + known;
    const attempt: Attempt = {
      id: this.#state.newAttemptId(),
      session,
      source,
      reason,
      pull: order.pull,
      startBytes,
      endBytes: shardEnd(last, shards.sizeBytes, shards.shardBytes),
      startedMs: this.#state.awakeMs,
      positionBytes: startBytes,
      progressMs: this.#state.awakeMs,
      isRoot,
      place,
      pace: new Pace(this.#state.awakeMs, startBytes),
      root: undefined,
      isCancelled: false,
    };
    this.#state.attempts.set(attempt.id, attempt);
    session.attempts.add(attempt.id);
    if (source.kind === "origin") this.#countOrigin(attempt, 1);
    for (let shard = first; shard <= last; shard += 1) {
      if (shards.absent.has(shard)) shards.assign(shard, attempt.id);
      else shards.assignRival(shard, attempt.id);
      this.#state.emit({ type: "decision", blob: session.blob, shard, reason, source });
    }
    const { id, endBytes } = attempt;
    this.#state.emit({ type: "fetch", attempt: id, blob: session.blob, startBytes, endBytes, source, reason });
    this.#watch.started(attempt);
  }

  progress({ attempt: id, positionBytes }: Of<"progress">): void {
    const attempt = this.#state.attempts.get(id);
    if (attempt !== undefined) this.#advance(attempt, positionBytes);
  }

  checked({ attempt: id, shard }: Of<"checked">): void {
    const attempt = this.#state.attempts.get(id);
    if (attempt === undefined || shard < firstShard(attempt) || shard > lastShard(attempt)) return;
    const { shards } = attempt.session;
    this.#advance(attempt, shardEnd(shard, shards.sizeBytes, shards.shardBytes));
    if (shards.held.has(shard)) return;
    this.#cancelRivals(attempt, shard);
    shards.check(shard);
    attempt.session.trouble.delete(shard);
    this.#measure(attempt, this.#state.awakeMs - attempt.startedMs);
    this.#watch.checked(attempt.session, shard);
  }

  #measure(attempt: Attempt, tookMs: number): void {
    const { relayMs, bulkMs, originMs, catalog } = this.#state;
    (isPaced(attempt) ? relayMs : bulkMs).add(tookMs);
    const blob = catalog.find(attempt.session.blob);
    const rate = attempt.pace.settledRate(this.#state.awakeMs, attempt.positionBytes);
    // A seed sets a pace that the origin can't be held to.
    if (!isPaced(attempt) || !rate || (blob !== undefined && catalog.seeds(blob).length > 0)) return;
    originMs.add(attempt.session.shards.shardBytes / rate);
  }

  ended({ attempt: id, positionBytes, fault }: Of<"ended">): void {
    const attempt = this.#state.attempts.get(id);
    if (attempt === undefined) return;
    this.#advance(attempt, positionBytes);
    this.#forget(attempt);
    this.#release(attempt);
    const { session } = attempt;
    if (session.phase === "closing") this.#lifecycle.attemptGone(session);
    else if (fault !== undefined) this.#failed(attempt, fault);
    this.#watch.ended(attempt);
    this.#lifecycle.finishIfWhole(session);
  }

  /** The first of several attempts at one shard has it: the others have nothing left to do. */
  #cancelRivals(attempt: Attempt, shard: number): void {
    const state = attempt.session.shards.state(shard);
    if (!("attempts" in state) || state.attempts.length < 2) return;
    for (const id of state.attempts) {
      const rival = this.#state.attempts.get(id);
      if (rival !== undefined && id !== attempt.id && firstShard(rival) === lastShard(rival))
        this.#lifecycle.cancel(rival);
    }
  }

  #advance(attempt: Attempt, positionBytes: number): void {
    const position = Math.min(positionBytes, attempt.endBytes);
    if (!(position > attempt.positionBytes)) return;
    const { shards } = attempt.session;
    const last = Math.ceil(position / shards.shardBytes) - 1;
    for (let shard = Math.floor(attempt.positionBytes / shards.shardBytes); shard <= last; shard += 1) {
      const upTo = Math.min(position - shardStart(shard, shards.shardBytes), shards.lengthOf(shard));
      if (!shards.held.has(shard)) {
        shards.arrive(shard, upTo);
        this.#watch.flowed(attempt, shard);
      }
      // A stream starts over at 0 each time: its bytes are no reason to go on trying for ever.
      if (attempt.session.origin !== "stream") attempt.session.trouble.delete(shard);
    }
    attempt.positionBytes = position;
    this.#state.flowedMs = this.#state.nowMs;
    this.#state.gapsMs.add(this.#state.awakeMs - attempt.progressMs);
    attempt.progressMs = this.#state.awakeMs;
    if (attempt.source.kind === "origin") this.#state.origin.progressed();
  }

  #forget(attempt: Attempt): void {
    this.#state.attempts.delete(attempt.id);
    attempt.session.attempts.delete(attempt.id);
    if (attempt.source.kind === "origin") this.#countOrigin(attempt, -1);
  }

  #failed(attempt: Attempt, fault: Fault): void {
    const isOurs = fault.code === "NO_SPACE" || fault.code === "STORE_FAULT";
    if ((attempt.source.kind === "peer" && !isOurs) || fault.code === "PEER_CORRUPT") {
      this.#watch.failed(attempt, fault);
    } else if (!attempt.isCancelled) {
      this.#originFailed(attempt, fault);
    }
  }

  /** Shards that the attempt did not bring to `checked` go back; of a stream nothing is kept, as it begins at 0 again. */
  #release(attempt: Attempt): void {
    const { session } = attempt;
    for (let shard = firstShard(attempt); shard <= lastShard(attempt); shard += 1) {
      if (!session.shards.held.has(shard)) session.shards.release(shard, attempt.id);
    }
    if (attempt.source.kind === "origin" && session.origin === "stream" && !session.isWhole) session.restart();
  }

  #originFailed(attempt: Attempt, fault: Fault): void {
    const { session } = attempt;
    if (fault.code === "ORIGIN_NO_RANGES" && session.origin === "ranges") {
      this.#changeToStream(session);
      return;
    }
    if (!isRetryable(fault.code)) {
      this.#lifecycle.fail(session, fault);
      return;
    }
    const { nowMs, options } = this.#state;
    this.#state.origin.failed(nowMs, fault.retryAfterMs, options.random());
    const shard = session.shards.absent.next(firstShard(attempt));
    if (shard === -1 || shard > lastShard(attempt)) return;
    const isStream = session.origin === "stream";
    const broughtBytes = attempt.positionBytes > attempt.startBytes && !isStream;
    const failures = broughtBytes ? 0 : (session.trouble.get(shard)?.failures ?? 0) + 1;
    if (failures >= MAX_FAILURES) {
      this.#lifecycle.fail(session, fault);
      return;
    }
    const delayMs = broughtBytes ? AFTER_PROGRESS_DELAY_MS : backOffMs(failures, options.random());
    session.trouble.set(shard, { failures, notBeforeMs: nowMs + delayMs });
  }

  /** The server ignores Range: one request has to bring all of it, once nobody else writes any more. */
  #changeToStream(session: Session): void {
    session.origin = "stream";
    for (const id of session.attempts) {
      const attempt = this.#state.attempts.get(id);
      if (attempt !== undefined) this.#lifecycle.cancel(attempt);
    }
  }

  #countOrigin(attempt: Attempt, by: 1 | -1): void {
    this.#state.originInFlight += by;
    if (attempt.pull === undefined) return;
    const byPull = this.#state.originInFlightByPull;
    const count = (byPull.get(attempt.pull) ?? 0) + by;
    if (count === 0) byPull.delete(attempt.pull);
    else byPull.set(attempt.pull, count);
  }
}
