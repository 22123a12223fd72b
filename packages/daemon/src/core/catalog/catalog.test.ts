import assert from "node:assert/strict";
import { test } from "node:test";
import { parseBlobId, parseNodeId } from "@swarmd/protocol";
import { ShardSet } from "../shard-set.js";
import type { Announcement, BlobNews } from "./announcement.js";
import { Catalog, holdsShard } from "./catalog.js";

const SHARD = 100;
const BLOB = parseBlobId(`sha256:${"a".repeat(64)}`);
const OTHER = parseBlobId(`sha256:${"b".repeat(64)}`);
const PEER = parseNodeId("peer");
const LIMITS = { peers: 3, blobsPerPeer: 2, shardsPerPeer: 20 };

function setOf(size: number, ...shards: number[]): ShardSet {
  const set = new ShardSet(size);
  for (const shard of shards) set.add(shard);
  return set;
}

function news(more: Partial<BlobNews> = {}): BlobNews {
  const holds = { kind: "exactly", shards: setOf(10, 1, 2) } as const;
  return { blob: BLOB, sizeBytes: 1_000, wants: true, mayFetch: true, holds, rooted: [], ...more };
}

function record(sequence: number, blobs: readonly BlobNews[], more: Partial<Announcement> = {}): Announcement {
  return { epoch: 1, sequence, ttlMs: 1_000, isFull: false, capacityBytesPerS: 1e8, freeSlots: 4, blobs, ...more };
}

function catalogWith(...records: Announcement[]): Catalog {
  const catalog = new Catalog(SHARD, LIMITS);
  catalog.peerUp(PEER, [{ link: "lan", class: "ethernet" }], 0);
  for (const one of records) catalog.heard(PEER, one, 0);
  return catalog;
}

function holdings(catalog: Catalog): number[] {
  const part = catalog.find(BLOB)?.peers.get(PEER);
  return part === undefined ? [] : [...Array(10).keys()].filter((shard) => holdsShard(part, shard));
}

const more = (...shards: number[]) => ({ holds: { kind: "more", shards } }) as const;
const table: { id: string; records: Announcement[]; holds: number[] }[] = [
  { id: "exactly these", records: [record(1, [news()])], holds: [1, 2] },
  { id: "more are added", records: [record(1, [news()]), record(2, [news(more(5))])], holds: [1, 2, 5] },
  { id: "an older one is dropped", records: [record(2, [news()]), record(1, [news(more(5))])], holds: [1, 2] },
  { id: "the same one twice counts once", records: [record(1, [news()]), record(1, [news(more(5))])], holds: [1, 2] },
  { id: "exactly replaces", records: [record(1, [news(more(5))]), record(2, [news()])], holds: [1, 2] },
  {
    id: "a new run of the node voids the old",
    records: [record(9, [news()]), record(1, [], { epoch: 2 })],
    holds: [],
  },
  {
    id: "an old run is dropped",
    records: [record(1, [news()], { epoch: 2 }), record(9, [], { epoch: 1 })],
    holds: [1, 2],
  },
  {
    id: "full state forgets what it does not name",
    records: [record(1, [news()]), record(2, [], { isFull: true })],
    holds: [],
  },
  { id: "all", records: [record(1, [news({ holds: { kind: "all" } })])], holds: [...Array(10).keys()] },
  { id: "a set of another size is no set of this blob", records: [record(1, [news({ sizeBytes: 900 })])], holds: [] },
  { id: "a shard that does not exist as a root: dropped", records: [record(1, [news({ rooted: [10] })])], holds: [] },
  {
    id: "more blobs than allowed: the whole record is dropped",
    records: [record(1, [news(), news(), news()])],
    holds: [],
  },
];
for (const { id, records, holds } of table) {
  test(id, () => assert.deepEqual(holdings(catalogWith(...records)), holds));
}

test("dropped announcements are counted by reason", () => {
  const catalog = catalogWith(
    record(2, [news()]),
    record(1, []),
    record(3, [news({ rooted: [99] })]),
    record(4, [news(), news(), news()]),
  );
  assert.deepEqual(catalog.dropped, { stale: 1, invalid: 1, oversize: 1 });
});

test("memory is bounded: peers, blobs of a peer, shards of a peer", () => {
  const catalog = catalogWith(record(1, [news()]));
  const big = news({ blob: OTHER, sizeBytes: 1_500, holds: { kind: "exactly", shards: setOf(15) } });
  assert.deepEqual(catalog.heard(PEER, record(2, [big]), 0), [], "10 + 15 shards are more than 20");
  for (const name of ["p2", "p3", "p4"]) catalog.peerUp(parseNodeId(name), [], 0);
  assert.equal(catalog.peers.size, 3);
  assert.equal(catalog.dropped.oversize, 2);
});

test("wanters and seeds: only peers that are up and not banned", () => {
  const catalog = catalogWith(record(1, [news()]));
  const blob = catalog.expect(BLOB, 1_000);
  assert.equal(catalog.wanters(blob).length, 1);
  catalog.peerDown(PEER);
  assert.equal(catalog.wanters(blob).length, 0);
  catalog.peerUp(PEER, [], 0);
  assert.equal(catalog.wanters(blob).length, 1);
  catalog.ban(PEER, 0);
  assert.equal(catalog.wanters(blob).length, 0);
  assert.equal(blob.holders[1], 0);
});

test("a silent peer is forgotten after its TTL, and rarity with it", () => {
  const catalog = catalogWith(record(1, [news()]));
  const blob = catalog.expect(BLOB, 1_000);
  assert.equal(blob.holders[1], 1);
  catalog.expire(1_000);
  assert.equal(blob.holders[1], 1);
  catalog.expire(1_001);
  assert.equal(blob.holders[1], 0);
});

test("a peer that lies about a blob's size is corrected by our own want", () => {
  const catalog = catalogWith(record(1, [news({ sizeBytes: 700, holds: { kind: "exactly", shards: setOf(7, 1) } })]));
  assert.equal(catalog.expect(BLOB, 1_000).shards, 10);
  assert.deepEqual(holdings(catalog), []);
});

test("a node that comes back with its clock set back is believed, and what it said before is void", () => {
  const catalog = catalogWith(record(7, [news()], { epoch: 9_000 }));
  const full = record(1, [news({ holds: { kind: "exactly", shards: setOf(10, 5) } })], { epoch: 1_000, isFull: true });
  catalog.heard(PEER, full, 0);
  assert.deepEqual(holdings(catalog), [1, 2], "while it is here, its run can't be an older one");
  catalog.peerDown(PEER);
  catalog.peerUp(PEER, [], 0);
  catalog.heard(PEER, record(1, [], { epoch: 1_000 }), 0);
  assert.deepEqual(holdings(catalog), [1, 2], "a part of a run that we know nothing of");
  catalog.heard(PEER, full, 0);
  assert.deepEqual(holdings(catalog), [5]);
  catalog.heard(PEER, record(2, [news(more(6))], { epoch: 1_000 }), 0);
  assert.deepEqual(holdings(catalog), [5, 6]);
});

for (const epoch of [0, 1, Date.UTC(2096, 0, 1)]) {
  test(`clocks hours or years apart: a peer whose run began at ${epoch} counts like any other`, () => {
    const catalog = catalogWith(record(1, [news()], { epoch }), record(2, [news(more(5))], { epoch }));
    assert.deepEqual(holdings(catalog), [1, 2, 5]);
    catalog.expire(1_000);
    assert.deepEqual(holdings(catalog), [1, 2, 5], "its life is counted by our clock alone");
  });
}
