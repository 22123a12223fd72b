/**
 * `npm run bench [-- NAME …]`: measures, compares, and says whether the figure is reached. Exit code 1 if one is not.
 * `npm run bench -- lan …` is apart: it takes root, and has options of its own. So is `-- cache`.
 */
import { cpus, totalmem } from "node:os";

import { cacheFigures } from "./cache/main.js";
import { coldPull } from "./cold-pull.js";
import { directLane } from "./direct-lane.js";
import { gateway } from "./gateway/main.js";
import { idlePeers } from "./idle-peers.js";
import { lanFigures } from "./lan/main.js";
import { presentPull } from "./present-pull.js";
import { pullMemory } from "./pull-memory.js";
import { relayLag } from "./relay-lag.js";
import { type Figure, renderTable } from "./report.js";
import { requestLatency } from "./request-latency.js";
import { trust } from "./trust.js";

const BENCHES = [coldPull, requestLatency, pullMemory, presentPull, directLane, relayLag, idlePeers, trust, gateway];

async function main(names: readonly string[]): Promise<void> {
  const unknown = names.filter((name) => !BENCHES.some((bench) => bench.name === name));
  if (unknown.length > 0) {
    console.error(
      `no such benchmark: ${unknown.join(", ")}. There are: ${BENCHES.map(({ name }) => name).join(", ")}, lan, cache`,
    );
    process.exitCode = 2;
    return;
  }
  const figures: Figure[] = [];
  console.log(`Node ${process.version}, ${cpus().length} cores, ${(totalmem() / 2 ** 30).toFixed(0)} GiB\n`);
  for (const bench of BENCHES.filter(({ name }) => names.length === 0 || names.includes(name))) {
    console.log(`${bench.name}: ${bench.about}`);
    figures.push(...(await bench.run(console.log)));
  }
  console.log(`\n${renderTable(figures)}`);
  if (figures.some(({ reached }) => !reached)) process.exitCode = 1;
}

const [first, ...others] = process.argv.slice(2);
if (first === "lan") process.exitCode = await lanFigures(others);
else if (first === "cache") process.exitCode = await cacheFigures(others);
else await main(process.argv.slice(2));
