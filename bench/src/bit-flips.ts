import { runBitFlips } from "@swarmd/test/support/bit-flips";
import type { Bench } from "./report.js";

const TRIALS = 10_000;
const SEED = 1;

/** Ten thousand seeded trials; what each does stands where they are run. */
export const bitFlips: Bench = {
  name: "bit-flips",
  about: "a single wrong bit, anywhere in a shard, from any of 8 peers, over the writers of both lanes",
  async run(print) {
    const { trials, found, controls, controlsCounted, missed } = await runBitFlips({ trials: TRIALS, seed: SEED });
    for (const one of missed.slice(0, 20)) print(`missed: ${one}`);
    return [
      {
        what: `wrong bits found before the shard counted (seed ${SEED})`,
        measured: `${found} of ${trials}`,
        target: `${trials}`,
        reached: found === trials,
      },
      {
        what: "right shards that counted",
        measured: `${controlsCounted} of ${controls}`,
        target: `${controls}`,
        reached: controlsCounted === controls,
      },
    ];
  },
};
