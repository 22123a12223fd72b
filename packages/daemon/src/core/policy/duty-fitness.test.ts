import assert from "node:assert/strict";
import { test } from "node:test";
import { DutyFitness } from "./duty-fitness.js";

test("who steps down is fit again after a minute, the next time after two, and at most after sixteen", () => {
  const fitness = new DutyFitness();
  assert.ok(fitness.isFit(0));
  let nowMs = 0;
  for (const minutes of [1, 2, 4, 8, 16, 16]) {
    assert.equal(fitness.stepDown(nowMs), true);
    assert.equal(fitness.isFit(nowMs + minutes * 60_000 - 1), false);
    nowMs += minutes * 60_000;
    assert.equal(fitness.isFit(nowMs), true);
  }
});

test("stepping down twice is stepping down once", () => {
  const fitness = new DutyFitness();
  fitness.stepDown(0);
  assert.equal(fitness.stepDown(30_000), false);
  assert.equal(fitness.pauses, 1);
  assert.ok(fitness.isFit(60_000));
});
