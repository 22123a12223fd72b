/** One engine among peers that say, ask, give and break off what they like: it must neither throw nor get stuck nor forget. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ErrorCode, type NodeId, parseBlobId, parseNodeId } from "@swarmd/protocol";
import fc from "fast-check";
import type { Announcement } from "./catalog/announcement.js";
import { Engine } from "./engine.js";
import type { AttemptId, BlobSpec, Effect, Input, Reason, RequestId, Source } from "./messages.js";
import { ShardSet } from "./shard-set.js";

/** Second sources are only asked for more than a megabyte. */
const SHARD = 2 * 1024 * 1024;
const PEERS = ["p0", "p1", "p2", "p3"].map(parseNodeId);
/** The last one is private, and the engine in no cluster: peers must never hear of it. */
const BLOBS: readonly BlobSpec[] = [2.5, 9, 3.5].map((shards, index) => ({
  id: parseBlobId(`sha256:${String(index).repeat(64)}`),
  sizeBytes: shards * SHARD,
  origin: "ranges",
  isPrivate: index === 2,
}));
/** Who asks is told within so long. */
const ANSWER_MS = 500;
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
  readonly reason: Reason;
  positionBytes: number;
  isCancelled: boolean;
}

class World {
  readonly engine: Engine;
  readonly flights = new Map<AttemptId, Flight>();
  readonly uploads = new Set<RequestId>();
  readonly waiting = new Set<string>();
  readonly finishing = new Set<BlobSpec>();
  readonly opening = new Set<BlobSpec>();
  /** What the store has: shards of each blob, and whole blobs. */
  readonly #shards = new Map<BlobSpec, Set<number>>(BLOBS.map((blob) => [blob, new Set()]));
  readonly #whole = new Set<BlobSpec>();
  readonly #up = new Set<NodeId>();
  readonly #banned = new Set<NodeId>();
  /** Requests that were not answered yet. */
  readonly #asked = new Map<RequestId, { readonly peer: NodeId; readonly blob: BlobSpec; readonly atMs: number }>();
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
    for (const { atMs } of this.#asked.values()) assert.ok(this.nowMs <= atMs + ANSWER_MS, "an asker was forgotten");
    for (const blob of BLOBS) this.#checkView(blob);
    const isUnderWay = this.flights.size + this.opening.size + this.finishing.size > 0;
    assert.ok(isUnderWay || this.waiting.size === 0 || this.wakeAtMs < Number.POSITIVE_INFINITY, "stuck");
  }

  /** What is wanted is known, and no shard that the store has is forgotten. */
  #checkView(blob: BlobSpec): void {
    const view = this.engine.view(blob.id);
    assert.ok(view !== undefined || !this.waiting.has(blob.id), "wanted, and not known");
    if (view === undefined || this.opening.has(blob)) return;
    let heldBytes = 0;
    for (const shard of this.#shardsOf(blob)) heldBytes += Math.min(SHARD, blob.sizeBytes - shard * SHARD);
    assert.ok(view.doneBytes >= heldBytes && view.doneBytes <= blob.sizeBytes, "shards got lost");
  }

