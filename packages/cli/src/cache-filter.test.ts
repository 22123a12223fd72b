import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SwarmError } from "@swarmd/protocol";
import { type Listed, parseFilter, parseLimit, parseSort } from "./cache-filter.js";

const DAY_MS = 86_400_000;
const NOW_MS = 1_000 * DAY_MS;

function row(repo: string, more: Partial<Listed> = {}): Listed {
  return { repo, bytes: 1, accessedMs: NOW_MS, modifiedMs: NOW_MS, refs: [], isPinned: false, ...more };
}

const ROWS = [
  row("org/big", { bytes: 2_000_000_000, accessedMs: NOW_MS - 10 * DAY_MS, refs: ["main"] }),
  row("org/small", { bytes: 1_000, modifiedMs: NOW_MS - 40 * DAY_MS, isPinned: true }),
  row("datasets/org/data", { bytes: 1_000_000_000 }),
];

const filters: readonly (readonly [filter: string, shown: string])[] = [
  ["size>1GB", "org/big"],
  ["size>=1GB", "org/big datasets/org/data"],
  ["size<=1kB", "org/small"],
  ["accessed>7d", "org/big"],
  ["accessed < 7d", "org/small datasets/org/data"],
  ["modified>30d", "org/small"],
  ["type=dataset", "datasets/org/data"],
  ["type!=datasets", "org/big org/small"],
  ["refs=main", "org/big"],
  ["pinned=yes", "org/small"],
  ["name=org/small", "org/small"],
];

describe("parseFilter", () => {
  for (const [filter, shown] of filters) {
    it(filter, () => {
      const matches = parseFilter(filter);
      assert.equal(
        ROWS.filter((one) => matches(one, NOW_MS))
          .map(({ repo }) => repo)
          .join(" "),
        shown,
      );
    });
  }
  for (const bad of ["sise>1GB", "size>", "size", "size>1XB", "accessed>soon", "name>a", ""]) {
    it(`refuses ${JSON.stringify(bad)}`, () => assert.throws(() => parseFilter(bad), isUsage));
  }
});

const sorts: readonly (readonly [sort: string, order: string])[] = [
  ["name", "datasets/org/data org/big org/small"],
  ["name:desc", "org/small org/big datasets/org/data"],
  ["size", "org/big datasets/org/data org/small"],
  ["size:asc", "org/small datasets/org/data org/big"],
  ["accessed:asc", "org/big datasets/org/data org/small"],
  ["modified:asc", "org/small datasets/org/data org/big"],
];

describe("parseSort", () => {
  for (const [sort, order] of sorts) {
    it(sort, () => {
      const sorted = [...ROWS].sort(parseSort(sort));
      assert.equal(sorted.map(({ repo }) => repo).join(" "), order);
    });
  }
  for (const bad of ["siz", "size:up", ""]) {
    it(`refuses ${JSON.stringify(bad)}`, () => assert.throws(() => parseSort(bad), isUsage));
  }
});

describe("parseLimit", () => {
  it("is a whole number", () => assert.equal(parseLimit("3"), 3));
  for (const bad of ["0", "-1", "x", "1.5"]) it(`refuses ${bad}`, () => assert.throws(() => parseLimit(bad), isUsage));
});

function isUsage(error: unknown): boolean {
  return error instanceof SwarmError && error.code === "USAGE";
}
