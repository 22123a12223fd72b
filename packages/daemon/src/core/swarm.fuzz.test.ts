/** One engine among peers that say, ask, give and break off what they like: it must neither throw nor get stuck nor forget. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ErrorCode, parseBlobId, parseNodeId } from "@swarmd/protocol";
import fc from "fast-check";
import { Engine } from "./engine.js";
import type { AttemptId, BlobSpec, Effect, Input, RequestId, Source } from "./messages.js";
import { ShardSet } from "./shard-set.js";

const SHARD = 100;
const PEERS = ["p0", "p1", "p2", "p3"].map(parseNodeId);
const BLOBS: readonly BlobSpec[] = [250, 900].map((sizeBytes, index) => ({
  id: parseBlobId(`sha256:${String(index).repeat(64)}`),
  sizeBytes,
  origin: "ranges",
  isPrivate: false,
}));
const PEER_FAULTS: readonly ErrorCode[] = [
  "PEER_BUSY",
  "PEER_LACKS",
  "PEER_UNREACHABLE",
  "PEER_CORRUPT",
  "PEER_TAINTED",
  "PEER_STALLED",
  "PEER_FAULT",
  "PEER_DENIED",
];

interface Flight {
  readonly blob: BlobSpec;
  readonly source: Source;
  readonly startBytes: number;
  readonly endBytes: number;
  isCancelled: boolean;
}

class World {
  readonly engine: Engine;
  readonly flights = new Map<AttemptId, Flight>();
  readonly uploads = new Set<RequestId>();
  readonly waiting = new Set<string>();
  readonly finishing = new Set<BlobSpec>();
  readonly opening = new Set<BlobSpec>();
  wakeAtMs = Number.POSITIVE_INFINITY;
  nowMs = 0;
  #request = 1;
  #sequence = 1;

  constructor(random: () => number) {
    const swarm = {
      self: parseNodeId("self"),
      epoch: 1,
      capacityBytesPerS: 1e8,
      downloads: 6,
      uploads: 4,
      isCluster: false,
    };
    this.engine = new Engine({ random, shardBytes: SHARD, originRequests: 3, swarm });
  }

  send(input: Input): void {
    for (const effect of this.engine.handle(input, this.nowMs)) this.#carryOut(effect);
    const originFlights = [...this.flights.values()].filter(({ source }) => source.kind === "origin");
    assert.ok(originFlights.length <= 3, "more origin requests than workers");
    assert.ok(this.uploads.size <= 4, "more uploads than slots");
  }

  #carryOut(effect: Effect): void {
    switch (effect.type) {
      case "open":
        this.opening.add(this.#blob(effect.blob.id));
        break;
      case "fetch":
        assert.ok(effect.startBytes < effect.endBytes);
        this.flights.set(effect.attempt, { ...effect, blob: this.#blob(effect.blob), isCancelled: false });
        break;
      case "cancel": {
        const flight = this.flights.get(effect.attempt);
        assert.ok(flight !== undefined && !flight.isCancelled);
        flight.isCancelled = true;
        break;
      }
      case "finish":
        this.finishing.add(this.#blob(effect.blob));
        break;
      case "settled":
        assert.equal(effect.fault, undefined, "with an origin at hand nothing a peer does makes a pull fail");
        assert.ok(this.waiting.delete(effect.blob));
        break;
      case "wake":
        this.wakeAtMs = effect.atMs;
        break;
      case "answer":
        if (effect.verdict.kind === "serve") this.uploads.add(effect.request);
        break;
    }
  }

  #blob(id: string): BlobSpec {
    return BLOBS.find((blob) => blob.id === id) as BlobSpec;
  }

  want(blob: BlobSpec): void {
    if (this.waiting.has(blob.id)) return;
    this.waiting.add(blob.id);
    const options = { peers: true, origin: true, originRequests: 3, order: 0, headBytes: 0 };
    this.send({ type: "want", pull: 1, blob, options });
  }

  hear(peer: number, index: number, bits: number, wants: boolean, kind: number): void {
    const blob = BLOBS[index] as BlobSpec;
    const shards = new ShardSet(Math.ceil(blob.sizeBytes / SHARD));
    for (let shard = 0; shard < shards.size; shard += 1) if ((bits >> shard) % 2 === 1) shards.add(shard);
    const holds = kind > 0.8 ? ({ kind: "all" } as const) : ({ kind: "exactly", shards } as const);
    const rooted = kind < 0.4 && wants ? [bits % shards.size] : [];
    this.#sequence += 1;
    const news = { blob: blob.id, sizeBytes: blob.sizeBytes, wants, mayFetch: kind < 0.6, holds, rooted };
    const record = {
      epoch: 1,
      sequence: this.#sequence,
      ttlMs: 30_000,
      isFull: false,
      capacityBytesPerS: 1e8,
      freeSlots: 4,
      blobs: [news],
    };
    this.send({ type: "heard", peer: PEERS[peer] as (typeof PEERS)[number], record });
  }

  ask(peer: number, index: number, shard: number): void {
    const { id } = BLOBS[index] as BlobSpec;
    const request = this.#request++;
    this.send({
      type: "asked",
      request,
      peer: PEERS[peer] as (typeof PEERS)[number],
      blob: id,
      shard,
      startBytes: shard * SHARD,
    });
  }

  /** Ends one attempt: whole, or broken off at a share of its range. */
  end(which: number, share: number, isGood: boolean): void {
    const entry = [...this.flights][which % Math.max(1, this.flights.size)];
    if (entry === undefined) return;
    const [attempt, { blob, startBytes, endBytes, source, isCancelled }] = entry;
    if (isGood && !isCancelled) {
      for (let shard = Math.floor(startBytes / SHARD); shard * SHARD < endBytes; shard += 1) {
        if (this.flights.get(attempt)?.isCancelled === false) this.send({ type: "checked", attempt, shard });
      }
      this.flights.delete(attempt);
      this.send({ type: "ended", attempt, positionBytes: Math.min(endBytes, blob.sizeBytes) });
      return;
    }
    this.flights.delete(attempt);
    const positionBytes = startBytes + Math.floor((endBytes - startBytes) * share * 0.99);
    const code: ErrorCode = isCancelled
      ? "INTERRUPTED"
      : source.kind === "origin"
        ? "ORIGIN_UNREACHABLE"
        : (PEER_FAULTS[Math.floor(share * 7.99)] as ErrorCode);
    const fault = { code, blame: "peer", message: code, redirect: PEERS.slice(0, 2) } as const;
    this.send({
      type: "ended",
      attempt,
      positionBytes: source.kind === "origin" ? positionBytes + 1 : positionBytes,
      fault,
    });
  }

  store(): void {
    for (const blob of [...this.opening]) {
      this.opening.delete(blob);
      this.send({ type: "opened", blob: blob.id, state: { checked: [], partial: [] } });
    }
    for (const blob of [...this.finishing]) {
      this.finishing.delete(blob);
      this.send({ type: "verified", blob: blob.id });
    }
  }

  wake(): void {
    if (this.wakeAtMs === Number.POSITIVE_INFINITY) return;
    this.nowMs = Math.max(this.nowMs, this.wakeAtMs);
    this.wakeAtMs = Number.POSITIVE_INFINITY;
    this.send({ type: "wake" });
  }

  /** From here on the origin works and every peer is dead: all that is wanted must come. */
  drain(): void {
    for (const peer of PEERS) this.send({ type: "peer-down", peer });
    for (let round = 0; round < 3_000 && this.waiting.size > 0; round += 1) {
      this.store();
      for (const [index, flight] of [...this.flights.values()].entries()) {
        this.end(index, 0, flight.source.kind === "origin");
      }
      this.wake();
    }
    assert.deepEqual([...this.waiting], [], "wanted, and never settled");
  }
}

