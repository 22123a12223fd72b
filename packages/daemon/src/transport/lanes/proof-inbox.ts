/** The proofs of one order, as they come to the thread that needs them. */
import { SwarmError, shardEnd, shardStart, toSwarmError } from "@swarmd/protocol";
import type { OpenRangeCheck, RangeCheck } from "../../verify/xet/range-check.js";

/** What is known of a shard's proof: nothing yet, that nobody has one, or what the bytes can be held against. */
export type ProofState = RangeCheck | "none" | undefined;

/** Tells what shards are held against as they arrive. */
export interface ShardChecks {
  /** @throws SwarmError what came as a proof is none */
  find(shard: number): ProofState;
  /** Resolves when `find` will not be undefined any more; or when nothing more will come. Never rejects. */
  decided(shard: number): Promise<void>;
  /** Calls back when something was decided. */
  onDecided: () => void;
}

export interface ProofInboxSpec {
  readonly xetHash: string;
  readonly sizeBytes: number;
  readonly shardBytes: number;
}

export interface ShardProof {
  readonly payload: Uint8Array;
  /** Came from another peer than the one that sends the bytes. */
  readonly isForeign: boolean;
}

export class ProofInbox implements ShardChecks {
  onDecided: () => void = () => undefined;
  readonly #spec: ProofInboxSpec;
  readonly #open: OpenRangeCheck;
  readonly #states = new Map<number, RangeCheck | "none" | SwarmError>();
  readonly #waiting = new Map<number, (() => void)[]>();
  #isClosed = false;

  constructor(spec: ProofInboxSpec, open: OpenRangeCheck) {
    this.#spec = spec;
    this.#open = open;
  }

  /** The first word on a shard counts. */
  put(shard: number, proof: ShardProof | undefined): void {
    if (this.#states.has(shard)) return;
    this.#states.set(shard, proof === undefined ? "none" : this.#decode(shard, proof));
    for (const resolve of this.#waiting.get(shard) ?? []) resolve();
    this.#waiting.delete(shard);
    this.onDecided();
  }

  find(shard: number): ProofState {
    const state = this.#states.get(shard);
    if (state instanceof SwarmError) throw state;
    return state;
  }

  decided(shard: number): Promise<void> {
    if (this.#isClosed || this.#states.has(shard)) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.set(shard, [...(this.#waiting.get(shard) ?? []), resolve]);
    });
  }

  /** Nothing more will come. */
  close(): void {
    this.#isClosed = true;
    for (const waiting of this.#waiting.values()) for (const resolve of waiting) resolve();
    this.#waiting.clear();
    this.onDecided();
  }

  #decode(shard: number, { payload, isForeign }: ShardProof): RangeCheck | SwarmError {
    const { xetHash, sizeBytes, shardBytes } = this.#spec;
    const range = { startBytes: shardStart(shard, shardBytes), endBytes: shardEnd(shard, sizeBytes, shardBytes) };
    try {
      return this.#open(payload, { xetHash, sizeBytes, ...range, isForeign });
    } catch (error) {
      return toSwarmError(error);
    }
  }
}
