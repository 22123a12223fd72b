/** One thread of a sweep: takes a run, answers with its figures. */
import { parentPort } from "node:worker_threads";
import type { Result, RunKey } from "./results-file.js";
import { SCENARIOS } from "./scenarios.js";
import { simulate } from "./simulate.js";

parentPort?.on("message", (run: RunKey) => {
  const scenario = SCENARIOS.find(({ name }) => name === run.scenario);
  if (scenario === undefined) throw new Error(`no scenario ${run.scenario}`);
  const began = performance.now();
  const { figures } = simulate(scenario, run.nodes, run.seed);
  const result: Result = { ...run, figures, tookMs: Math.round(performance.now() - began) };
  parentPort?.postMessage(result);
});
