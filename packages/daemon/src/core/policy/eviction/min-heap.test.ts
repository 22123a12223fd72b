import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MinHeap } from "./min-heap.js";

test("a heap gives back in order whatever it was built from and was given later", () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), fc.array(fc.integer()), (first, later) => {
      const heap = new MinHeap([...first], (a, b) => a - b);
      for (const one of later) heap.push(one);
      const out: number[] = [];
      while (heap.size > 0) out.push(heap.pop() as number);
      assert.deepEqual(
        out,
        [...first, ...later].sort((a, b) => a - b),
      );
      assert.equal(heap.pop(), undefined);
    }),
    { seed: 7, numRuns: 200 },
  );
});
