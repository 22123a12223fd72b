import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runSafety, type SafetyResult } from "./cache-world.js";

/** The bench runs a thousand: `npm run bench -- cache`. */
const SEEDS = 60;
/** In these, two plans of one node for the same model once crossed, and the earlier took the later one's word for its own. */
const KNOWN = [228, 236, 324, 553, 581];

describe("eight caches with late and lost messages", () => {
  it("never lose a last copy while another node has room for it", () => {
    const total: SafetyResult[] = [];
    for (const seed of [...Array.from({ length: SEEDS }, (_, at) => at + 1), ...KNOWN]) {
      const result = runSafety({ seed, nodes: 8, operations: 300 });
      assert.equal(result.lostWithRoom, 0, `seed ${seed}`);
      total.push(result);
    }
    const sum = (of: (one: SafetyResult) => number) => total.reduce((all, one) => all + of(one), 0);
    // Else nothing was put to the test.
    assert.ok(sum(({ drops }) => drops) > 1_000);
    assert.ok(sum(({ contested }) => contested) > 50);
    assert.ok(sum(({ lostWithoutRoom }) => lostWithoutRoom) > 0);
  });
});
