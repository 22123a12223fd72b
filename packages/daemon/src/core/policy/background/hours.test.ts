import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseDayHours } from "@swarmd/protocol";
import { isWithin } from "./hours.js";
import { makeLocalClock } from "./local-clock.js";

interface Row {
  readonly id: string;
  readonly zone: string;
  readonly hours: string;
  /** Instants, and whether they are within the hours. */
  readonly at: readonly (readonly [instant: string, isWithin: boolean])[];
}

const TABLE: readonly Row[] = [
  {
    id: "the first minute counts, the last does not",
    zone: "UTC",
    hours: "09:00-17:00",
    at: [
      ["2026-11-21T08:59:59Z", false],
      ["2026-11-21T09:00:00Z", true],
      ["2026-11-21T16:59:59Z", true],
      ["2026-11-21T17:00:00Z", false],
    ],
  },
  {
    id: "hours go over midnight",
    zone: "UTC",
    hours: "22:00-06:00",
    at: [
      ["2026-11-21T21:59:59Z", false],
      ["2026-11-21T22:00:00Z", true],
      ["2026-11-21T23:59:59Z", true],
      ["2026-11-22T00:00:00Z", true],
      ["2026-11-22T05:59:59Z", true],
      ["2026-11-22T06:00:00Z", false],
      ["2026-11-22T12:00:00Z", false],
    ],
  },
  {
    id: "hours may end with the day",
    zone: "UTC",
    hours: "18:30-24:00",
    at: [
      ["2026-11-21T18:29:00Z", false],
      ["2026-11-21T23:59:59Z", true],
      ["2026-11-22T00:00:00Z", false],
    ],
  },
  {
    id: "they are those of the place",
    zone: "Asia/Kolkata",
    hours: "22:00-06:00",
    at: [
      ["2026-11-21T16:29:59Z", false],
      ["2026-11-21T16:30:00Z", true],
      ["2026-11-22T00:29:59Z", true],
      ["2026-11-22T00:30:00Z", false],
    ],
  },
  {
    id: "the night on which clocks go forward is an hour shorter, and what begins in the missing hour begins after it",
    zone: "Europe/Berlin",
    hours: "02:30-04:00",
    at: [
      ["2026-03-29T00:59:59Z", false], // 01:59:59, winter
      ["2026-03-29T01:00:00Z", true], // 03:00:00, summer
      ["2026-03-29T01:59:59Z", true], // 03:59:59
      ["2026-03-29T02:00:00Z", false], // 04:00
    ],
  },
  {
    id: "hours that lie in the missing hour do not come that night",
    zone: "Europe/Berlin",
    hours: "02:00-03:00",
    at: [
      ["2026-03-29T00:59:59Z", false],
      ["2026-03-29T01:00:00Z", false],
      ["2026-03-30T00:00:00Z", true], // 02:00 the next night
    ],
  },
  {
    id: "the hour that comes twice counts twice",
    zone: "Europe/Berlin",
    hours: "02:00-03:00",
    at: [
      ["2026-10-24T23:59:59Z", false], // 01:59:59, summer
      ["2026-10-25T00:00:00Z", true], // 02:00, summer
      ["2026-10-25T01:30:00Z", true], // 02:30, winter
      ["2026-10-25T01:59:59Z", true],
      ["2026-10-25T02:00:00Z", false], // 03:00
    ],
  },
  {
    id: "clocks that change at midnight skip its first hour",
    zone: "America/Asuncion",
    hours: "23:00-01:00",
    at: [
      ["2022-10-02T03:59:59Z", true], // 23:59:59 on the 1st
      ["2022-10-02T04:00:00Z", false], // 01:00 on the 2nd
    ],
  },
];

describe("hours of the day", () => {
  for (const { id, zone, hours, at } of TABLE) {
    it(id, () => {
      const clock = makeLocalClock(zone);
      const parsed = parseDayHours(hours);
      for (const [instant, expected] of at) {
        assert.equal(isWithin(parsed, clock(Date.parse(instant)).minute), expected, instant);
      }
    });
  }

  it("are the whole day when there are none", () => assert.equal(isWithin(undefined, 0), true));

  it("and the hours between them share out the day", () => {
    for (let from = 0; from < 1440; from += 7) {
      for (let to = 1; to <= 1440; to += 11) {
        if (from === to % 1440) continue;
        const minutes = Array.from({ length: 1440 }, (_, minute) => minute);
        const inside = minutes.filter((minute) => isWithin({ fromMinute: from, toMinute: to }, minute));
        const length = (to - from + 1440) % 1440 || 1440;
        assert.equal(inside.length, length, `${from} to ${to}`);
        assert.ok(
          inside.includes(from) &&
            inside.includes((to + 1439) % 1440) &&
            (length === 1440 || !inside.includes(to % 1440)),
        );
      }
    }
  });
});

describe("a local day", () => {
  const rows: readonly (readonly [zone: string, instant: string, day: string, minute: number])[] = [
    ["UTC", "2026-11-21T00:00:00Z", "2026-11-21", 0],
    ["UTC", "2026-11-21T23:59:59.999Z", "2026-11-21", 1439],
    ["Pacific/Auckland", "2026-11-21T11:00:00Z", "2026-11-22", 0],
    ["America/Los_Angeles", "2026-11-21T07:59:00Z", "2026-11-20", 1439],
    ["America/Asuncion", "2022-10-02T04:00:00Z", "2022-10-02", 60],
    ["Europe/Berlin", "2026-12-31T23:00:00Z", "2027-01-01", 0],
  ];
  for (const [zone, instant, day, minute] of rows) {
    it(`${instant} in ${zone} is ${day}, minute ${minute}`, () => {
      assert.deepEqual(makeLocalClock(zone)(Date.parse(instant)), { day, minute });
    });
  }
});
