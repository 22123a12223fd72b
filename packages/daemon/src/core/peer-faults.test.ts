import assert from "node:assert/strict";
import { test } from "node:test";
import { type ErrorCode, type NodeId, parseBlobId, parseNodeId } from "@swarmd/protocol";
import type { Peer } from "./catalog/catalog.js";
import { Fetching } from "./fetching.js";
import { Lifecycle } from "./lifecycle.js";
import type { BlobSpec, Reason, Source } from "./messages.js";
import { PeerFaults } from "./peer-faults.js";
import type { Attempt } from "./session/attempt.js";
import { Session } from "./session/session.js";
import { EngineState, SWARM_DEFAULTS } from "./state.js";

const SHARD = 100;
const [A, B] = ["a", "b"].map(parseNodeId) as [NodeId, NodeId];
const SPEC: BlobSpec = {
  id: parseBlobId(`sha256:${"1".repeat(64)}`),
  sizeBytes: 1_000,
  origin: "ranges",
  isPrivate: false,
};
const WANT = { peers: true, origin: true, originRequests: 10, order: 0, headBytes: 0 };

/** The books of one node that fetches one blob, and what is done with them when attempts fail. Dice always show the middle. */
class Bench {
  readonly state: EngineState;
  readonly faults: PeerFaults;
  readonly #fetching: Fetching;
  readonly session = new Session(SPEC, 1, SHARD);

  constructor() {
    const swarm = { self: parseNodeId("self"), epoch: 1, capacityBytesPerS: 1e8, isCluster: false, ...SWARM_DEFAULTS };
    this.state = new EngineState({ random: () => 0.5, shardBytes: SHARD, originRequests: 10, swarm });
    const lifecycle = new Lifecycle(this.state, {
      began: () => {},
      opened: () => {},
      changed: () => {},
      whole: () => {},
      gone: () => {},
      lied: () => {},
      worthless: () => {},
    });
    this.faults = new PeerFaults(this.state, lifecycle);
    this.#fetching = new Fetching(this.state, lifecycle, {
      started: () => {},
      flowed: ({ source }, shard) => this.session.notes.flows(shard, source.kind === "peer" ? source.peer : undefined),
      checked: () => {},
      failed: (attempt, fault) => this.faults.failed(attempt, fault),
      ended: () => {},
    });
    for (const peer of [A, B]) this.state.catalog.peerUp(peer, [{ link: "lan", class: "ethernet" }], 0);
    this.session.join(1, WANT);
    this.session.opened({ checked: [], partial: [] });
    this.state.sessions.set(SPEC.id, this.session);
  }

  peer(id: NodeId): Peer {
    return this.state.catalog.peers.get(id) as Peer;
  }

  /** An attempt at one shard that brought so much of it; with `isUnderWay: false`, one that has just ended well. */
  attempt(from: NodeId | "origin", shard: number, options: AttemptOptions = {}): Attempt {
    const { reason = "order", bytes = 0, startBytes = 0, isUnderWay = true } = options;
    const { shards } = this.session;
    if (startBytes > shards.watermark(shard)) this.#leave(shard, startBytes);
    const source: Source = from === "origin" ? { kind: "origin" } : { kind: "peer", peer: from, link: "lan" };
    const order = { session: this.session, first: shard, last: shard, source, reason, pull: undefined };
    this.#fetching.start({ ...order, isRoot: false, place: 0 });
    const attempt = [...this.state.attempts.values()].at(-1) as Attempt;
    this.state.nowMs += 1;
    const positionBytes = attempt.startBytes + bytes;
    if (isUnderWay) this.#fetching.progress({ type: "progress", attempt: attempt.id, positionBytes });
    else this.#fetching.ended({ type: "ended", attempt: attempt.id, positionBytes });
    this.state.nowMs -= 1;
    return attempt;
  }

  /** An attempt that ends with this fault. */
  fail(from: NodeId | "origin", shard: number, code: ErrorCode, options: AttemptOptions = {}): void {
    const { id, positionBytes } = this.attempt(from, shard, options);
    const fault = { code, blame: "peer", message: code, redirect: [] } as const;
    this.#fetching.ended({ type: "ended", attempt: id, positionBytes, fault });
  }

  /** Bytes from before a restart. */
  #leave(shard: number, bytes: number): void {
    const { shards } = this.session;
    shards.assign(shard, 0);
    shards.arrive(shard, bytes);
    shards.release(shard, 0);
  }

  /** What was ordered, in short. */
  told(): string[] {
    return this.state.takeEffects().flatMap((effect) => {
      if (effect.type === "ban") return [`ban ${effect.peer}`];
      if (effect.type === "cancel") return [`cancel ${effect.attempt}`];
      return effect.type === "stop-serving" ? [`stop ${effect.request}`] : [];
    });
  }
}

