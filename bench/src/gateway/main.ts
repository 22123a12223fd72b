import type { Bench } from "../report.js";
import { cachedFile } from "./cached-file.js";
import { coldTogether } from "./cold-together.js";
import { crowd } from "./crowd.js";

/** The Hub's face: how fast it hands out what is there, how early, to how many; and what four cold ones cost the line. */
export const gateway: Bench = {
  name: "gateway",
  about: "the gateway against nginx, its first byte, a crowd of clients, four cold nodes at once",
  async run(log) {
    return [...(await cachedFile(log)), ...(await crowd(log)), ...(await coldTogether(log))];
  },
};
