/** Who gets a slot, who waits, who is sent elsewhere: asked of a whole engine, by what it answers and when. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type BlobId, type NodeId, parseBlobId, parseNodeId } from "@swarmd/protocol";
import type { BlobNews } from "./catalog/announcement.js";
import { Engine, SWARM_DEFAULTS } from "./engine.js";
import type { BlobSpec, Effect, Input } from "./messages.js";
import { ShardSet } from "./shard-set.js";

const SHARD = 100;
const CAPACITY = 1e8;
const [A, B, C] = ["a", "b", "c"].map(parseNodeId) as [NodeId, NodeId, NodeId];
const SPEC: BlobSpec = blobOf("1");

function blobOf(digit: string, isPrivate = false): BlobSpec {
  return { id: parseBlobId(`sha256:${digit.repeat(64)}`), sizeBytes: 8 * SHARD, origin: "ranges", isPrivate };
}

/** One engine with a clock, and what it answered. Dice always show the middle. */
class Bench {
  readonly engine: Engine;
  readonly answers: string[] = [];
  /** From the origin, by shard. */
  readonly fetches = new Map<number, number>();
  nowMs = 0;
  #wakeAtMs = Number.POSITIVE_INFINITY;
  #request = 1;
  #sequence = 1;

  constructor(options: { isCluster?: boolean; uploads?: number; peers?: readonly NodeId[] } = {}) {
    const { isCluster = false, uploads = 32, peers = [A, B, C] } = options;
    const self = parseNodeId("self");
    const swarm = { ...SWARM_DEFAULTS, self, epoch: 1, capacityBytesPerS: CAPACITY, uploads, isCluster };
    this.engine = new Engine({ random: () => 0.5, shardBytes: SHARD, originRequests: 10, swarm });
    for (const peer of peers) this.send({ type: "peer-up", peer, links: [{ link: "lan", class: "ethernet" }] });
  }

  send(input: Input): void {
    for (const effect of this.engine.handle(input, this.nowMs)) this.#take(effect);
  }

  #take(effect: Effect): void {
    if (effect.type === "wake") this.#wakeAtMs = effect.atMs;
    if (effect.type === "fetch" && effect.source.kind === "origin") {
      this.fetches.set(effect.startBytes / SHARD, effect.attempt);
    }
    if (effect.type !== "answer") return;
    const { request, verdict } = effect;
    const told = verdict.kind === "serve" ? "serve" : [verdict.code, ...verdict.redirect].join(" ");
    this.answers.push(`${request} at ${this.nowMs}: ${told}`);
  }

  runTo(atMs: number): void {
    while (this.#wakeAtMs <= atMs) {
      this.nowMs = Math.max(this.nowMs, this.#wakeAtMs);
      this.#wakeAtMs = Number.POSITIVE_INFINITY;
      this.send({ type: "wake" });
    }
    this.nowMs = atMs;
  }

  /** @returns the number of the request. */
  ask(peer: NodeId, shard: number, options: { blob?: BlobId } = {}): number {
    const { blob = SPEC.id } = options;
    const request = this.#request++;
    this.send({ type: "asked", request, peer, blob, shard, startBytes: shard * SHARD });
    return request;
  }

  hear(peer: NodeId, news: Partial<BlobNews>, capacityBytesPerS = CAPACITY): void {
    const holds = { kind: "exactly", shards: new ShardSet(8) } as const;
    const sizeBytes = SPEC.sizeBytes;
    const blobs = [{ blob: SPEC.id, sizeBytes, wants: true, mayFetch: true, holds, rooted: [], ...news }];
    const sequence = this.#sequence++;
    const about = { epoch: 1, ttlMs: 60_000, isFull: false, freeSlots: 4 };
    this.send({ type: "heard", peer, record: { ...about, sequence, capacityBytesPerS, blobs } });
  }

  /** Pulls the blob; from the origin, at once or when the wants of others are heard. */
  pull(): void {
    const options = { peers: true, origin: true, originRequests: 10, order: 0, headBytes: 0 };
    this.send({ type: "want", pull: 1, blob: SPEC, options });
    this.send({ type: "opened", blob: SPEC.id, state: { checked: [], partial: [] } });
  }

  /** What was answered since the last time. */
  told(): string[] {
    return this.answers.splice(0);
  }
}