const unit = fc.double({ min: 0, max: 1, noNaN: true });
const peer = fc.nat(3);
const index = fc.nat(1);
const step = fc.oneof(
  { weight: 1, arbitrary: fc.record({ do: fc.constant("want" as const), index }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("up" as const), peer }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("down" as const), peer }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("hear" as const),
      peer,
      index,
      bits: fc.nat(511),
      wants: fc.boolean(),
      kind: unit,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("ask" as const), peer, index, shard: fc.integer({ min: -1, max: 9 }) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant("end" as const), which: fc.nat(9), share: unit, isGood: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("store" as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("wake" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("served" as const) }) },
);

function take(world: World, one: typeof step extends fc.Arbitrary<infer Step> ? Step : never): void {
  switch (one.do) {
    case "want":
      world.want(BLOBS[one.index] as BlobSpec);
      break;
    case "up":
      world.send({
        type: "peer-up",
        peer: PEERS[one.peer] as (typeof PEERS)[number],
        links: [{ link: "lan", class: "ethernet" }],
      });
      break;
    case "down":
      world.send({ type: "peer-down", peer: PEERS[one.peer] as (typeof PEERS)[number] });
      break;
    case "hear":
      world.hear(one.peer, one.index, one.bits, one.wants, one.kind);
      break;
    case "ask":
      world.ask(one.peer, one.index, one.shard);
      break;
    case "end":
      world.end(one.which, one.share, one.isGood);
      break;
    case "store":
      world.store();
      break;
    case "wake":
      world.wake();
      break;
    case "served":
      for (const request of [...world.uploads].slice(0, 1)) {
        world.uploads.delete(request);
        world.send({ type: "served", request });
      }
      break;
  }
}

test("random peers: no throw, bounds hold, and with the origin at hand everything wanted comes", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 150 }), fc.nat(1_000), (steps, seed) => {
      let state = seed;
      const world = new World(() => {
        state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
        return state / 2_147_483_648;
      });
      for (const one of steps) take(world, one);
      world.drain();
    }),
    { numRuns: 400, seed: 20_26 },
  );
});
