import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatDayHours, parseDayHours } from "./day-hours.js";
import { SwarmError } from "./errors.js";

describe("hours of the day", () => {
  const right: readonly (readonly [text: string, shown: string])[] = [
    ["22:00-06:00", "22:00-06:00"],
    ["9-17", "09:00-17:00"],
    [" 1:30 - 5:05 ", "01:30-05:05"],
    ["18:30-24:00", "18:30-24:00"],
    ["18:30-0:00", "18:30-24:00"],
    ["0-24", "00:00-24:00"],
    ["22:00–06:00", "22:00-06:00"],
  ];
  for (const [text, shown] of right) {
    it(`${JSON.stringify(text)} is ${shown}`, () => assert.equal(formatDayHours(parseDayHours(text)), shown));
  }

  const wrong = [
    "",
    "-",
    "22:00",
    "22:00-",
    "-06:00",
    "22:00-06:00-07:00",
    "25:00-06:00",
    "22:60-06:00",
    "24:00-06:00",
    "24:01-1",
    "10pm-6am",
    "22:00-22:00",
    "0-0",
    "00:00-0",
    "22:0-6:00",
    "1e1-2",
    "-1-5",
  ];
  for (const text of wrong) {
    it(`${JSON.stringify(text)} is refused, and the hint says how to write it`, () => {
      assert.throws(
        () => parseDayHours(text),
        (error) => error instanceof SwarmError && error.code === "USAGE" && error.hint !== undefined,
      );
    });
  }
});