test("a whole blob is served; what nobody has is lacked, at once", () => {
  const bench = new Bench();
  bench.send({ type: "have", blob: SPEC });
  bench.ask(A, 7);
  bench.ask(A, 0, { blob: blobOf("2").id });
  assert.deepEqual(bench.told(), ["1 at 0: serve", "2 at 0: PEER_LACKS"]);
});

test("a blob that left the cache is lacked", () => {
  const bench = new Bench();
  bench.send({ type: "have", blob: SPEC });
  bench.send({ type: "lost", blob: SPEC.id });
  bench.ask(A, 0);
  assert.deepEqual(bench.told(), ["1 at 0: PEER_LACKS"]);
});

for (const { isCluster, hasAccess, answer } of [
  { isCluster: false, hasAccess: true, answer: "PEER_LACKS" },
  { isCluster: true, hasAccess: false, answer: "PEER_DENIED" },
  { isCluster: true, hasAccess: true, answer: "serve" },
]) {
  const asker = hasAccess ? "whose token opens it" : "whose token does not open it";
  test(`a private blob is asked for ${isCluster ? "in" : "outside of"} a cluster, by one ${asker}: ${answer}`, () => {
    const bench = new Bench({ isCluster });
    const secret = blobOf("3", true);
    bench.send({ type: "have", blob: secret });
    bench.hear(A, { blob: secret.id, hasAccess });
    bench.ask(A, 0, { blob: secret.id });
    assert.deepEqual(bench.told(), [`1 at 0: ${answer}`]);
  });
}

test("who is banned gets nothing", () => {
  const bench = new Bench({ peers: [A] });
  bench.hear(A, { wants: false, holds: { kind: "all" } });
  bench.pull();
  bench.runTo(1_000);
  bench.send({ type: "have", blob: blobOf("2") });
  bench.ask(A, 0, { blob: blobOf("2").id });
  const fault = { code: "PEER_CORRUPT", blame: "peer", message: "wrong bytes" } as const;
  bench.send({ type: "ended", attempt: 1, positionBytes: SHARD, fault });
  bench.ask(A, 1, { blob: blobOf("2").id });
  assert.deepEqual(bench.told(), ["1 at 1000: serve", "2 at 1000: PEER_DENIED"]);
});

for (const shard of [-1, 8, 1e9]) {
  test(`a shard that the blob on its way does not have is lacked: ${shard}`, () => {
    const bench = new Bench();
    bench.pull();
    bench.ask(A, shard);
    assert.equal(bench.told()[0]?.startsWith("1 at 0: PEER_LACKS"), true);
  });
}

test("uploads are bounded by the slots, and one that ends makes room", () => {
  const bench = new Bench({ uploads: 2 });
  bench.send({ type: "have", blob: SPEC });
  for (const [peer, shard] of [
    [A, 0],
    [B, 1],
    [C, 2],
  ] as const) {
    bench.ask(peer, shard);
  }
  bench.send({ type: "served", request: 1 });
  bench.ask(C, 2);
  assert.deepEqual(bench.told(), ["1 at 0: serve", "2 at 0: serve", "3 at 0: PEER_BUSY", "4 at 0: serve"]);
});

test("while slots run short nobody holds more than half of the link", () => {
  const bench = new Bench();
  bench.send({ type: "have", blob: SPEC });
  // Another has the shard as well: nobody depends on us.
  const shards = new ShardSet(8);
  shards.add(0);
  bench.hear(B, { wants: false, holds: { kind: "exactly", shards } });
  for (let count = 0; count < 16; count += 1) bench.ask(A, 0);
  bench.ask(C, 0);
  const told = bench.told().map((one) => one.split(": ")[1]);
  const served = told.slice(0, 16).filter((one) => one === "serve").length;
  assert.equal(served, 12);
  assert.equal(told[16], "serve");
});

