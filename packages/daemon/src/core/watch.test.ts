/** Stalls, slow sources, roots that move: asked of a whole engine, by what it breaks off and asks instead, and when. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type NodeId, parseBlobId, parseNodeId } from "@swarmd/protocol";
import type { BlobNews } from "./catalog/announcement.js";
import { Engine, SWARM_DEFAULTS } from "./engine.js";
import type { BlobSpec, Effect, Input } from "./messages.js";
import { drawOf, keyOf, shardKeyOf } from "./rendezvous.js";
import { ShardSet } from "./shard-set.js";

const MIB = 1024 * 1024;
const SHARD = 16 * MIB;
const SHARDS = 64;
const CAPACITY = 1e8;
const SELF = parseNodeId("self");
const [A, B] = ["a", "b"].map(parseNodeId) as [NodeId, NodeId];
const SPEC: BlobSpec = {
  id: parseBlobId(`sha256:${"1".repeat(64)}`),
  sizeBytes: SHARDS * SHARD,
  origin: "ranges",
  isPrivate: false,
};

/** An attempt that was ordered. */
interface Flight {
  readonly attempt: number;
  readonly shard: number;
  readonly from: NodeId | "origin";
  readonly reason: string;
  readonly atMs: number;
  positionBytes: number;
  /** Ended by itself or broken off. */
  isOver: boolean;
}

/** One engine with a clock, and what it asked whom for. What it breaks off ends at once. Dice always show the middle. */
class Bench {
  readonly engine: Engine;
  readonly flights: Flight[] = [];
  /** `shard from source at time`, of attempts that were broken off. */
  readonly cancelled: string[] = [];
  readonly yielded: number[] = [];
  nowMs = 0;
  #wakeAtMs = Number.POSITIVE_INFINITY;
  #sequence = 1;

  constructor(peers: readonly NodeId[] = [A, B]) {
    const swarm = { ...SWARM_DEFAULTS, self: SELF, epoch: 1, capacityBytesPerS: CAPACITY, isCluster: false };
    this.engine = new Engine({ random: () => 0.5, shardBytes: SHARD, originRequests: SHARDS, swarm });
    for (const peer of peers) this.send({ type: "peer-up", peer, links: [{ link: "lan", class: "ethernet" }] });
  }

  send(input: Input): void {
    const effects = this.engine.handle(input, this.nowMs);
    for (const effect of effects) this.#take(effect);
    for (const effect of effects) {
      const flight = effect.type === "cancel" ? this.#find(effect.attempt) : undefined;
      if (flight === undefined) continue;
      flight.isOver = true;
      this.cancelled.push(`${flight.shard} from ${flight.from} at ${this.nowMs}`);
      const { attempt, positionBytes } = flight;
      const fault = { code: "INTERRUPTED", blame: "none", message: "broken off" } as const;
      this.send({ type: "ended", attempt, positionBytes, fault });
    }
  }

  #take(effect: Effect): void {
    if (effect.type === "wake") this.#wakeAtMs = effect.atMs;
    if (effect.type === "decision" && effect.reason === "yield") this.yielded.push(effect.shard);
    if (effect.type !== "fetch") return;
    const { attempt, source, startBytes, reason } = effect;
    const shard = Math.floor(startBytes / SHARD);
    const from = source.kind === "peer" ? source.peer : "origin";
    const about = { attempt, shard, from, reason, atMs: this.nowMs } as const;
    this.flights.push({ ...about, positionBytes: startBytes, isOver: false });
  }

  #find(attempt: number): Flight {
    return this.flights.find((flight) => flight.attempt === attempt) as Flight;
  }

  runTo(atMs: number): void {
    while (this.#wakeAtMs <= atMs) {
      this.nowMs = Math.max(this.nowMs, this.#wakeAtMs);
      this.#wakeAtMs = Number.POSITIVE_INFINITY;
      this.send({ type: "wake" });
    }
    this.nowMs = atMs;
  }

  hear(peer: NodeId, news: Partial<BlobNews>): void {
    const holds = { kind: "exactly", shards: new ShardSet(SHARDS) } as const;
    const sizeBytes = SPEC.sizeBytes;
    const blobs = [{ blob: SPEC.id, sizeBytes, wants: true, mayFetch: true, holds, rooted: [], ...news }];
    const sequence = this.#sequence++;
    const about = { epoch: 1, ttlMs: 600_000, isFull: false, freeSlots: 4, capacityBytesPerS: CAPACITY };
    this.send({ type: "heard", peer, record: { ...about, sequence, blobs } });
  }

  /** Pulls the blob, of which all but so many shards are there. */
  pull(missing: number, origin = false): void {
    const options = { peers: true, origin, originRequests: SHARDS, order: 0, headBytes: 0 };
    this.send({ type: "want", pull: 1, blob: SPEC, options });
    const checked = Array.from({ length: SHARDS - missing }, (_, shard) => shard);
    this.send({ type: "opened", blob: SPEC.id, state: { checked, partial: [] } });
  }

  get underWay(): Flight[] {
    return this.flights.filter((flight) => !flight.isOver);
  }

  flow(flight: Flight, bytes: number): void {
    if (flight.isOver) return;
    flight.positionBytes += bytes;
    this.send({ type: "progress", attempt: flight.attempt, positionBytes: flight.positionBytes });
  }

  complete(flight: Flight): void {
    const { attempt, shard } = flight;
    this.send({ type: "checked", attempt, shard });
    flight.isOver = true;
    this.send({ type: "ended", attempt, positionBytes: (shard + 1) * SHARD });
  }
}

