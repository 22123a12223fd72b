import assert from "node:assert/strict";
import { test } from "node:test";
import { type BlobId, parseBlobId, parseNodeId } from "@swarmd/protocol";
import { Announcer } from "./announcer.js";
import { type Announcement, announcementBytes, type BlobNews } from "./catalog/announcement.js";
import type { BlobSpec } from "./messages.js";
import { Session } from "./session/session.js";
import { EngineState, SWARM_DEFAULTS } from "./state.js";

/** Of the bytes received, as docs/adr/0009 says. */
const BUDGET_SHARE = 0.0005;
const SHARD = 16 * 1024 * 1024;
const ALL = { peers: true, origin: true, originRequests: 10, order: 0, headBytes: 0 };

function blobOf(number: number, shards = 1, isPrivate = false): BlobSpec {
  const id = parseBlobId(`sha256:${number.toString(16).padStart(64, "0")}`);
  return { id, sizeBytes: shards * SHARD, origin: "ranges", isPrivate };
}

/** An announcer with a clock: what it told, and when. */
class Bench {
  readonly state: EngineState;
  readonly announcer: Announcer;
  readonly told: { readonly atMs: number; readonly record: Announcement }[] = [];

  constructor(peers: number) {
    const swarm = {
      self: parseNodeId("self"),
      epoch: 1,
      capacityBytesPerS: 125e6,
      isCluster: false,
      ...SWARM_DEFAULTS,
    };
    this.state = new EngineState({ random: () => 0.5, shardBytes: SHARD, originRequests: 10, swarm });
    this.announcer = new Announcer(this.state);
    for (let peer = 0; peer < peers; peer += 1) this.state.catalog.peerUp(parseNodeId(`peer${peer}`), [], 0);
  }

  /** A blob that is being fetched. */
  session(spec: BlobSpec): Session {
    const session = new Session(spec, 1, SHARD);
    session.join(1, ALL);
    session.opened({ checked: [], partial: [] });
    this.state.sessions.set(spec.id, session);
    return session;
  }

  check(session: Session, shard: number): void {
    session.shards.assign(shard, 1);
    session.shards.check(shard);
    this.announcer.checked(session.blob, shard, session.shards.lengthOf(shard));
  }

  /** Lets timers ring up to a time. */
  runTo(atMs: number): void {
    const { timers } = this.state;
    while (timers.earliestMs <= atMs) {
      this.state.nowMs = timers.earliestMs;
      for (const name of timers.takeDue(this.state.nowMs)) {
        if (name === "announce") this.announcer.flush();
        else if (name === "heartbeat") this.announcer.heartbeat();
      }
      this.#take();
    }
    this.state.nowMs = atMs;
  }

  #take(): void {
    for (const effect of this.state.takeEffects()) {
      if (effect.type === "announce") this.told.push({ atMs: this.state.nowMs, record: effect.record });
    }
  }
}

/** Which blobs were told when, by the number that they were made from. */
function summary({ told }: Bench): [number, number[]][] {
  return told.map(({ atMs, record }) => [atMs, record.blobs.map(({ blob }) => Number.parseInt(blob.slice(-4), 16))]);
}

type Step = readonly [atMs: number, what: "wanted" | "urgent", blob: number];
const coalescing: { id: string; steps: readonly Step[]; expected: [number, number[]][] }[] = [
  { id: "a change waits 100 ms for others", steps: [[0, "urgent", 1]], expected: [[100, [1]]] },
  {
    id: "changes within that time travel together, each blob once",
    steps: [
      [0, "urgent", 1],
      [40, "urgent", 2],
      [90, "urgent", 1],
    ],
    expected: [[100, [1, 2]]],
  },
  {
    id: "a want goes out after 10 ms and takes along what waits",
    steps: [
      [0, "urgent", 1],
      [20, "wanted", 2],
    ],
    expected: [[30, [1, 2]]],
  },
  {
    id: "what comes later waits anew",
    steps: [
      [0, "urgent", 1],
      [130, "urgent", 1],
    ],
    expected: [
      [100, [1]],
      [230, [1]],
    ],
  },
];

