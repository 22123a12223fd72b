import assert from "node:assert/strict";
import { it } from "node:test";
import { runBitFlips } from "../support/bit-flips.js";

/** `npm run bench -- bit-flips` does ten thousand. */
const TRIALS = 200;

it("a single wrong bit in a shard from a peer never counts, and a right shard always does", async () => {
  const { found, controls, controlsCounted, wrongBytesAccepted, unprovenBytesTaken, missed } = await runBitFlips({
    trials: TRIALS,
    seed: 20_261,
  });
  assert.deepEqual(missed, []);
  assert.equal(found, TRIALS);
  assert.equal(controlsCounted, controls);
  assert.ok(wrongBytesAccepted <= 0, `${wrongBytesAccepted} bytes of a liar were let into the file`);
  assert.ok(unprovenBytesTaken <= 131_072 + 40_000, `${unprovenBytesTaken} bytes were taken in unproven`);
});
