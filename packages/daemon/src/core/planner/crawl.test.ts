import assert from "node:assert/strict";
import { test } from "node:test";
import { crawls, type Rates } from "./crawl.js";

const CASES: readonly { readonly id: string; readonly rates: Rates; readonly expected: boolean }[] = [
  {
    id: "a tenth of what other roots bring crawls, whatever was usual",
    rates: { rate: 10, otherRates: [100, 100, 100, 100], usualRate: 10 },
    expected: true,
  },
  {
    id: "as slow as all others, though slower than before: the origin they share is slow",
    rates: { rate: 10, otherRates: [10, 11, 12, 13], usualRate: 100 },
    expected: false,
  },
  {
    id: "all that is left hangs on one root: only the past can tell",
    rates: { rate: 10, otherRates: [], usualRate: 100 },
    expected: true,
  },
  {
    id: "three others are too few to judge by",
    rates: { rate: 10, otherRates: [100, 100, 100], usualRate: 20 },
    expected: false,
  },
  {
    id: "one slow among the others does not hide it: the median counts",
    rates: { rate: 10, otherRates: [1, 100, 100, 100, 100], usualRate: 0 },
    expected: true,
  },
  { id: "nothing is known", rates: { rate: 0, otherRates: [], usualRate: 0 }, expected: false },
];

for (const { id, rates, expected } of CASES) test(id, () => assert.equal(crawls(rates), expected));
