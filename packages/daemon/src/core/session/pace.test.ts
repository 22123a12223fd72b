import assert from "node:assert/strict";
import { test } from "node:test";
import { Pace } from "./pace.js";

test("the rate is that of the last one to two spans, not of the whole attempt", () => {
  const pace = new Pace(0, 0);
  pace.mark(1_000, 10_000, 1_000);
  assert.equal(pace.rate(1_000, 10_000), 10);
  for (const atMs of [2_000, 3_000]) pace.mark(atMs, 10_000 + atMs - 1_000, 1_000);
  assert.equal(pace.rate(3_000, 12_000), 1);
});

test("marks that come more often than the span change nothing", () => {
  const pace = new Pace(0, 0);
  for (let atMs = 0; atMs < 1_000; atMs += 100) pace.mark(atMs, 0, 1_000);
  assert.equal(pace.rate(999, 999), 1);
});

test("a new source is judged from its beginning", () => {
  const pace = new Pace(0, 0);
  pace.mark(5_000, 5, 1_000);
  pace.restart(6_000, 10);
  assert.equal(pace.sinceMs, 6_000);
  assert.equal(pace.rate(6_100, 1_010), 10);
});

test("what was there when it began says nothing of the source's own pace", () => {
  const pace = new Pace(0, 0);
  pace.mark(1_000, 50_000, 1_000);
  assert.equal(pace.settledRate(1_000, 50_000), undefined);
  pace.mark(2_000, 60_000, 1_000);
  assert.equal(pace.settledRate(2_999, 60_999), undefined);
  assert.equal(pace.settledRate(4_000, 62_000), 1);
  pace.restart(4_000, 62_000);
  assert.equal(pace.settledRate(9_000, 99_000), undefined);
});