interface AttemptOptions {
  readonly reason?: Reason;
  readonly bytes?: number;
  /** Bytes of the shard that are there before, if nobody brought them. */
  readonly startBytes?: number;
  readonly isUnderWay?: boolean;
}

for (const { refusals, pauseMs } of [
  { refusals: 1, pauseMs: 150 },
  { refusals: 3, pauseMs: 150 },
  { refusals: 4, pauseMs: 300 },
  { refusals: 8, pauseMs: 600 },
  { refusals: 12, pauseMs: 1_200 },
  { refusals: 40, pauseMs: 1_200 },
]) {
  test(`busy: after ${refusals} refusals in a row the peer is asked for the shard again in ${pauseMs} ms`, () => {
    const bench = new Bench();
    for (let count = 0; count < refusals; count += 1) bench.fail(A, 0, "PEER_BUSY");
    const { notes } = bench.session;
    assert.ok(notes.isAvoided(0, A, pauseMs - 1));
    assert.ok(!notes.isAvoided(0, A, pauseMs));
    assert.ok(!notes.isAvoided(0, A, 0, "failed"), "busy is no failure");
    assert.ok(!notes.isAvoided(1, A, 0), "other shards may be asked for");
    assert.deepEqual([bench.peer(A).failures, bench.peer(A).notBeforeMs, bench.peer(A).strikes], [0, 0, 0]);
  });
}

test("busy: sixteen peers are asked one after the other; then the shard waits", () => {
  const bench = new Bench();
  for (let count = 0; count < 16; count += 1) bench.fail(A, 0, "PEER_BUSY");
  assert.equal(bench.session.notes.waits.get(0), undefined);
  bench.fail(A, 0, "PEER_BUSY");
  assert.equal(bench.session.notes.waits.get(0), 400);
});

test("busy: bytes that come end the row of refusals", () => {
  const bench = new Bench();
  for (let count = 0; count < 20; count += 1) bench.fail(A, 0, "PEER_BUSY");
  bench.session.notes.flows(0, B);
  bench.state.nowMs = 10_000;
  bench.fail(A, 0, "PEER_BUSY");
  assert.ok(!bench.session.notes.isAvoided(0, A, 10_150));
});

for (const code of ["PEER_UNREACHABLE", "PEER_STALLED", "PEER_FAULT"] as const) {
  test(`${code}: does not count for the shard for 20 s, and is left alone for 2 s`, () => {
    const bench = new Bench();
    bench.fail(A, 3, code);
    assert.ok(bench.session.notes.isAvoided(3, A, 19_999, "failed"));
    assert.ok(!bench.session.notes.isAvoided(3, A, 20_000, "failed"));
    assert.equal(bench.peer(A).notBeforeMs, 2_000);
    assert.deepEqual(bench.told(), []);
  });
}

for (const { failures, backOffMs } of [
  { failures: 1, backOffMs: 2_000 },
  { failures: 2, backOffMs: 4_000 },
  { failures: 3, backOffMs: 8_000 },
  { failures: 4, backOffMs: 16_000 },
  { failures: 5, backOffMs: 30_000 },
  { failures: 50, backOffMs: 30_000 },
]) {
  test(`a peer that failed ${failures} times is left alone for ${backOffMs} ms`, () => {
    const bench = new Bench();
    for (let count = 0; count < failures; count += 1) bench.fail(A, 0, "PEER_STALLED");
    assert.equal(bench.peer(A).notBeforeMs, backOffMs);
  });
}