  #shardsOf(blob: BlobSpec): Set<number> {
    return this.#shards.get(blob) as Set<number>;
  }

  #carryOut(effect: Effect): void {
    switch (effect.type) {
      case "open":
        this.opening.add(this.#blob(effect.blob.id));
        break;
      case "fetch":
        this.#fetch(effect);
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
        this.#answered(effect);
        break;
      case "stop-serving":
        assert.ok(this.uploads.has(effect.request), "nothing is served there");
        break;
      case "ban":
        assert.ok(!this.#banned.has(effect.peer), "banned twice");
        this.#banned.add(effect.peer);
        break;
      case "announce":
      case "tell":
        this.#checkTruth(effect.record);
        break;
    }
  }

  #fetch(effect: Effective<"fetch">): void {
    const { attempt, startBytes, endBytes, source, reason } = effect;
    const blob = this.#blob(effect.blob);
    assert.ok(startBytes < endBytes && endBytes <= blob.sizeBytes);
    if (source.kind === "peer") {
      assert.ok(this.#up.has(source.peer) && !this.#banned.has(source.peer), "asked of a peer that is gone or banned");
      assert.ok(!blob.isPrivate, "a private blob was asked of a stranger");
    }
    for (let shard = Math.floor(startBytes / SHARD); shard * SHARD < endBytes; shard += 1) {
      assert.ok(!this.#shardsOf(blob).has(shard), "fetched again though it is there");
      const others = [...this.flights.values()].filter(
        (one) => !one.isCancelled && one.blob === blob && covers(one, shard),
      );
      const isRival = reason === "hedge" || reason === "endgame";
      assert.ok(others.length <= (isRival ? 1 : 0), `${reason}: fetched by ${others.length} others already`);
    }
    this.flights.set(attempt, {
      blob,
      source,
      startBytes,
      endBytes,
      reason,
      positionBytes: startBytes,
      isCancelled: false,
    });
  }

  #answered({ request, verdict }: Effective<"answer">): void {
    const asked = this.#asked.get(request);
    assert.ok(asked !== undefined, "answered twice, or never asked");
    this.#asked.delete(request);
    if (verdict.kind !== "serve") return;
    assert.ok(!this.#banned.has(asked.peer) && !asked.blob.isPrivate, "served to somebody who must not have it");
    this.uploads.add(request);
  }

  /** Nothing is announced that is not so. */
  #checkTruth({ blobs }: Announcement): void {
    for (const { blob: id, holds, rooted } of blobs) {
      const blob = this.#blob(id);
      assert.ok(!blob.isPrivate, "a private blob was announced");
      if (holds.kind === "all") assert.ok(this.#whole.has(blob), "announced as whole");
      else for (const shard of holds.shards) assert.ok(this.#hasShard(blob, shard), `shard ${shard} was announced`);
      for (const shard of rooted) {
        const isComing = [...this.flights.values()].some((flight) => flight.blob === blob && covers(flight, shard));
        assert.ok(isComing, `shard ${shard} was announced as coming`);
      }
    }
  }

  #hasShard(blob: BlobSpec, shard: number): boolean {
    return this.#whole.has(blob) || this.#shardsOf(blob).has(shard);
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

  unwant(blob: BlobSpec): void {
    if (this.waiting.delete(blob.id)) this.send({ type: "unwant", pull: 1, blob: blob.id });
  }

  /** A whole blob leaves the cache. */
  lose(blob: BlobSpec): void {
    if (this.waiting.has(blob.id) || !this.#whole.delete(blob)) return;
    this.#shardsOf(blob).clear();
    this.send({ type: "lost", blob: blob.id });
  }

  up(peer: NodeId): void {
    this.#up.add(peer);
    this.send({ type: "peer-up", peer, links: [{ link: "lan", class: "ethernet" }] });
  }

  down(peer: NodeId): void {
    this.#up.delete(peer);
    this.send({ type: "peer-down", peer });
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
    const blob = BLOBS[index] as BlobSpec;
    const request = this.#request++;
    const asker = PEERS[peer] as NodeId;
    this.#asked.set(request, { peer: asker, blob, atMs: this.nowMs });
    this.send({ type: "asked", request, peer: asker, blob: blob.id, shard, startBytes: shard * SHARD });
  }

  /** An upload ends, or an asker that waits goes away. */
  served(which: number): void {
    const requests = [...this.uploads, ...this.#asked.keys()];
    const request = requests[which % Math.max(1, requests.length)];
    if (request === undefined) return;
    this.uploads.delete(request);
    this.#asked.delete(request);
    this.send({ type: "served", request });
  }

  /** Some bytes of an attempt come. */
  flow(which: number, share: number): void {
    const entry = [...this.flights][which % Math.max(1, this.flights.size)];
    if (entry === undefined) return;
    const [attempt, flight] = entry;
    flight.positionBytes += Math.floor((flight.endBytes - flight.positionBytes) * share * 0.99);
    this.send({ type: "progress", attempt, positionBytes: flight.positionBytes });
  }

  /** Time passes without anything that happens. */
  later(forMs: number): void {
    this.nowMs = Math.min(this.nowMs + forMs, Math.max(this.nowMs, this.wakeAtMs));
  }

  /** Ends one attempt: whole, or broken off at a share of its range. */
  end(which: number, share: number, isGood: boolean): void {
    const entry = [...this.flights][which % Math.max(1, this.flights.size)];
    if (entry === undefined) return;
    const [attempt, { blob, startBytes, endBytes, source, isCancelled, positionBytes: fromBytes }] = entry;
    if (isGood && !isCancelled) {
      for (let shard = Math.floor(startBytes / SHARD); shard * SHARD < endBytes; shard += 1) {
        if (this.flights.get(attempt)?.isCancelled !== false) break;
        this.#shardsOf(blob).add(shard);
        this.send({ type: "checked", attempt, shard });
      }
      this.flights.delete(attempt);
      this.send({ type: "ended", attempt, positionBytes: Math.min(endBytes, blob.sizeBytes) });
      return;
    }
    this.flights.delete(attempt);
    const positionBytes = fromBytes + Math.floor((endBytes - fromBytes) * share * 0.99);
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

  /** @param culprit vouched for wrong bytes of these shards, so that whole files are wrong; undefined if they are right. */
  store(culprit?: NodeId, bits = 0): void {
    for (const blob of [...this.opening]) {
      this.opening.delete(blob);
      const state = { checked: [...this.#shardsOf(blob)], partial: [] };
      this.send(this.#whole.has(blob) ? { type: "present", blob: blob.id } : { type: "opened", blob: blob.id, state });
    }
    for (const blob of [...this.finishing]) {
      this.finishing.delete(blob);
      const shards = [...this.#shardsOf(blob)].filter((shard) => (bits >> shard) % 2 === 1);
      if (culprit !== undefined && shards.length > 0) {
        for (const shard of shards) this.#shardsOf(blob).delete(shard);
        this.send({ type: "corrupt", blob: blob.id, shards, culprits: [culprit] });
      } else {
        this.#whole.add(blob);
        this.send({ type: "verified", blob: blob.id });
      }
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
    for (const peer of PEERS) this.down(peer);
    for (let round = 0; round < 3_000 && this.waiting.size > 0; round += 1) {
      this.store();
      for (const [index, flight] of [...this.flights.values()].entries()) {
        this.end(index, 0, flight.source.kind === "origin");
      }
      this.wake();
    }
    assert.deepEqual([...this.waiting], [], "wanted, and never settled");
    for (let round = 0; round < 20 && this.#asked.size > 0; round += 1) this.wake();
    assert.equal(this.#asked.size, 0, "asked, and never answered");
  }
}

type Effective<Type extends Effect["type"]> = Extract<Effect, { readonly type: Type }>;

function covers({ startBytes, endBytes }: Flight, shard: number): boolean {
  return shard >= Math.floor(startBytes / SHARD) && shard * SHARD < endBytes;
}

const unit = fc.double({ min: 0, max: 1, noNaN: true });
const peer = fc.nat(3);
const index = fc.nat(BLOBS.length - 1);
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
  { weight: 2, arbitrary: fc.record({ do: fc.constant("store" as const), bits: fc.nat(511), culprit: fc.nat(7) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("unwant" as const), index }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("lose" as const), index }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("flow" as const), which: fc.nat(9), share: unit }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("later" as const), forMs: fc.nat(2_000) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("wake" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("served" as const), which: fc.nat(9) }) },
);

function take(world: World, one: typeof step extends fc.Arbitrary<infer Step> ? Step : never): void {
  switch (one.do) {
    case "want":
      world.want(BLOBS[one.index] as BlobSpec);
      break;
    case "up":
      world.up(PEERS[one.peer] as NodeId);
      break;
    case "down":
      world.down(PEERS[one.peer] as NodeId);
      break;
    case "unwant":
      world.unwant(BLOBS[one.index] as BlobSpec);
      break;
    case "lose":
      world.lose(BLOBS[one.index] as BlobSpec);
      break;
    case "flow":
      world.flow(one.which, one.share);
      break;
    case "later":
      world.later(one.forMs);
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
      world.store(PEERS[one.culprit], one.bits);
      break;
    case "wake":
      world.wake();
      break;
    case "served":
      world.served(one.which);
      break;
  }
}

/** Kept: what each of them found once is found again. */
for (const seed of [20_26, 1, 7_481]) {
  test(`random peers, seed ${seed}: no throw, invariants hold after every step, everything wanted comes while the origin is there`, () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 50, maxLength: 250, size: "max" }), fc.nat(1_000), (steps, dice) => {
        let state = dice;
        const world = new World(() => {
          state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
          return state / 2_147_483_648;
        });
        for (const one of steps) take(world, one);
        world.drain();
      }),
      { numRuns: 300, seed },
    );
  });
}
