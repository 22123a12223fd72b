import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { IntervalSet } from "./intervals.js";

describe("IntervalSet", () => {
  it("counts like a set of single bytes", () => {
    const range = fc.tuple(fc.nat(60), fc.nat(20)).map(([start, length]) => [start, start + length] as const);
    fc.assert(
      fc.property(fc.array(range, { maxLength: 30 }), (ranges) => {
        const set = new IntervalSet();
        const bytes = new Set<number>();
        for (const [start, end] of ranges) {
          let twice = 0;
          for (let byte = start; byte < end; byte++) {
            if (bytes.has(byte)) twice += 1;
            bytes.add(byte);
          }
          assert.equal(set.add(start, end), twice);
          assert.equal(set.coveredBytes, bytes.size);
        }
      }),
    );
  });
});