for (const { id, steps, expected } of coalescing) {
  test(`coalescing: ${id}`, () => {
    const bench = new Bench(3);
    for (const number of [1, 2]) bench.session(blobOf(number));
    for (const [atMs, what, number] of steps) {
      bench.runTo(atMs);
      bench.announcer[what](blobOf(number).id);
    }
    bench.runTo(1_000);
    assert.deepEqual(summary(bench), expected);
  });
}

for (const { peers, records } of [
  { peers: 1, records: 64 },
  { peers: 8, records: 64 },
  { peers: 32, records: 64 },
  { peers: 128, records: 18 },
  { peers: 1_000, records: 2 },
]) {
  test(`budget: of 64 shards that come one per second, ${peers} peers hear in about ${records} records`, () => {
    const bench = new Bench(peers);
    const session = bench.session(blobOf(1, 64));
    for (let shard = 0; shard < 64; shard += 1) {
      bench.runTo(1_000 * shard);
      bench.check(session, shard);
    }
    bench.runTo(65_000);
    assert.ok(Math.abs(bench.told.length - records) <= records / 8, `${bench.told.length} records`);
    const spent = bench.told.reduce((sum, { record }) => sum + peers * announcementBytes(record), 0);
    assert.ok(spent <= BUDGET_SHARE * 64 * SHARD, `${spent} bytes of gossip`);
  });
}

test("what is told within the budget names all shards that are held, and not again", () => {
  const bench = new Bench(32);
  const session = bench.session(blobOf(1, 64));
  for (let shard = 0; shard < 64; shard += 1) bench.check(session, shard);
  bench.runTo(100);
  const [news] = bench.told[0]?.record.blobs ?? [];
  assert.ok(news?.holds.kind === "exactly");
  assert.equal(news.holds.shards.count, 64);
  bench.runTo(5_000);
  assert.equal(bench.told.length, 1);
});

test("of a blob of many shards only the new ones are named", () => {
  const bench = new Bench(1);
  const session = bench.session(blobOf(1, 2_000));
  for (const shard of [3, 5]) {
    bench.check(session, shard);
    bench.runTo(1_000 * shard);
  }
  assert.deepEqual(
    bench.told.map(({ record }) => record.blobs[0]?.holds),
    [
      { kind: "more", shards: [3] },
      { kind: "more", shards: [5] },
    ],
  );
});

for (const { peers, everyMs } of [
  { peers: 1, everyMs: 20_000 },
  { peers: 100, everyMs: 20_000 },
  { peers: 500, everyMs: 50_000 },
]) {
  test(`heartbeat: with ${peers} peers every ${everyMs} ms, to be believed for three of them, in full each thirtieth time`, () => {
    const bench = new Bench(peers);
    bench.state.library.set(blobOf(1).id, blobOf(1));
    bench.state.timers.set("heartbeat", 0);
    bench.runTo(29 * everyMs);
    assert.deepEqual(
      bench.told.map(({ atMs, record: { isFull, ttlMs, blobs } }) => ({ atMs, isFull, ttlMs, blobs: blobs.length })),
      Array.from({ length: 30 }, (_, beat) => {
        const isFull = beat === 29;
        return { atMs: beat * everyMs, isFull, ttlMs: 3 * everyMs, blobs: isFull ? 1 : 0 };
      }),
    );
  });
}

test("heartbeat: what was told lately is told twice more, in case it was lost", () => {
  const bench = new Bench(3);
  bench.state.library.set(blobOf(1).id, blobOf(1));
  bench.state.timers.set("heartbeat", 10_000);
  bench.announcer.urgent(blobOf(1).id);
  bench.runTo(80_000);
  assert.deepEqual(summary(bench), [
    [100, [1]],
    [10_000, [1]],
    [30_000, [1]],
    [50_000, []],
    [70_000, []],
  ]);
});

