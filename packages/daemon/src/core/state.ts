/** Everything the engine knows, in one place; its parts read and change it, nothing else does. */
import type { BlobId } from "@swarmd/protocol";
import type { AttemptId, Effect, PullId } from "./messages.js";
import { compareSessions } from "./planner/order.js";
import { OriginHealth } from "./policy/origin-health.js";
import type { Attempt } from "./session/attempt.js";
import type { Session } from "./session/session.js";
import { Timers } from "./timers.js";

export interface EngineOptions {
  /** From 0 to 1; the engine has no dice of its own. */
  readonly random: () => number;
  readonly shardBytes: number;
  /** The node's bound on origin requests at a time (`--workers`). */
  readonly originRequests: number;
}

/** A range that a reader waits for. */
export interface Focus {
  readonly blob: BlobId;
  readonly firstShard: number;
  readonly lastShard: number;
}

export class EngineState {
  readonly options: EngineOptions;
  nowMs = 0;
  originRequests: number;
  readonly sessions = new Map<BlobId, Session>();
  readonly attempts = new Map<AttemptId, Attempt>();
  readonly origin = new OriginHealth();
  readonly timers = new Timers();
  focus: readonly Focus[] = [];
  /** Origin requests under way, in all and per pull. */
  originInFlight = 0;
  readonly originInFlightByPull = new Map<PullId, number>();
  #effects: Effect[] = [];
  #ordered: readonly Session[] | undefined;
  #nextAttempt = 1;
  #nextSequence = 1;

  constructor(options: EngineOptions) {
    this.options = options;
    this.originRequests = options.originRequests;
  }

  emit(effect: Effect): void {
    this.#effects.push(effect);
  }

  takeEffects(): Effect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  newAttemptId(): AttemptId {
    return this.#nextAttempt++;
  }

  newSequence(): number {
    return this.#nextSequence++;
  }

  /** Sessions in the order in which they are served. */
  get ordered(): readonly Session[] {
    this.#ordered ??= [...this.sessions.values()].sort(compareSessions);
    return this.#ordered;
  }

  /** To be called when sessions come, go or change their order. */
  reorder(): void {
    this.#ordered = undefined;
  }
}
