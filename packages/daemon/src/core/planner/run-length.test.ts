import assert from "node:assert/strict";
import { test } from "node:test";
import { runLength } from "./run-length.js";

const table = [
  { id: "much left: the longest run", absent: 1_000, workers: 10, run: 4 },
  { id: "half as much: shorter runs", absent: 40, workers: 10, run: 2 },
  { id: "fewer shards than twice the workers: one by one", absent: 19, workers: 10, run: 1 },
  { id: "nothing left is still at least one", absent: 0, workers: 10, run: 1 },
  { id: "one worker takes long runs until the end", absent: 8, workers: 1, run: 4 },
  { id: "no workers count as one", absent: 2, workers: 0, run: 1 },
];

for (const { id, absent, workers, run } of table) {
  test(id, () => assert.equal(runLength(absent, workers), run));
}
