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
  assert.ok(fitness.isFit(60_000));
});

test("whoever stepped down says to have little, and full capacity again afterwards", () => {
  const fitness = new DutyFitness();
  assert.equal(fitness.capacity(1_600, 0), 1_600);
  fitness.stepDown(0);
  assert.equal(fitness.capacity(1_600, 59_999), 100);
  assert.equal(fitness.capacity(1_600, 60_000), 1_600);
});

test("each change is another version", () => {
  const fitness = new DutyFitness();
  const versions = [fitness.version(0)];
  for (const nowMs of [0, 60_000]) {
    fitness.stepDown(nowMs);
    versions.push(fitness.version(nowMs), fitness.version(nowMs + 120_000));
  }
  assert.deepEqual(versions, [0, 1, 2, 3, 4]);
});
