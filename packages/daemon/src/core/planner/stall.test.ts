import assert from "node:assert/strict";
import { test } from "node:test";
import { stallAfterMs } from "./stall.js";

const CASES: readonly {
  readonly id: string;
  readonly p95GapMs: number;
  readonly place: number;
  readonly isFirst?: boolean;
  readonly expectedMs: number;
}[] = [
  { id: "before anything is known, a root has two seconds", p95GapMs: 0, place: 0, expectedMs: 2_000 },
  { id: "short gaps don't make impatient", p95GapMs: 100, place: 0, expectedMs: 2_000 },
  { id: "four times what is usual", p95GapMs: 1_000, place: 0, expectedMs: 4_000 },
  { id: "but never more than five seconds", p95GapMs: 60_000, place: 0, expectedMs: 5_000 },
  { id: "who follows the root has half as much again", p95GapMs: 0, place: 1, expectedMs: 3_000 },
  { id: "those further down notice one after the other", p95GapMs: 0, place: 7, expectedMs: 5_000 },
  { id: "the first relays have all the time there is", p95GapMs: 0, place: 0, isFirst: true, expectedMs: 5_000 },
  { id: "and those behind them more", p95GapMs: 0, place: 1, isFirst: true, expectedMs: 7_500 },
];

for (const { id, p95GapMs, place, isFirst = false, expectedMs } of CASES)
  test(id, () => assert.equal(stallAfterMs({ p95GapMs, place, isFirst }), expectedMs));
