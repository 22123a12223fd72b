import type { Bench, Figure } from "../report.js";
import { cachedFile } from "./cached-file.js";
import { coldTogether } from "./cold-together.js";
import { crowd } from "./crowd.js";

/** `SWARM_BENCH_GATEWAY=cached|crowd|cold` runs one part alone. The Hub's face: how fast it hands out what is there, how early, to how many; and what four cold ones cost the line. */
export const gateway: Bench = {
  name: "gateway",
  about: "the gateway against nginx, its first byte, a crowd of clients, four cold nodes at once",
  async run(log) {
    const only = process.env.SWARM_BENCH_GATEWAY;
    const parts = Object.entries({ cached: cachedFile, crowd, cold: coldTogether });
    const figures: Figure[] = [];
    for (const [name, run] of parts) if (only === undefined || only === name) figures.push(...(await run(log)));
    return figures;
  },
};
