import { runBitFlips } from "@swarmd/test/support/bit-flips";
import type { Bench, Figure } from "./report.js";
import { xet } from "./xet.js";

const TRIALS = 10_000;
const SEED = 1;
const KIB = 1024;
/** The largest chunk: nothing smaller can be proven. */
const LIAR_BYTES_MAX = 128 * KIB;
/** The largest piece that comes at once in the trials. */
const PIECE_BYTES = 40_000;

async function wrongBits(log: (line: string) => void): Promise<readonly Figure[]> {
  const outcome = await runBitFlips({ trials: TRIALS, seed: SEED });
  const { trials, found, controls, controlsCounted, wrongBytesAccepted, unprovenBytesTaken, missed } = outcome;
  for (const one of missed.slice(0, 20)) log(`missed: ${one}`);
  return [
    {
      what: `a single wrong bit in any shard from any of 8 peers: found before the shard counts (seed ${SEED})`,
      measured: `${found} of ${trials}`,
      target: `${trials}`,
      reached: found === trials,
    },
    {
      what: "right shards that counted all the same",
      measured: `${controlsCounted} of ${controls}`,
      target: `${controls}`,
      reached: controlsCounted === controls,
    },
    {
      what: "with a proof: bytes of a liar let into the file, from its first wrong bit on",
      measured: `${Math.max(0, wrongBytesAccepted)} B`,
      target: "≤ 128 KiB",
      reached: wrongBytesAccepted <= LIAR_BYTES_MAX,
    },
    {
      what: `with a proof: bytes of a liar held in memory and not proven, most (stream lane, up to ${PIECE_BYTES / 1000} KB at once)`,
      measured: `${(unprovenBytesTaken / KIB).toFixed(0)} KiB`,
      target: "≤ 128 KiB and what comes at once",
      reached: unprovenBytesTaken <= LIAR_BYTES_MAX + PIECE_BYTES,
    },
  ];
}

/** What the promises about bytes come to: wrong bits are found, and finding them is cheap. */
export const trust: Bench = {
  name: "trust",
  about: `${TRIALS} wrong bits, each the way of a real shard; the hash tree of a finished file, and the proofs of its shards`,
  async run(log) {
    return [...(await wrongBits(log)), ...(await xet.run(log))];
  },
};