test("a scarce seed gives each shard once: the next is sent to whom it was given; who comes back from there is served", () => {
  const bench = new Bench();
  bench.send({ type: "have", blob: SPEC });
  for (const peer of [A, B, C]) bench.hear(peer, {});
  bench.ask(A, 0);
  bench.ask(B, 0);
  bench.ask(B, 1);
  bench.ask(B, 0);
  assert.deepEqual(bench.told(), ["1 at 0: serve", "2 at 0: PEER_BUSY a", "3 at 0: serve", "4 at 0: serve"]);
});

test("a scarce seed sends nobody to a node that is gone", () => {
  const bench = new Bench();
  bench.send({ type: "have", blob: SPEC });
  for (const peer of [A, B, C]) bench.hear(peer, {});
  bench.ask(A, 0);
  bench.send({ type: "peer-down", peer: A });
  bench.ask(B, 0);
  assert.deepEqual(bench.told(), ["1 at 0: serve", "2 at 0: serve"]);
});

test("what was given of a blob is forgotten when it leaves the cache", () => {
  const bench = new Bench();
  bench.send({ type: "have", blob: SPEC });
  for (const peer of [A, B, C]) bench.hear(peer, {});
  bench.ask(A, 0);
  bench.send({ type: "lost", blob: SPEC.id });
  bench.send({ type: "have", blob: SPEC });
  bench.ask(B, 0);
  assert.deepEqual(bench.told(), ["1 at 0: serve", "2 at 0: serve"]);
});

/** One that fetches from the origin while A waits: all it is on duty for. */
function rooting(): { bench: Bench; shard: number } {
  const bench = new Bench({ peers: [A, B] });
  bench.hear(A, {});
  bench.pull();
  bench.runTo(1_000);
  const [shard] = bench.fetches.keys();
  assert.ok(shard !== undefined, "on duty for none of eight shards");
  return { bench, shard };
}

test("a shard on its way is served from the first byte on to one that has none", () => {
  const { bench, shard } = rooting();
  bench.ask(A, shard);
  assert.deepEqual(bench.told(), ["1 at 1000: serve"]);
});

test("a shard of a blob that is not open yet is lacked", () => {
  const bench = new Bench();
  const options = { peers: true, origin: true, originRequests: 10, order: 0, headBytes: 0 };
  bench.send({ type: "want", pull: 1, blob: SPEC, options });
  bench.ask(A, 0);
  assert.equal(bench.told()[0]?.startsWith("1 at 0: PEER_LACKS"), true);
});

/** A child of ours asks for a shard for which we are on duty, before it can begin: everything waits for the wants of others. */
function parking(): { bench: Bench; request: number; shard: number } {
  const { fetches } = rooting().bench;
  for (const shard of fetches.keys()) {
    const bench = new Bench({ peers: [A, B] });
    bench.hear(A, {});
    bench.pull();
    const request = bench.ask(A, shard);
    if (bench.told().length === 0) return { bench, request, shard };
  }
  throw new Error("nobody is our child in any of eight shards");
}

test("a child of ours waits until its shard begins to come, and is served then", () => {
  const { bench, request, shard } = parking();
  bench.runTo(199);
  assert.deepEqual([bench.fetches.size, bench.told()], [0, []]);
  bench.runTo(499);
  assert.ok(bench.fetches.has(shard));
  assert.deepEqual(bench.told(), [`${request} at 200: serve`]);
});

test("a child of ours that waited half a second in vain is sent away then, once", () => {
  const { bench, request } = parking();
  // The pull is over before anything came: nothing will begin.
  bench.send({ type: "unwant", pull: 1, blob: SPEC.id });
  bench.runTo(499);
  assert.deepEqual(bench.told(), []);
  bench.runTo(5_000);
  assert.deepEqual(bench.told(), [`${request} at 500: PEER_LACKS`]);
});

test("a child that goes away while it waits is not answered", () => {
  const { bench, request } = parking();
  bench.send({ type: "served", request });
  bench.runTo(5_000);
  assert.deepEqual(bench.told(), []);
});

test("128 wait at a time; the next is told at once", () => {
  const { bench, shard } = parking();
  for (let count = 1; count < 128; count += 1) bench.ask(A, shard);
  assert.deepEqual(bench.told(), []);
  bench.ask(A, shard);
  assert.equal(bench.told().length, 1);
});
