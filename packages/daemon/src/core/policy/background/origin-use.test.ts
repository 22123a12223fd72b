import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { addBytes, type DayUse, emptyDay, leftBytes, onDay } from "./origin-use.js";

const USED: DayUse = { day: "2026-11-21", backgroundBytes: 30, foregroundBytes: 20 };

describe("what came from the origin in a day", () => {
  const days: readonly (readonly [id: string, day: string, kept: boolean])[] = [
    ["the same day goes on", "2026-11-21", true],
    ["the next day begins at nothing", "2026-11-22", false],
    ["a day much later, too", "2027-03-01", false],
    ["a clock that goes back over midnight gives nothing anew", "2026-11-20", true],
    ["a clock that was days ahead was wrong", "2026-11-19", false],
  ];
  for (const [id, day, kept] of days) {
    it(id, () => assert.deepEqual(onDay(USED, day), kept ? USED : emptyDay(day)));
  }

  it("goes on over a month's and a year's end", () => {
    const use = { ...USED, day: "2027-01-01" };
    assert.equal(onDay(use, "2026-12-31"), use);
  });

  it("is counted for those who wait and for the others", () => {
    assert.deepEqual(addBytes(addBytes(USED, 5, true), 7, false), {
      day: "2026-11-21",
      backgroundBytes: 35,
      foregroundBytes: 27,
    });
  });

  const left: readonly (readonly [budget: number | undefined, left: number])[] = [
    [undefined, Number.POSITIVE_INFINITY],
    [100, 50],
    [50, 0],
    [10, 0],
  ];
  for (const [budget, expected] of left) {
    it(`leaves ${expected} of ${budget}`, () => assert.equal(leftBytes(USED, budget), expected));
  }
});