test("a peer that comes up anew is asked at once", () => {
  const bench = new Bench();
  for (let count = 0; count < 9; count += 1) bench.fail(A, 0, "PEER_STALLED");
  bench.state.catalog.peerUp(A, [{ link: "lan", class: "ethernet" }], 1);
  assert.deepEqual([bench.peer(A).notBeforeMs, bench.peer(A).failures], [0, 0]);
});

test("a peer that still brings another shard is alive: only this shard is asked of others", () => {
  const bench = new Bench();
  bench.attempt(A, 1, { bytes: 10 });
  bench.state.nowMs = 500;
  bench.fail(A, 0, "PEER_STALLED");
  assert.equal(bench.peer(A).notBeforeMs, 0);
  assert.ok(bench.session.notes.isAvoided(0, A, 500, "failed"));
});

test("an attempt that brought its last byte a second ago proves nothing", () => {
  const bench = new Bench();
  bench.attempt(A, 1, { bytes: 10 });
  bench.state.nowMs = 1_001;
  bench.fail(A, 0, "PEER_STALLED");
  assert.equal(bench.peer(A).notBeforeMs, 1_001 + 2_000);
});

test("an attempt that we broke off ourselves is nobody's fault", () => {
  const bench = new Bench();
  const attempt = bench.attempt(A, 0);
  attempt.isCancelled = true;
  bench.faults.failed(attempt, { code: "INTERRUPTED", blame: "none", message: "" });
  assert.deepEqual([bench.peer(A).notBeforeMs, bench.session.notes.isAvoided(0, A, 0)], [0, false]);
});

for (const { id, setUp, options, isBanned } of [
  { id: "held it and sent all of it: no accident", options: { bytes: 100 }, isBanned: true },
  { id: "passed it on: may have been deceived", options: { bytes: 100, reason: "relay" }, isBanned: false },
  {
    id: "ended what another peer began: the other may have lied",
    setUp: (bench: Bench) => bench.attempt(B, 0, { bytes: 40, isUnderWay: false }),
    options: { bytes: 60, startBytes: 40 },
    isBanned: false,
  },
  {
    id: "raced with another peer for it: the other may have lied",
    setUp: (bench: Bench) => bench.attempt(B, 0, { bytes: 40 }),
    options: { bytes: 100 },
    isBanned: false,
  },
  {
    id: "ended what was there from before a restart: nobody knows from whom that came",
    options: { bytes: 60, startBytes: 40 },
    isBanned: false,
  },
] as readonly { id: string; setUp?: (bench: Bench) => void; options: AttemptOptions; isBanned: boolean }[]) {
  test(`wrong bytes of a peer that ${id}`, () => {
    const bench = new Bench();
    setUp?.(bench);
    bench.fail(A, 0, "PEER_CORRUPT", options);
    assert.equal(bench.peer(A).isBanned, isBanned);
    assert.equal(bench.peer(A).strikes, 1);
    assert.equal(bench.peer(B).strikes, 0);
    assert.equal(bench.told().includes("ban a"), isBanned);
  });
}

for (const { strikes, delayMs } of [
  { strikes: 1, delayMs: 1_000 },
  { strikes: 3, delayMs: 1_000 },
  { strikes: 4, delayMs: 2_000 },
  { strikes: 12, delayMs: 8_000 },
  { strikes: 39, delayMs: 30_000 },
]) {
  test(`a relay that passed on ${strikes} wrong shards is left alone for ${delayMs} ms`, () => {
    const bench = new Bench();
    for (let count = 0; count < strikes; count += 1) bench.fail(A, 0, "PEER_CORRUPT", { bytes: 100, reason: "relay" });
    assert.equal(bench.peer(A).notBeforeMs, delayMs);
    assert.equal(bench.peer(A).isBanned, false);
  });
}

