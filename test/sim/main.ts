/** `npm run sim`: runs of the swarm's rules in virtual time, and what they come to. */
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

const USAGE = `usage: npm run sim -- SCENARIO [--nodes N] [--seed S] [--out FILE]
       npm run sim -- table [--seeds K] [--sizes N,N…] [--only SCENARIO,…] [--jobs J] [--results FILE] [--out FILE]
       npm run sim -- cost

  SCENARIO  one run, its figures, and a picture in sim-SCENARIO-N-S.svg
  table     all scenarios and sizes, or those that are named; finished runs are kept in --results, interrupted it goes on from there
  cost      CPU per decision at 256 peers and 10,000 shards

scenarios: ${SCENARIOS.map(({ name }) => name).join(", ")}`;

/** What was asked for can't be done. */
class UsageError extends Error {}

function readArgs() {
  try {
    return parseArgs({
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
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message.split(".")[0]);
  }
}

/** @throws UsageError when it is not a whole number from `least` on. */
function countOf(option: string, text: string, least = 1): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < least) {
    throw new UsageError(`--${option} takes a whole number from ${least} on, not "${text}"`);
  }
  return count;
}

/** @throws UsageError when there is no such scenario. */
function scenarioOf(name: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario.name === name);
  if (found === undefined) throw new UsageError(`no scenario "${name}"`);
  return found;
}

function runOne(scenario: Scenario, nodes: number, seed: number, out: string | undefined): void {
  const { plan, outcome, figures } = simulate(scenario, nodes, seed);
  const title = `${scenario.name}: ${scenario.about} (N = ${nodes}, seed ${seed})`;
  console.log(`${title}\n\n${detailsOf(outcome, plan, figures)}\n`);
  console.log(tableOf([{ scenario, nodes, runs: [figures] }]));
  const file = out ?? `sim-${scenario.name}-${nodes}-${seed}.svg`;
  writeFileSync(file, svgOf(outcome, plan, title));
  console.log(`\nprogress over time: ${file}`);
}

/** The table of these scenarios; every run is told as soon as it is known, and kept in a file. */
async function runTable(values: ReturnType<typeof readArgs>["values"]): Promise<void> {
  const scenarios = values.only?.split(",").map(scenarioOf) ?? SCENARIOS;
  const options = {
    seeds: countOf("seeds", values.seeds),
    jobs: countOf("jobs", values.jobs),
    sizes: values.sizes?.split(",").map((size) => countOf("sizes", size, 2)),
  };
  const results = new ResultsFile(values.results);
  if (results.others > 0)
    console.error(`${results.others} results in ${values.results} are of other code, and left out`);
  const samples = await sweep(scenarios, results, {
    ...options,
    onResult: ({ scenario, nodes, seed, tookMs }, left) =>
      console.error(`${scenario}, N = ${nodes}, seed ${seed}: ${(tookMs / 1_000).toFixed(1)} s; ${left} to go`),
  });
  const table = tableOf(samples);
  if (values.out !== undefined) writeFileSync(values.out, `${table}\n`);
  console.log(table);
}

async function run(): Promise<void> {
  const { values, positionals } = readArgs();
  const [name = "table", ...rest] = positionals;
  if (rest.length > 0) throw new UsageError(`one thing at a time: ${positionals.join(", ")}`);
  if (values.help || name === "help") console.log(USAGE);
  else if (name === "table") await runTable(values);
  else if (name === "cost") console.log(measureCost());
  else runOne(scenarioOf(name), countOf("nodes", values.nodes, 2), countOf("seed", values.seed, 0), values.out);
}

try {
  await run();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
