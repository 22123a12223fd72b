/**
 * One blob's life in this node, from the first pull that wants it until it is in the cache or let go.
 *
 * Purpose: what is there of the blob, who wants it, and which attempts write to it.
 * In: transitions called by the engine. Out: nothing, it only keeps books. Never: a decision.
 */
import { type BlobId, SwarmError } from "@swarmd/protocol";
import type { AttemptId, BlobSpec, PullId, ResumeState, WantOptions } from "../messages.js";
import { keyOf } from "../rendezvous.js";
import { PeerNotes } from "./peer-notes.js";
import { ShardTable } from "./shard-table.js";

/** `closing`: no attempt may start any more; the staging file is closed when the last one has ended. */
export type Phase = "opening" | "fetching" | "finishing" | "closing";

/** A shard that failed: when it may be tried again, and how often in a row it brought nothing. */
export interface Trouble {
  readonly failures: number;
  readonly notBeforeMs: number;
}

export class Session {
  /** How the origin serves the blob: as its spec says, until the origin turns out to ignore Range. */
  origin: BlobSpec["origin"];
  readonly spec: BlobSpec;
  /** In the order of wanting, over all blobs. */
  readonly sequence: number;
  readonly shards: ShardTable;
  /** Pulls that wait for this blob. */
  readonly pulls = new Map<PullId, WantOptions>();
  /** Attempts under way, cancelled ones included until they end. */
  readonly attempts = new Set<AttemptId>();
  readonly trouble = new Map<number, Trouble>();
  readonly notes: PeerNotes;
  /** How often the whole file did not match its digest. */
  corruptions = 0;
  /** How often somebody was found to have vouched for wrong bytes of it. */
  lies = 0;
  /** May peers give us the blob; may the origin. Derived from the pulls. */
  peersAllowed = true;
  originAllowed = true;
  /** Lowest of the pulls' `order`. */
  order = 0;
  /** Shards that hold the first `headBytes` bytes. */
  headShards = 0;
  #phase: Phase = "opening";

  constructor(spec: BlobSpec, sequence: number, shardBytes: number) {
    this.spec = spec;
    this.origin = spec.origin;
    this.sequence = sequence;
    this.shards = new ShardTable(spec.sizeBytes, shardBytes);
    this.notes = new PeerNotes(keyOf(spec.id));
  }

  get blob(): BlobId {
    return this.spec.id;
  }

  get phase(): Phase {
    return this.#phase;
  }

  get isWhole(): boolean {
    return this.shards.held.count === this.shards.count;
  }

  join(pull: PullId, options: WantOptions): void {
    this.pulls.set(pull, options);
    this.#derive();
  }

  leave(pull: PullId): void {
    this.pulls.delete(pull);
    this.#derive();
  }

  /** opening -> fetching */
  opened(resume: ResumeState): void {
    this.#step("opening", "fetching");
    this.shards.restore(resume);
  }

  /** fetching -> finishing: every shard is checked. */
  finish(): void {
    if (!this.isWhole) throw new SwarmError("INTERNAL", `can't finish ${this.blob}: shards are missing`);
    this.#step("fetching", "finishing");
  }

  /** finishing -> fetching, fetching -> fetching: these shards are worthless. Where a liar among the peers is known, it is his fault alone. */
  corrupt(shards: readonly number[], isPeersFault: boolean): void {
    if (this.#phase !== "fetching") this.#step("finishing", "fetching");
    if (isPeersFault) this.lies += 1;
    else this.corruptions += 1;
    for (const shard of shards) if (this.shards.held.has(shard)) this.shards.reject(shard);
  }

  /** fetching -> closing, finishing -> closing */
  close(): void {
    if (this.#phase !== "fetching" && this.#phase !== "finishing") this.#step("fetching", "closing");
    this.#phase = "closing";
  }

  /** Puts every shard that no attempt writes to back to absent, with nothing of it left: a stream begins at 0. */
  restart(): void {
    for (const shard of [...this.shards.held]) this.shards.reject(shard);
    for (const shard of this.shards.absent) this.shards.forget(shard);
  }

  #step(from: Phase, to: Phase): void {
    if (this.#phase !== from) {
      throw new SwarmError("INTERNAL", `can't go from ${this.#phase} to ${to} with ${this.blob}: it is not ${from}`);
    }
    this.#phase = to;
  }

  #derive(): void {
    if (this.pulls.size === 0) return;
    const options = [...this.pulls.values()];
    this.peersAllowed = options.every((one) => one.peers);
    this.originAllowed = this.origin !== "none" && options.some((one) => one.origin);
    this.order = Math.min(...options.map((one) => one.order));
    const headBytes = Math.min(Math.max(...options.map((one) => one.headBytes)), this.spec.sizeBytes);
    this.headShards = Math.ceil(headBytes / this.shards.shardBytes);
  }
}