test("a relay that passed on forty wrong shards was not deceived: banned", () => {
  const bench = new Bench();
  for (let count = 0; count < 40; count += 1) bench.fail(A, 0, "PEER_CORRUPT", { bytes: 100, reason: "relay" });
  assert.ok(bench.peer(A).isBanned);
});

for (const [from, code] of [
  [A, "PEER_CORRUPT"],
  [A, "PEER_TAINTED"],
  ["origin", "PEER_CORRUPT"],
] as const) {
  test(`${code} from ${from}: nothing is kept of the shard, and what was passed on is broken off`, () => {
    const bench = new Bench();
    bench.state.uploads.set(7, { request: 7, peer: B, blob: SPEC.id, shard: 0 });
    bench.state.uploads.set(8, { request: 8, peer: B, blob: SPEC.id, shard: 1 });
    bench.fail(from, 0, code, { bytes: 60, reason: "relay" });
    assert.equal(bench.session.shards.watermark(0), 0);
    assert.equal(bench.session.notes.contributors(0).size, 0);
    assert.deepEqual(bench.told(), ["stop 7"]);
  });
}

test("wrong bytes: another attempt that goes on from them is stopped before the shard begins anew", () => {
  const bench = new Bench();
  const rival = bench.attempt(B, 0, { bytes: 30 });
  bench.fail(A, 0, "PEER_CORRUPT", { bytes: 100 });
  assert.deepEqual(bench.told(), [`cancel ${rival.id}`]);
  assert.ok(bench.session.notes.poisoned.has(0));
});

test("a tainted peer told us itself: no strike, and it is asked again in a second", () => {
  const bench = new Bench();
  bench.fail(A, 0, "PEER_TAINTED", { bytes: 50, reason: "relay" });
  assert.deepEqual([bench.peer(A).strikes, bench.peer(A).notBeforeMs], [0, 0]);
  assert.ok(bench.session.notes.isAvoided(0, A, 999));
  assert.ok(!bench.session.notes.isAvoided(0, A, 1_000));
});

test("a ban: what the liar gave of shards in progress goes, what is checked stays, its attempts end", () => {
  const bench = new Bench();
  const its = bench.attempt(A, 0, { bytes: 10 });
  const waiting = bench.attempt(A, 1);
  bench.attempt(A, 2, { bytes: 50, isUnderWay: false });
  const goesOn = bench.attempt(B, 3, { bytes: 20 });
  bench.session.notes.flows(3, A);
  const honest = bench.attempt(B, 4, { bytes: 20 });
  bench.attempt(A, 5, { bytes: 100 });
  bench.session.shards.check(5);
  bench.session.notes.done(5);
  bench.faults.ban(A, "lied");
  const told = bench.told();
  assert.deepEqual(
    told.sort(),
    ["ban a", `cancel ${its.id}`, `cancel ${waiting.id}`, `cancel ${goesOn.id}`, "cancel 6"].sort(),
  );
  assert.equal(honest.isCancelled, false);
  assert.equal(bench.session.shards.watermark(2), 0);
  assert.deepEqual([...bench.session.notes.poisoned].sort(), [0, 3]);
  assert.ok(bench.session.shards.held.has(5));
});

test("a ban is told once", () => {
  const bench = new Bench();
  bench.faults.ban(A, "lied");
  bench.faults.ban(A, "lied again");
  assert.deepEqual(bench.told(), ["ban a"]);
});

test("a liar that was gone before its lie came to light stays banned when it comes back", () => {
  const bench = new Bench();
  const { catalog } = bench.state;
  catalog.peerDown(A);
  catalog.expire(120_000);
  assert.equal(catalog.peers.has(A), false);
  bench.faults.ban(A, "vouched for wrong bytes");
  assert.deepEqual(bench.told(), ["ban a"]);
  catalog.expire(240_000);
  catalog.peerUp(A, [{ link: "lan", class: "ethernet" }], 240_000);
  assert.equal(bench.peer(A).isBanned, true);
});

test("our own node can't be banned: it vouched for what the origin sent", () => {
  const bench = new Bench();
  bench.faults.ban(parseNodeId("self"), "vouched for wrong bytes");
  assert.deepEqual(bench.told(), []);
});
