/** The engine against a world that answers its effects in random order, time and mood. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type BlobId, type ErrorCode, parseBlobId } from "@swarmd/protocol";
import fc from "fast-check";
import { Engine } from "./engine.js";
import type { AttemptId, BlobSpec, Effect, Input, PullId } from "./messages.js";

const SHARD = 100;
const BLOBS: readonly BlobSpec[] = ([0, 90, 250, 1_230, 400] as const).map((sizeBytes, index) => ({
  id: parseBlobId(`sha256:${String(index).repeat(64)}`),
  sizeBytes,
  origin: index === 4 ? "stream" : "ranges",
  isPrivate: false,
}));
const FAULTS: readonly ErrorCode[] = ["ORIGIN_UNREACHABLE", "ORIGIN_FAULT", "ORIGIN_STALLED", "ORIGIN_BUSY"];
const FATAL: readonly ErrorCode[] = ["FILE_NOT_FOUND", "ACCESS_DENIED", "NO_SPACE", "ORIGIN_CHANGED"];

interface Flight {
  readonly blob: BlobId;
  readonly startBytes: number;
  readonly endBytes: number;
  positionBytes: number;
  isCancelled: boolean;
}

/** Carries out effects as the rooms would, and checks after every step what must always hold. */
class World {
  readonly engine: Engine;
  readonly flights = new Map<AttemptId, Flight>();
  /** Staging files that are open. */
  readonly open = new Set<BlobId>();
  readonly opening = new Set<BlobId>();
  readonly finishing = new Set<BlobId>();
  /** Shards that the store has, per blob; survives close. */
  readonly stored = new Map<BlobId, Set<number>>();
  /** Wants that are neither settled nor taken back. */
  readonly waiting = new Set<string>();
  wakeAtMs = Number.POSITIVE_INFINITY;
  nowMs = 0;

  constructor() {
    this.engine = new Engine({ random: () => 0.5, shardBytes: SHARD, originRequests: 3 });
  }

  send(input: Input): void {
    if (input.type === "want") this.waiting.add(`${input.pull} ${input.blob.id}`);
    if (input.type === "unwant") this.waiting.delete(`${input.pull} ${input.blob}`);
    for (const effect of this.engine.handle(input, this.nowMs)) this.#carryOut(effect);
    this.#check();
  }

