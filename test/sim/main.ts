/**
 * `npm run sim -- <scenario> [--nodes N] [--seed S]`: one run, its figures, and a picture in `sim-<scenario>-<N>-<S>.svg`.
 * `npm run sim -- all [--seeds K] [--sizes N,N…]`: the table; only those of a scenario's sizes that are named.
 * `npm run sim -- cost`: CPU per decision at 256 peers and 10,000 shards.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { measureCost } from "./cost.js";
import { detailsOf, type Sample, svgOf, tableOf } from "./report.js";
import type { Scenario } from "./scenario.js";
import { SCENARIOS } from "./scenarios.js";
import { simulate } from "./simulate.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    nodes: { type: "string", default: "8" },
    seed: { type: "string", default: "1" },
    seeds: { type: "string", default: "20" },
    sizes: { type: "string" },
    out: { type: "string" },
  },
});

function runOne(scenario: Scenario, nodes: number, seed: number): void {
  const { plan, outcome, figures } = simulate(scenario, nodes, seed);
  const title = `${scenario.name}: ${scenario.about} (N = ${nodes}, seed ${seed})`;
  console.log(`${title}\n\n${detailsOf(outcome, plan, figures)}\n`);
  console.log(tableOf([{ scenario, nodes, runs: [figures] }]));
  const file = values.out ?? `sim-${scenario.name}-${nodes}-${seed}.svg`;
  writeFileSync(file, svgOf(outcome, plan, title));
  console.log(`\nprogress over time: ${file}`);
}

/** One scenario and size after the other; each is told as soon as it is known. */
function runAll(scenarios: readonly Scenario[], sizes: (scenario: Scenario) => readonly number[]): void {
  const samples: Sample[] = [];
  for (const scenario of scenarios) {
    for (const nodes of sizes(scenario)) {
      const runs = Array.from(
        { length: Number(values.seeds) },
        (_, seed) => simulate(scenario, nodes, seed + 1).figures,
      );
      const sample = { scenario, nodes, runs };
      samples.push(sample);
      console.error(tableOf([sample]).split("\n").slice(2).join("\n"));
    }
  }
  console.log(tableOf(samples));
}

const [name = "all"] = positionals;
const named = SCENARIOS.find((scenario) => scenario.name === name);
const sizes = values.sizes?.split(",").map(Number);
if (name === "all") runAll(SCENARIOS, (scenario) => scenario.sizes.filter((size) => sizes?.includes(size) ?? true));
else if (name === "cost") console.log(measureCost());
else if (named !== undefined) runOne(named, Number(values.nodes), Number(values.seed));
else {
  console.error(`no scenario ${name}; there are: all, cost, ${SCENARIOS.map((scenario) => scenario.name).join(", ")}`);
  process.exitCode = 2;
}