for (const { seeds, atMs } of [
  { seeds: 15, atMs: 100 },
  { seeds: 16, atMs: 20_000 },
]) {
  test(`a whole blob that ${seeds} others hold is told after ${atMs} ms`, () => {
    const bench = new Bench(20);
    const blob = blobOf(1);
    for (let peer = 0; peer < seeds; peer += 1) {
      const news = {
        blob: blob.id,
        sizeBytes: SHARD,
        wants: false,
        mayFetch: false,
        holds: { kind: "all" },
        rooted: [],
      };
      const record = { epoch: 1, sequence: 1, ttlMs: 1e9, isFull: true, capacityBytesPerS: 1, freeSlots: 1 };
      bench.state.catalog.heard(parseNodeId(`peer${peer}`), { ...record, blobs: [news as BlobNews] }, 0);
    }
    bench.state.library.set(blob.id, blob);
    bench.state.timers.set("heartbeat", 20_000);
    bench.announcer.whole(blob.id);
    bench.runTo(20_000);
    assert.equal(bench.told.find(({ record }) => record.blobs.length > 0)?.atMs, atMs);
  });
}

test("heartbeat: the first one too keeps to the rhythm of as many peers as came up meanwhile", () => {
  const bench = new Bench(600);
  bench.announcer.tell(parseNodeId("peer0"));
  bench.state.timers.set("heartbeat", 10_000);
  bench.runTo(130_000);
  assert.deepEqual(
    bench.told.map(({ atMs }) => atMs),
    [60_000, 120_000],
  );
});

test("heartbeat: nobody is told when there is nobody", () => {
  const bench = new Bench(0);
  bench.state.timers.set("heartbeat", 0);
  bench.runTo(60_000);
  assert.deepEqual(bench.told, []);
});

test("600 blobs go out in three records at once, each blob in one", () => {
  const bench = new Bench(2);
  const blobs = Array.from({ length: 600 }, (_, number) => blobOf(number));
  for (const blob of blobs) {
    bench.state.library.set(blob.id, blob);
    bench.announcer.urgent(blob.id);
  }
  bench.runTo(1_000);
  assert.deepEqual(
    bench.told.map(({ atMs, record }) => [atMs, record.blobs.length, record.isFull, record.sequence]),
    [
      [100, 256, false, 1],
      [100, 256, false, 2],
      [100, 88, false, 3],
    ],
  );
  const named = bench.told.flatMap(({ record }) => record.blobs.map(({ blob }) => blob));
  assert.deepEqual(new Set<BlobId>(named), new Set(blobs.map(({ id }) => id)));
});

test("the full state of 600 blobs: only the first record voids what was said before", () => {
  const bench = new Bench(2);
  for (let number = 0; number < 600; number += 1) bench.state.library.set(blobOf(number).id, blobOf(number));
  bench.state.timers.set("heartbeat", 0);
  bench.runTo(29 * 20_000);
  assert.deepEqual(
    bench.told.slice(29).map(({ record }) => [record.isFull, record.blobs.length]),
    [
      [true, 256],
      [false, 256],
      [false, 88],
    ],
  );
});

test("a private blob is told to nobody outside of a cluster; one that left the cache is told as such", () => {
  const bench = new Bench(2);
  const [secret, open] = [blobOf(1, 1, true), blobOf(2)];
  for (const blob of [secret, open]) {
    bench.state.library.set(blob.id, blob);
    bench.announcer.urgent(blob.id);
  }
  bench.runTo(100);
  for (const blob of [secret, open]) {
    bench.state.library.delete(blob.id);
    bench.announcer.urgent(blob.id);
  }
  bench.runTo(1_000);
  assert.deepEqual(summary(bench), [
    [100, [2]],
    [200, [2]],
  ]);
  const last = bench.told[1]?.record.blobs[0];
  assert.ok(last?.holds.kind === "exactly" && last.holds.shards.count === 0 && !last.wants);
});