/** Both peers are seeds: attempts are at holders. */
function withSeeds(missing: number): Bench {
  const bench = new Bench();
  for (const peer of [A, B]) bench.hear(peer, { wants: false, holds: { kind: "all" } });
  bench.pull(missing);
  return bench;
}

function other(flight: Flight): NodeId {
  return flight.from === A ? B : A;
}

test("stall: a source that brings nothing for two seconds is given up, and another asked from the byte reached", () => {
  const bench = withSeeds(1);
  const [first] = bench.underWay as [Flight];
  bench.runTo(1_999);
  assert.deepEqual([bench.cancelled, bench.flights.length], [[], 1]);
  bench.runTo(2_000);
  assert.deepEqual(bench.cancelled, [`63 from ${first.from} at 2000`]);
  assert.deepEqual(
    bench.underWay.map(({ shard, from }) => ({ shard, from })),
    [{ shard: 63, from: other(first) }],
  );
});

test("stall: bytes that come are a sign of life", () => {
  const bench = withSeeds(1);
  const [first] = bench.underWay as [Flight];
  for (let atMs = 1_900; atMs <= 9_500; atMs += 1_900) {
    bench.runTo(atMs);
    bench.flow(first, 1_000);
  }
  assert.deepEqual(bench.cancelled, []);
});

for (const { gapMs, patienceMs } of [
  { gapMs: 100, patienceMs: 2_000 },
  { gapMs: 500, patienceMs: 2_000 },
  { gapMs: 900, patienceMs: 3_600 },
  { gapMs: 2_500, patienceMs: 5_000 },
]) {
  test(`stall: where bytes come every ${gapMs} ms, ${patienceMs} ms without any are too many`, () => {
    const bench = new Bench([A]);
    bench.hear(A, { wants: false, holds: { kind: "all" } });
    bench.pull(1);
    const [first] = bench.underWay as [Flight];
    for (let count = 0; count < 72; count += 1) {
      // Of eight gaps it knows what is usual; before, the least patience would end longer ones.
      bench.runTo(bench.nowMs + (count < 8 ? Math.min(gapMs, 900) : gapMs));
      bench.flow(first, 1_000);
    }
    const sinceMs = bench.nowMs;
    bench.runTo(sinceMs + patienceMs - 1);
    assert.deepEqual(bench.cancelled, []);
    bench.runTo(sinceMs + patienceMs + 250);
    assert.equal(bench.cancelled.length, 1);
  });
}

test("the origin is never given up here: it has its own back-off", () => {
  const bench = new Bench([A]);
  bench.hear(A, {});
  bench.pull(4, true);
  bench.runTo(1_000);
  const fromOrigin = bench.underWay.filter(({ from }) => from === "origin");
  assert.ok(fromOrigin.length > 0);
  bench.runTo(30_000);
  assert.ok(fromOrigin.every(({ isOver }) => !isOver));
});

test("when nothing is under way the engine sleeps", () => {
  const bench = withSeeds(1);
  bench.runTo(100);
  bench.complete(bench.underWay[0] as Flight);
  bench.send({ type: "verified", blob: SPEC.id });
  let wakes = 0;
  const { handle } = bench.engine;
  bench.engine.handle = (input, nowMs) => {
    if (input.type === "wake") wakes += 1;
    return handle.call(bench.engine, input, nowMs);
  };
  bench.runTo(60_000);
  // News, heartbeats and a look at silent peers; a sweep would come four times a second.
  assert.ok(wakes < 30, `${wakes} wakes in a minute`);
});

