import assert from "node:assert/strict";
import { test } from "node:test";
import { lateness, type Moment } from "./lateness.js";

const NEVER = Number.POSITIVE_INFINITY;
const CASES: readonly { readonly id: string; readonly moment: Moment; readonly expectedMs: number }[] = [
  { id: "nothing was due yet", moment: { nowMs: 900, beforeMs: 0, dueMs: 1_000 }, expectedMs: 0 },
  {
    id: "a node with nothing to do may rest for long",
    moment: { nowMs: 90_000, beforeMs: 0, dueMs: NEVER },
    expectedMs: 0,
  },
  { id: "a timer is always a little late", moment: { nowMs: 1_050, beforeMs: 0, dueMs: 1_000 }, expectedMs: 0 },
  {
    id: "a timer three seconds late: away since it was due",
    moment: { nowMs: 4_000, beforeMs: 0, dueMs: 1_000 },
    expectedMs: 3_000,
  },
  {
    id: "what was dealt with meanwhile shows that we were there then",
    moment: { nowMs: 4_000, beforeMs: 3_500, dueMs: 1_000 },
    expectedMs: 500,
  },
  { id: "the same pause is counted once", moment: { nowMs: 4_000, beforeMs: 4_000, dueMs: 1_000 }, expectedMs: 0 },
  { id: "a clock that goes back says nothing", moment: { nowMs: 100, beforeMs: 4_000, dueMs: 1_000 }, expectedMs: 0 },
];

for (const { id, moment, expectedMs } of CASES) test(id, () => assert.equal(lateness(moment), expectedMs));
