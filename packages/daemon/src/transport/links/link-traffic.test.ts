import assert from "node:assert/strict";
import { test } from "node:test";
import { parseNodeId } from "@swarmd/protocol";
import { LinkTraffic } from "./link-traffic.js";

const PEER = parseNodeId("peer");

function trafficOf(...spans: readonly (readonly [startedMs: number, endedMs: number, bytes: number])[]): LinkTraffic {
  const traffic = new LinkTraffic();
  for (const [startedMs, endedMs, bytes] of spans) traffic.note({ peer: PEER, link: "a", bytes, startedMs, endedMs });
  return traffic;
}

const table = [
  { id: "one fetch", spans: [[0, 1_000, 500]], rate: 500 },
  {
    id: "fetches beside each other share their time",
    spans: [
      [0, 1_000, 500],
      [0, 1_000, 700],
    ],
    rate: 1_200,
  },
  {
    id: "pauses do not count",
    spans: [
      [0, 1_000, 500],
      [9_000, 10_000, 500],
    ],
    rate: 500,
  },
  {
    id: "a short one inside a long one that ends later",
    spans: [
      [400, 600, 100],
      [0, 1_000, 900],
    ],
    rate: 1_000,
  },
] as const;

for (const { id, spans, rate } of table) {
  test(`rate of a link: ${id}`, () => assert.equal(trafficOf(...spans).rate(PEER, "a"), rate));
}

test("a rate forgets what is long gone, the sum does not", () => {
  const traffic = trafficOf([0, 100_000, 1]);
  for (let i = 0; i < 64; i += 1) {
    traffic.note({ peer: PEER, link: "a", bytes: 1_000, startedMs: 200_000 + i * 10, endedMs: 200_010 + i * 10 });
  }
  assert.equal(traffic.rate(PEER, "a"), 100_000);
  assert.equal(traffic.receivedBytes(PEER, "a"), 64_001);
});

test("links are counted apart, and together for the peer", () => {
  const traffic = trafficOf([0, 10, 5]);
  traffic.note({ peer: PEER, link: "b", bytes: 7, startedMs: 0, endedMs: 10 });
  assert.deepEqual([traffic.receivedBytes(PEER, "a"), traffic.receivedBytes(PEER, "b")], [5, 7]);
  assert.deepEqual([traffic.receivedBytesFrom(PEER), traffic.lastLink(PEER)], [12, "b"]);
  assert.equal(traffic.rate(PEER, "c"), undefined);
});
