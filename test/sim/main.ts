/**
 * `npm run sim -- <scenario> [--nodes N] [--seed S]`: one run, its figures, and a picture in `sim-<scenario>-<N>-<S>.svg`.
 * `npm run sim -- table [--seeds K] [--sizes N,N…] [--only scenario,…] [--jobs J] [--results FILE] [--out FILE]`: the table, of all
 * scenarios and sizes or of those that are named. Finished runs are kept in FILE: interrupted, it goes on from there.
 * `npm run sim -- cost`: CPU per decision at 256 peers and 10,000 shards.
 */
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { measureCost } from "./cost.js";
import { detailsOf, svgOf, tableOf } from "./report.js";
import { ResultsFile } from "./results-file.js";
import type { Scenario } from "./scenario.js";
import { SCENARIOS } from "./scenarios.js";
import { simulate } from "./simulate.js";
import { sweep } from "./sweep.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    nodes: { type: "string", default: "8" },
    seed: { type: "string", default: "1" },
    seeds: { type: "string", default: "20" },
    sizes: { type: "string" },
    only: { type: "string" },
    jobs: { type: "string", default: String(availableParallelism()) },
    results: { type: "string", default: "sim-results.jsonl" },
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

/** The table of these scenarios; every run is told as soon as it is known, and kept in a file. */
async function runTable(scenarios: readonly Scenario[]): Promise<void> {
  const results = new ResultsFile(values.results);
  if (results.others > 0)
    console.error(`${results.others} results in ${values.results} are of other code, and left out`);
  const samples = await sweep(scenarios, results, {
    seeds: Number(values.seeds),
    jobs: Number(values.jobs),
    sizes: values.sizes?.split(",").map(Number),
    onResult: ({ scenario, nodes, seed, tookMs }, left) =>
      console.error(`${scenario}, N = ${nodes}, seed ${seed}: ${(tookMs / 1_000).toFixed(1)} s; ${left} to go`),
  });
  const table = tableOf(samples);
  if (values.out !== undefined) writeFileSync(values.out, `${table}\n`);
  console.log(table);
}

const [name = "all"] = positionals;
const named = SCENARIOS.find((scenario) => scenario.name === name);
if (name === "all" || name === "table") {
  const only = values.only?.split(",");
  await runTable(SCENARIOS.filter((scenario) => only?.includes(scenario.name) ?? true));
} else if (name === "cost") console.log(measureCost());
else if (named !== undefined) runOne(named, Number(values.nodes), Number(values.seed));
else {
  console.error(
    `no scenario ${name}; there are: table, cost, ${SCENARIOS.map((scenario) => scenario.name).join(", ")}`,
  );
  process.exitCode = 2;
}
