/** Many runs in as many threads as wanted. Each run depends on its scenario, size and seed alone, so their order does not matter. */
import { Worker } from "node:worker_threads";
import type { Sample } from "./report.js";
import type { Result, ResultsFile, RunKey } from "./results-file.js";
import type { Scenario } from "./scenario.js";

/** A run with a thousand nodes needs 3 GB; the young generation is large, as little of what a run makes lives long. */
const MEMORY = { maxOldGenerationSizeMb: 8_192, maxYoungGenerationSizeMb: 192 };

export interface SweepOptions {
  /** Seeds 1 … n. */
  readonly seeds: number;
  readonly jobs: number;
  /** Only those of a scenario's sizes; undefined for all. */
  readonly sizes: readonly number[] | undefined;
  /** Told of each run that is finished. */
  readonly onResult: (result: Result, left: number) => void;
}

/** @returns one sample per scenario and size, from the results file where they are there already. */
export async function sweep(
  scenarios: readonly Scenario[],
  results: ResultsFile,
  options: SweepOptions,
): Promise<Sample[]> {
  const cells = scenarios.flatMap((scenario) =>
    scenario.sizes
      .filter((nodes) => options.sizes?.includes(nodes) ?? true)
      .map((nodes) => ({ scenario, nodes, runs: runsOf(scenario, nodes, options.seeds) })),
  );
  // Small ones first: an interrupted sweep then leaves the most behind.
  const todo = cells
    .flatMap(({ runs }) => runs)
    .filter((run) => results.find(run) === undefined)
    .sort((a, b) => a.nodes - b.nodes || a.seed - b.seed);
  await runAll(todo, results, options);
  return cells.map(({ scenario, nodes, runs }) => ({
    scenario,
    nodes,
    runs: runs.flatMap((run) => results.find(run)?.figures ?? []),
  }));
}

function runsOf(scenario: Scenario, nodes: number, seeds: number): RunKey[] {
  return Array.from({ length: seeds }, (_, index) => ({ scenario: scenario.name, nodes, seed: index + 1 }));
}

/** Hands out the runs until none is left. @throws whatever a run throws, once the others have been stopped. */
async function runAll(todo: readonly RunKey[], results: ResultsFile, options: SweepOptions): Promise<void> {
  let next = 0;
  let left = todo.length;
  const workers = Array.from(
    { length: Math.min(options.jobs, todo.length) },
    () => new Worker(new URL("./sweep-worker.js", import.meta.url), { resourceLimits: MEMORY }),
  );
  const work = (worker: Worker) =>
    new Promise<void>((resolve, reject) => {
      const feed = () => {
        const run = todo[next++];
        if (run === undefined) resolve();
        else worker.postMessage(run);
      };
      worker.on("error", reject);
      worker.on("message", (result: Result) => {
        results.add(result);
        left -= 1;
        options.onResult(result, left);
        feed();
      });
      feed();
    });
  try {
    await Promise.all(workers.map(work));
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