  #carryOut(effect: Effect): void {
    switch (effect.type) {
      case "open":
        assert.ok(!this.open.has(effect.blob.id) && !this.opening.has(effect.blob.id), "opened twice");
        this.opening.add(effect.blob.id);
        break;
      case "fetch":
        assert.ok(this.open.has(effect.blob), "fetch into a file that is not open");
        assert.ok(effect.startBytes < effect.endBytes, "an empty fetch");
        this.flights.set(effect.attempt, { ...effect, positionBytes: effect.startBytes, isCancelled: false });
        break;
      case "cancel": {
        const flight = this.flights.get(effect.attempt);
        assert.ok(flight !== undefined && !flight.isCancelled, "cancelled what is not under way");
        flight.isCancelled = true;
        break;
      }
      case "finish":
        assert.ok(this.open.has(effect.blob), "finish of a file that is not open");
        this.finishing.add(effect.blob);
        break;
      case "close":
        assert.ok(this.open.delete(effect.blob), "closed twice");
        assert.ok(![...this.flights.values()].some((flight) => flight.blob === effect.blob), "closed under an attempt");
        this.finishing.delete(effect.blob);
        break;
      case "settled":
        assert.ok(this.waiting.delete(`${effect.pull} ${effect.blob}`), "settled what was not wanted");
        break;
      case "wake":
        assert.notEqual(effect.atMs, this.wakeAtMs, "the same wake twice");
        this.wakeAtMs = effect.atMs;
        break;
      case "decision":
        break;
    }
  }

  #check(): void {
    const flights = [...this.flights.values()];
    assert.ok(flights.length <= 3, "more requests than workers");
    for (const [index, one] of flights.entries()) {
      for (const other of flights.slice(index + 1)) {
        const overlap = one.blob === other.blob && one.startBytes < other.endBytes && other.startBytes < one.endBytes;
        assert.ok(!overlap, "two attempts write the same bytes");
      }
    }
  }

  answerOpen(blob: BlobId, mood: number): void {
    if (!this.opening.delete(blob)) return;
    if (mood > 0.95) {
      this.send({ type: "store-failed", blob, fault: { code: "NO_SPACE", blame: "self", message: "full" } });
    } else if (mood > 0.9) {
      this.send({ type: "present", blob });
    } else {
      this.open.add(blob);
      const checked = [...(this.stored.get(blob) ?? [])];
      this.send({
        type: "opened",
        blob,
        state: { checked, partial: mood > 0.5 ? [{ shard: 1, watermarkBytes: 33 }] : [] },
      });
    }
  }

  answerFinish(blob: BlobId, mood: number): void {
    if (!this.finishing.delete(blob)) return;
    if (mood > 0.8) {
      this.stored.delete(blob);
      this.send({ type: "corrupt", blob, shards: mood > 0.9 ? [] : [0] });
    } else {
      this.open.delete(blob);
      this.send({ type: "verified", blob });
    }
  }

  /** Moves one attempt on by a share of what is left, then perhaps ends it. */
  move(flightIndex: number, share: number, mood: number): void {
    const entry = [...this.flights][flightIndex % Math.max(1, this.flights.size)];
    if (entry === undefined) return;
    const [attempt, flight] = entry;
    if (flight.isCancelled) {
      this.#end(attempt, flight, "INTERRUPTED");
      return;
    }
    const before = flight.positionBytes;
    flight.positionBytes += Math.ceil((flight.endBytes - before) * share);
    this.send({ type: "progress", attempt, positionBytes: flight.positionBytes });
    this.#reportChecked(attempt, flight, before);
    if (flight.positionBytes === flight.endBytes) this.#end(attempt, flight, undefined);
    else if (mood > 0.97) this.#end(attempt, flight, FATAL[Math.floor(share * 3.99)]);
    else if (mood > 0.7) this.#end(attempt, flight, FAULTS[Math.floor(share * 3.99)]);
  }

  #reportChecked(attempt: AttemptId, flight: Flight, before: number): void {
    const size = BLOBS.find((blob) => blob.id === flight.blob)?.sizeBytes ?? 0;
    for (let shard = Math.floor(before / SHARD); shard * SHARD < flight.positionBytes; shard += 1) {
      if (Math.min((shard + 1) * SHARD, size) > flight.positionBytes || !this.flights.has(attempt)) continue;
      const stored = this.stored.get(flight.blob) ?? new Set();
      this.stored.set(flight.blob, stored.add(shard));
      this.send({ type: "checked", attempt, shard });
    }
  }

  #end(attempt: AttemptId, flight: Flight, code: ErrorCode | undefined): void {
    this.flights.delete(attempt);
    const fault = code && ({ code, blame: "origin", message: code } as const);
    const { positionBytes } = flight;
    this.send(fault ? { type: "ended", attempt, positionBytes, fault } : { type: "ended", attempt, positionBytes });
  }

  /** From here on all goes well: everything wanted must be settled, in bounded time. */
  drain(): void {
    for (let round = 0; round < 2_000 && this.waiting.size + this.open.size + this.opening.size > 0; round += 1) {
      for (const blob of [...this.opening]) this.answerOpen(blob, 0);
      for (const [attempt, flight] of [...this.flights]) {
        if (!this.flights.has(attempt)) continue;
        const before = flight.positionBytes;
        if (!flight.isCancelled) flight.positionBytes = flight.endBytes;
        if (!flight.isCancelled) this.#reportChecked(attempt, flight, before);
        this.#end(attempt, flight, flight.isCancelled ? "INTERRUPTED" : undefined);
      }
      for (const blob of [...this.finishing]) this.answerFinish(blob, 0);
      if (this.wakeAtMs !== Number.POSITIVE_INFINITY) this.wake();
    }
    assert.deepEqual([...this.waiting], [], "wanted, and never settled");
    assert.deepEqual([...this.open], [], "left open");
  }

  wake(): void {
    this.nowMs = Math.max(this.nowMs, this.wakeAtMs === Number.POSITIVE_INFINITY ? 0 : this.wakeAtMs);
    this.wakeAtMs = Number.POSITIVE_INFINITY;
    this.send({ type: "wake" });
  }
}

const unit = fc.double({ min: 0, max: 1, noNaN: true });
const index = fc.nat({ max: BLOBS.length - 1 });
const pull = fc.integer({ min: 1, max: 3 });
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("want" as const), pull, index, origin: unit }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("unwant" as const), pull, index }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("open" as const), index, mood: unit }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("finish" as const), index, mood: unit }) },
  {
    weight: 12,
    arbitrary: fc.record({ do: fc.constant("move" as const), flight: fc.nat(9), share: unit, mood: unit }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("focus" as const), index, at: unit }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("wake" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.nat(9_000) }) },
);

function take(world: World, one: typeof step extends fc.Arbitrary<infer Step> ? Step : never): void {
  switch (one.do) {
    case "want": {
      const options = { peers: true, origin: one.origin < 0.9, originRequests: 2, order: one.index, headBytes: 10 };
      world.send({ type: "want", pull: one.pull, blob: blobAt(one.index), options });
      break;
    }
    case "unwant":
      world.send({ type: "unwant", pull: one.pull as PullId, blob: blobAt(one.index).id });
      break;
    case "open":
      world.answerOpen(blobAt(one.index).id, one.mood);
      break;
    case "finish":
      world.answerFinish(blobAt(one.index).id, one.mood);
      break;
    case "move":
      world.move(one.flight, one.share, one.mood);
      break;
    case "focus": {
      const { id, sizeBytes } = blobAt(one.index);
      world.send({ type: "focus", blob: id, startBytes: one.at * sizeBytes, endBytes: sizeBytes });
      break;
    }
    case "wake":
      world.wake();
      break;
    case "pass":
      world.nowMs += one.ms;
      break;
  }
}

function blobAt(position: number): BlobSpec {
  return BLOBS[position] as BlobSpec;
}

test("random worlds: no throw, no lost shard, no overlap, and everything wanted is settled", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 120, size: "max" }), (steps) => {
      const world = new World();
      for (const one of steps) take(world, one);
      world.drain();
    }),
    { numRuns: 400, seed: 20_26 },
  );
});
