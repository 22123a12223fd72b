/**
 * All shards of one blob and the transitions between their states.
 *
 * Every method is one transition and throws INTERNAL when the shard is in another state than its doc line says: a wrong
 * transition is a bug of the engine and must not go on to corrupt the journal.
 */
import { SwarmError, shardCount, shardLength } from "@swarmd/protocol";
import type { AttemptId, ResumeState } from "../messages.js";
import { ShardSet } from "../shard-set.js";
import { ABSENT, CHECKED, type ShardState, VERIFIED } from "./shard.js";

export class ShardTable {
  readonly sizeBytes: number;
  readonly shardBytes: number;
  /** How many shards there are; none for an empty blob. */
  readonly count: number;
  /** Those in state `absent`. */
  readonly absent: ShardSet;
  /** Those in state `checked` or `verified`. */
  readonly held: ShardSet;
  readonly #states: ShardState[];

  constructor(sizeBytes: number, shardBytes: number) {
    this.sizeBytes = sizeBytes;
    this.shardBytes = shardBytes;
    this.count = shardCount(sizeBytes, shardBytes);
    this.absent = ShardSet.full(this.count);
    this.held = new ShardSet(this.count);
    this.#states = new Array(this.count).fill(ABSENT);
  }

  /** Takes over what a journal knows. A journal from outside may claim anything: what makes no sense is left out. */
  restore(resume: ResumeState): void {
    for (const shard of resume.checked) {
      if (this.#states[shard]?.kind === "absent") this.#move(shard, CHECKED);
    }
    for (const { shard, watermarkBytes } of resume.partial) {
      if (this.#states[shard]?.kind === "absent" && watermarkBytes > 0)
        this.#move(shard, this.#absentAt(shard, watermarkBytes));
    }
  }

  /** @throws SwarmError INTERNAL for a shard that the blob does not have. */
  state(shard: number): ShardState {
    const state = this.#states[shard];
    if (state === undefined) throw new SwarmError("INTERNAL", `shard ${shard} of ${this.count} does not exist`);
    return state;
  }

  /** Bytes from the start of the shard that are there. */
  watermark(shard: number): number {
    const state = this.state(shard);
    return "watermarkBytes" in state ? state.watermarkBytes : this.lengthOf(shard);
  }

  /** Bytes of the whole blob that are there. */
  get doneBytes(): number {
    let bytes = 0;
    for (let shard = 0; shard < this.count; shard += 1) bytes += this.watermark(shard);
    return bytes;
  }

  lengthOf(shard: number): number {
    return shardLength(shard, this.sizeBytes, this.shardBytes);
  }

  /** absent -> assigned */
  assign(shard: number, attempt: AttemptId): void {
    const state = this.state(shard);
    if (state.kind !== "absent") throw wrongState("assign", shard, state);
    this.#move(shard, { kind: "assigned", watermarkBytes: state.watermarkBytes, attempts: [attempt] });
  }

  /** assigned -> assigned, arriving -> arriving: a second source for the same shard. */
  assignRival(shard: number, attempt: AttemptId): void {
    const state = this.state(shard);
    if (state.kind !== "assigned" && state.kind !== "arriving") throw wrongState("assign a rival to", shard, state);
    this.#move(shard, { ...state, attempts: [...state.attempts, attempt] });
  }

  /** assigned -> arriving, arriving -> arriving: bytes below the watermark are there. Never goes back. */
  arrive(shard: number, watermarkBytes: number): void {
    const state = this.state(shard);
    if (state.kind !== "assigned" && state.kind !== "arriving") throw wrongState("fill", shard, state);
    if (watermarkBytes <= state.watermarkBytes) return;
    this.#states[shard] = { kind: "arriving", watermarkBytes, attempts: state.attempts };
  }

  /** assigned -> assigned | absent, arriving -> arriving | absent: one attempt is over; the bytes stay. */
  release(shard: number, attempt: AttemptId): void {
    const state = this.state(shard);
    if (state.kind !== "assigned" && state.kind !== "arriving") throw wrongState("release", shard, state);
    const attempts = state.attempts.filter((one) => one !== attempt);
    this.#move(shard, attempts.length > 0 ? { ...state, attempts } : this.#absentAt(shard, state.watermarkBytes));
  }

  /** assigned -> checked, arriving -> checked */
  check(shard: number): void {
    const state = this.state(shard);
    if (state.kind !== "assigned" && state.kind !== "arriving") throw wrongState("check", shard, state);
    this.#move(shard, CHECKED);
  }

  /** checked -> absent, with nothing of it left. */
  reject(shard: number): void {
    const state = this.state(shard);
    if (state.kind !== "checked") throw wrongState("reject", shard, state);
    this.#move(shard, ABSENT);
  }

  /** absent -> absent, with nothing of it left. */
  forget(shard: number): void {
    const state = this.state(shard);
    if (state.kind !== "absent") throw wrongState("forget", shard, state);
    this.#move(shard, ABSENT);
  }

  /** checked -> verified, for all shards at once. */
  verify(): void {
    for (let shard = 0; shard < this.count; shard += 1) {
      const state = this.state(shard);
      if (state.kind !== "checked") throw wrongState("verify", shard, state);
      this.#move(shard, VERIFIED);
    }
  }

  /** A shard whose bytes are all there but were never hashed still needs an attempt: its last byte is fetched again. */
  #absentAt(shard: number, watermarkBytes: number): ShardState {
    const most = Math.min(watermarkBytes, this.lengthOf(shard) - 1);
    return most <= 0 ? ABSENT : { kind: "absent", watermarkBytes: most };
  }

  #move(shard: number, state: ShardState): void {
    this.#states[shard] = state;
    if (state.kind === "absent") this.absent.add(shard);
    else this.absent.delete(shard);
    if (state.kind === "checked" || state.kind === "verified") this.held.add(shard);
    else this.held.delete(shard);
  }
}

function wrongState(what: string, shard: number, state: ShardState): SwarmError {
  return new SwarmError("INTERNAL", `can't ${what} shard ${shard}: it is ${state.kind}`);
}