/** All shards but the last few came in a tenth of a second each. */
function nearTheEnd(left: number): Bench {
  const bench = withSeeds(12 + left);
  bench.runTo(100);
  for (const flight of bench.underWay.slice(0, 12)) bench.complete(flight);
  assert.equal(bench.underWay.length, left);
  return bench;
}

/** All that is under way brings a little, so that nothing stalls. */
function trickle(bench: Bench, untilMs: number): void {
  while (bench.nowMs < untilMs) {
    bench.runTo(Math.min(untilMs, bench.nowMs + 50));
    for (const flight of bench.underWay) bench.flow(flight, 1_000);
  }
}

test("endgame: a last shard that lags is asked of a second source as well; who has it first ends the other", () => {
  const bench = nearTheEnd(1);
  const [slow] = bench.underWay as [Flight];
  trickle(bench, 450);
  assert.equal(bench.underWay.length, 1);
  trickle(bench, 800);
  const [, rival] = bench.underWay as [Flight, Flight];
  assert.deepEqual([rival.shard, rival.from, rival.reason], [slow.shard, other(slow), "endgame"]);
  bench.complete(rival);
  assert.equal(slow.isOver, true);
  assert.equal(bench.cancelled.length, 1);
});

test("endgame: at most two second sources at a time, and one per shard", () => {
  const bench = nearTheEnd(5);
  trickle(bench, 5_000);
  const rivals = bench.underWay.filter(({ reason }) => reason === "endgame");
  assert.equal(rivals.length, 2);
  assert.equal(new Set(rivals.map(({ shard }) => shard)).size, 2);
});

test("endgame: what is nearly there needs no second source", () => {
  const bench = nearTheEnd(1);
  const [slow] = bench.underWay as [Flight];
  bench.flow(slow, SHARD - MIB / 2);
  trickle(bench, 3_000);
  assert.equal(bench.flights.filter(({ reason }) => reason === "endgame").length, 0);
});

test("endgame: while another file has shards to begin, a second source for the last of this one would take their place", () => {
  const bench = withSeeds(13);
  trickle(bench, 1_000);
  for (const flight of bench.underWay.slice(0, 12)) bench.complete(flight);
  const next: BlobSpec = { ...SPEC, id: parseBlobId(`sha256:${"2".repeat(64)}`) };
  for (const peer of [A, B]) bench.hear(peer, { blob: next.id, wants: false, holds: { kind: "all" } });
  const options = { peers: true, origin: false, originRequests: SHARDS, order: 1, headBytes: 0 };
  bench.send({ type: "want", pull: 2, blob: next, options });
  bench.send({ type: "opened", blob: next.id, state: { checked: [], partial: [] } });
  const rivals = () => bench.flights.filter(({ reason }) => reason === "endgame").length;
  trickle(bench, 1_700);
  assert.equal(rivals(), 0);
  bench.send({ type: "unwant", pull: 2, blob: next.id });
  trickle(bench, 1_990);
  assert.equal(rivals(), 1);
});

test("hedge: while shards are left to begin, one that takes far longer than nearly all did is asked of a second source", () => {
  const bench = withSeeds(SHARDS);
  bench.runTo(100);
  for (const flight of bench.underWay.slice(0, 12)) bench.complete(flight);
  bench.runTo(200);
  // The rest is over within the usual time; one is not.
  const [slow, ...rest] = bench.underWay as [Flight, ...Flight[]];
  for (const flight of rest) if (flight.shard !== slow.shard) bench.flow(flight, SHARD - MIB / 2);
  trickle(bench, 1_200);
  const rivals = bench.flights.filter(({ reason }) => reason === "hedge" || reason === "endgame");
  assert.deepEqual(
    rivals.map(({ shard, from, reason }) => ({ shard, from, reason })),
    [{ shard: slow.shard, from: other(slow), reason: "hedge" }],
  );
});

/** A cold start with one other node: some shards we fetch from the origin, the others we have from that node. */
function coldWith(peers: readonly NodeId[]): Bench {
  const bench = new Bench(peers);
  for (const peer of peers) bench.hear(peer, {});
  bench.pull(SHARDS, true);
  bench.runTo(250);
  return bench;
}

