import assert from "node:assert/strict";
import { test } from "node:test";
import { parseBlobId, parseNodeId } from "@swarmd/protocol";
import { Engine, SWARM_DEFAULTS } from "./engine.js";
import type { BlobSpec, Effect, Input } from "./messages.js";
import { ShardSet } from "./shard-set.js";

const SHARD = 1_000;
const SHARDS = 200;
const CAPACITY = 1_600_000;
const OTHER = parseNodeId("other");
const BLOB: BlobSpec = {
  id: parseBlobId(`sha256:${"a".repeat(64)}`),
  sizeBytes: SHARDS * SHARD,
  origin: "ranges",
  isPrivate: false,
};

type Fetch = Extract<Effect, { type: "fetch" }>;

/** A node that wants a blob, as another does; what it fetches comes when the test says so. */
class Pulling {
  readonly #engine: Engine;
  /** Under way. */
  readonly fetches = new Map<number, Fetch>();
  readonly effects: Effect[] = [];
  nowMs = 0;
  #sequence = 0;

  constructor() {
    const swarm = { self: parseNodeId("me"), epoch: 1, capacityBytesPerS: CAPACITY, isCluster: false };
    const options = { random: () => 0.5, shardBytes: SHARD, originRequests: 100 };
    this.#engine = new Engine({ ...options, swarm: { ...swarm, ...SWARM_DEFAULTS } });
    this.send({ type: "peer-up", peer: OTHER, links: [{ link: "lan", class: "ethernet" }] });
    const want = { peers: true, origin: true, originRequests: 100, order: 0, headBytes: 0 };
    this.send({ type: "want", pull: 1, blob: BLOB, options: want });
    this.send({ type: "opened", blob: BLOB.id, state: { checked: [], partial: [] } });
    this.hear([]);
    this.pass(1_000);
  }

  send(input: Input): void {
    for (const effect of this.#engine.handle(input, this.nowMs)) {
      this.effects.push(effect);
      if (effect.type === "fetch") this.fetches.set(effect.attempt, effect);
      if (effect.type === "cancel") this.#end(effect.attempt);
    }
  }

  /** The other says from which shards on it is the root. */
  hear(rooted: readonly number[]): void {
    this.#sequence += 1;
    const holds = { kind: "exactly", shards: new ShardSet(SHARDS) } as const;
    const news = { blob: BLOB.id, sizeBytes: BLOB.sizeBytes, wants: true, mayFetch: true, holds, rooted };
    const record = { epoch: 1, sequence: this.#sequence, ttlMs: 600_000, isFull: true, freeSlots: 32, blobs: [news] };
    this.send({ type: "heard", peer: OTHER, record: { ...record, capacityBytesPerS: CAPACITY } });
  }

  /** Time passes, and the node looks after its work all the while. */
  pass(forMs: number): void {
    for (const endMs = this.nowMs + forMs; this.nowMs < endMs; ) {
      this.nowMs += 25;
      this.send({ type: "wake" });
    }
  }

  /** All that is under way comes, within four seconds. */
  bringAll(): void {
    this.pass(2_000);
    for (const { attempt, startBytes } of this.fetches.values())
      this.send({ type: "progress", attempt, positionBytes: startBytes + SHARD / 2 });
    this.pass(2_000);
    for (const { attempt, startBytes, endBytes } of [...this.fetches.values()]) {
      this.fetches.delete(attempt);
      this.send({ type: "checked", attempt, shard: Math.floor(startBytes / SHARD) });
      this.send({ type: "ended", attempt, positionBytes: endBytes });
    }
  }

  fail(fetch: Fetch): void {
    this.fetches.delete(fetch.attempt);
    const fault = { code: "PEER_UNREACHABLE", blame: "peer", message: "gone" } as const;
    this.send({ type: "ended", attempt: fetch.attempt, positionBytes: fetch.startBytes, fault });
  }

  from(kind: "origin" | "peer"): Fetch[] {
    return [...this.fetches.values()].filter(({ source }) => source.kind === kind);
  }

  count(reason: string): number {
    return this.effects.filter((effect) => effect.type === "decision" && effect.reason === reason).length;
  }

  get lastCapacity(): number | undefined {
    const announced = this.effects.filter((effect) => effect.type === "announce");
    return announced[announced.length - 1]?.record.capacityBytesPerS;
  }

  #end(attempt: number): void {
    const fetch = this.fetches.get(attempt);
    if (fetch === undefined) return;
    this.fetches.delete(attempt);
    const fault = { code: "INTERRUPTED", blame: "none", message: "cancelled" } as const;
    this.send({ type: "ended", attempt, positionBytes: fetch.startBytes, fault });
  }
}

const shardsOf = (fetches: readonly Fetch[]) => fetches.map(({ startBytes }) => Math.floor(startBytes / SHARD));

test("of two that fetch the same shards from the origin, whoever had the duty yields to the one that took over, and follows it", () => {
  const node = new Pulling();
  const doubled = shardsOf(node.from("origin"));
  assert.ok(doubled.length > 1);
  node.hear(doubled);
  node.pass(300);
  assert.equal(node.count("yield"), doubled.length);
  const followed = new Set(shardsOf(node.from("peer")));
  for (const shard of doubled) assert.ok(followed.has(shard));
});

test("nobody yields to one that it would not follow: it would begin anew and yield again", () => {
  const node = new Pulling();
  const doubled = shardsOf(node.from("origin"));
  node.fail(node.from("peer")[0] as Fetch);
  for (let round = 0; round < 3; round += 1) node.hear(doubled);
  assert.equal(node.count("yield"), 0);
});

test("what is fetched for the others crawls: the node steps down, gives it back and says so for a minute", () => {
  const node = new Pulling();
  for (let round = 0; round < 3; round += 1) node.bringAll();
  assert.equal(node.lastCapacity, CAPACITY);
  const before = node.from("origin");
  assert.ok(before.length > 0);
  node.pass(8_000);
  assert.equal(node.count("step-down"), 1);
  assert.equal(node.lastCapacity, CAPACITY / 16);
  for (const { attempt } of before) assert.ok(!node.fetches.has(attempt));
  node.pass(61_000);
  assert.ok(node.effects.some((effect) => effect.type === "announce" && effect.record.capacityBytesPerS === CAPACITY));
});

test("a node whose own timers were late blames neither itself nor the others", () => {
  const node = new Pulling();
  for (let round = 0; round < 3; round += 1) node.bringAll();
  const underWay = [...node.fetches.keys()];
  assert.ok(node.from("origin").length > 0 && node.from("peer").length > 0);
  node.nowMs += 30_000;
  node.pass(500);
  assert.equal(node.count("step-down"), 0);
  for (const attempt of underWay) assert.ok(node.fetches.has(attempt));
});
