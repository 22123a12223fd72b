/** Everything the engine knows, in one place; its parts read and change it, nothing else does. */
import type { BlobId, NodeId } from "@swarmd/protocol";
import { Catalog } from "./catalog/catalog.js";
import type { AttemptId, BlobSpec, Effect, PullId, RequestId, Sharing } from "./messages.js";
import { compareSessions } from "./order.js";
import type { Standing } from "./planner/duty-order.js";
import { DutyFitness } from "./policy/duty-fitness.js";
import { lateness } from "./policy/lateness.js";
import { OriginHealth } from "./policy/origin-health.js";
import { Quantiles } from "./policy/quantiles.js";
import { keyOf } from "./rendezvous.js";
import type { Attempt } from "./session/attempt.js";
import type { Session } from "./session/session.js";
import { Timers } from "./timers.js";

/** How this node takes part in a swarm. */
export interface SwarmOptions {
  readonly self: NodeId;
  /** Rises with every start of the node. */
  readonly epoch: number;
  /** Bytes per second that its best link can send. */
  readonly capacityBytesPerS: number;
  /** Attempts at a time while in a swarm: the window of shards in which all nodes work together. */
  readonly downloads: number;
  /** Uploads at a time. */
  readonly uploads: number;
  /** Member of a closed cluster from the start: private blobs may move among its nodes. */
  readonly isCluster: boolean;
}

/** Measured to suit: more downloads than that smear the window, fewer leave links idle. Uploads are bounded by load first (see `admit`). */
export const SWARM_DEFAULTS = { downloads: 20, uploads: 32 } as const;

export interface EngineOptions {
  /** From 0 to 1; the engine has no dice of its own. */
  readonly random: () => number;
  readonly shardBytes: number;
  /** The node's bound on origin requests at a time (`--workers`). */
  readonly originRequests: number;
  /** Without it the node is alone: `--no-peer`. */
  readonly swarm?: SwarmOptions;
}

/** An upload under way. */
export interface Upload {
  readonly request: RequestId;
  readonly peer: NodeId;
  readonly blob: BlobId;
  readonly shard: number;
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
  /** Time that our own node was away from its work, and of which it knows nothing. */
  #awayMs = 0;
  originRequests: number;
  /** Who gets private blobs. */
  sharing: Sharing;
  /** Private blobs that members said their own tokens open; of what is here, so there are not many. */
  readonly claims = new Map<NodeId, Set<BlobId>>();
  readonly sessions = new Map<BlobId, Session>();
  readonly attempts = new Map<AttemptId, Attempt>();
  readonly origin = new OriginHealth();
  readonly fitness = new DutyFitness();
  readonly timers = new Timers();
  readonly catalog: Catalog;
  /** Blobs that are whole in the cache. */
  readonly library = new Map<BlobId, BlobSpec>();
  readonly uploads = new Map<RequestId, Upload>();
  /** Times between two signs of life of an attempt; times that shards took that were there, and that had to arrive first. */
  readonly gapsMs = new Quantiles();
  readonly bulkMs = new Quantiles();
  readonly relayMs = new Quantiles();
  /** What a shard takes at the origin's pace in this pull: of shards that nobody near had. */
  readonly originMs = new Quantiles();
  /** When bytes of anything last came. */
  flowedMs = 0;
  focus: readonly Focus[] = [];
  /** Origin requests under way, in all and per pull. */
  originInFlight = 0;
  readonly originInFlightByPull = new Map<PullId, number>();
  readonly #ownKey: number;
  #self: Standing | undefined;
  #effects: Effect[] = [];
  #ordered: readonly Session[] | undefined;
  #nextAttempt = 1;
  #nextSequence = 1;

  constructor(options: EngineOptions) {
    this.options = options;
    this.originRequests = options.originRequests;
    this.sharing = options.swarm?.isCluster === true ? "owners" : "nobody";
    this.catalog = new Catalog(options.shardBytes);
    const { swarm } = options;
    this.#ownKey = swarm === undefined ? 0 : keyOf(swarm.self);
  }

  /** Our own node, as others see it in a shard's order. */
  get self(): Standing | undefined {
    const { swarm } = this.options;
    if (swarm === undefined) return undefined;
    const capacityBytesPerS = this.fitness.capacity(swarm.capacityBytesPerS, this.nowMs);
    if (this.#self?.capacityBytesPerS !== capacityBytesPerS)
      this.#self = { id: swarm.self, key: this.#ownKey, capacityBytesPerS };
    return this.#self;
  }

  /**
   * A clock that stands still while our node does: attempts are timed by it. A node whose processor is taken, or that slept, would else
   * blame the others for what it was too late to see.
   */
  get awakeMs(): number {
    return this.nowMs - this.#awayMs;
  }

  /** Time goes on. Whatever was due long ago shows that we were away. */
  advance(nowMs: number): void {
    const lateMs = lateness({ nowMs, beforeMs: this.nowMs, dueMs: this.timers.earliestMs });
    this.nowMs = Math.max(nowMs, this.nowMs);
    this.#awayMs += lateMs;
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