test("two fetch the same shard from the origin: the one whose draw is worse yields and follows", () => {
  const bench = coldWith([A]);
  const ours = bench.underWay.filter(({ from }) => from === "origin").map(({ shard }) => shard);
  bench.hear(A, { rooted: ours });
  const blobKey = keyOf(SPEC.id);
  const isOursWorse = (shard: number) => {
    const shardKey = shardKeyOf(blobKey, shard);
    return drawOf(keyOf(A), shardKey) < drawOf(keyOf(SELF), shardKey);
  };
  const worse = ours.filter(isOursWorse);
  assert.deepEqual(bench.yielded, worse);
  bench.hear(A, { rooted: Array.from({ length: SHARDS }, (_, shard) => shard) });
  assert.deepEqual(bench.yielded, worse);
});

test("a follower whose source is silent for half a second goes over to a new root; one whose source flows stays", () => {
  const bench = coldWith([A, B]);
  bench.hear(A, { rooted: bench.underWay.filter(({ from }) => from === A).map(({ shard }) => shard) });
  const [silent, flowing] = bench.underWay.filter(({ from, reason }) => from === A && reason === "relay");
  assert.ok(silent !== undefined && flowing !== undefined);
  bench.runTo(600);
  bench.flow(flowing, 1_000);
  bench.runTo(800);
  bench.hear(B, { rooted: [silent.shard, flowing.shard] });
  assert.deepEqual([silent.isOver, flowing.isOver], [true, false]);
});

test("nobody is left only to be asked again: a silent source that is still the one to follow waits itself", () => {
  const others = ["a", "b", "c", "d"].map(parseNodeId);
  const bench = coldWith(others);
  const relays = bench.underWay.filter(({ reason }) => reason === "relay");
  bench.runTo(800);
  for (const peer of others) {
    bench.hear(peer, { rooted: relays.filter(({ shard }) => others[shard % 4] === peer).map(({ shard }) => shard) });
  }
  const left = relays.filter(({ isOver }) => isOver);
  assert.ok(left.length > 0 && left.length < relays.length, `${left.length} of ${relays.length} left`);
  for (const { shard, from } of left) {
    const now = bench.underWay.find((flight) => flight.shard === shard);
    assert.notEqual(now?.from, from);
  }
});

/** Brings all that is under way at this pace, until so long after now. */
function flowFor(bench: Bench, forMs: number, bytesPerMs: (flight: Flight) => number): void {
  for (const untilMs = bench.nowMs + forMs; bench.nowMs < untilMs; ) {
    bench.runTo(bench.nowMs + 250);
    for (const flight of bench.underWay) {
      const left = (flight.shard + 1) * SHARD - flight.positionBytes;
      const bytes = Math.min(left, Math.round(250 * bytesPerMs(flight)));
      if (bytes > 0) bench.flow(flight, bytes);
      if (bytes > 0 && bytes === left) bench.complete(flight);
    }
  }
}

test("what we fetch for others and crawls over one connection is tried over another, from the byte reached, by ourselves", () => {
  const bench = coldWith([A]);
  flowFor(bench, 12_000, () => SHARD / 4_000);
  const ours = () => bench.underWay.filter(({ from }) => from === "origin");
  const [unlucky, ...others] = ours();
  assert.ok(unlucky !== undefined && others.length > 0);
  flowFor(bench, 9_000, (flight) => (flight === unlucky ? 10 : SHARD / 4_000));
  assert.equal(unlucky.isOver, true);
  const again = bench.flights.filter(({ reason }) => reason === "retry");
  assert.deepEqual(
    again.map(({ shard, from }) => ({ shard, from })),
    [{ shard: unlucky.shard, from: "origin" }],
  );
});

test("what we fetched for others and compare with the origin still is neither tried again nor a reason to step down", () => {
  const bench = coldWith([A]);
  flowFor(bench, 12_000, () => SHARD / 4_000);
  const [whole] = bench.underWay.filter(({ from }) => from === "origin");
  assert.ok(whole !== undefined);
  bench.flow(whole, (whole.shard + 1) * SHARD - whole.positionBytes);
  flowFor(bench, 20_000, (flight) => (flight === whole ? 0 : SHARD / 4_000));
  assert.equal(whole.isOver, false);
  assert.deepEqual(
    bench.flights.filter(({ reason, shard }) => reason === "retry" && shard === whole.shard),
    [],
  );
});

test("a relay far from the root is waited for longer than one that holds the shard", () => {
  const bench = coldWith([A]);
  const [relay] = bench.underWay.filter(({ reason }) => reason === "relay");
  assert.ok(relay !== undefined);
  // The first of all: five seconds, and half as many more for the one behind the root.
  bench.runTo(relay.atMs + 7_400);
  assert.equal(relay.isOver, false);
  bench.runTo(relay.atMs + 7_800);
  assert.equal(relay.isOver, true);
});
