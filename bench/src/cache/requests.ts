/** A trace of requests to a real daemon with a small cache: what each of them spent its time on. */
import {
  environmentFor,
  jsonLines,
  makeFolders,
  runSwarm,
  startDaemon,
  stopDaemon,
} from "@swarmd/test/support/binaries";
import { syntheticContent } from "@swarmd/test/support/hub/content";
import { EmbeddedHub } from "@swarmd/test/support/hub/hub";
import { type Bar, drawStackedBars } from "./charts.js";
import { TRACES } from "./traces.js";

const MODELS = 8;
const SLOTS = 4;
const MODEL_BYTES = 8_000_000;
const REQUESTS = 24;
const PHASES = ["decide", "fetch", "link"] as const;

/** @returns SVG by file name */
export async function chartRequests(log: (line: string) => void): Promise<Readonly<Record<string, string>>> {
  const [zipf] = TRACES;
  const trace = zipf?.make({ seed: 3, requests: REQUESTS, models: MODELS }) ?? [];
  const repos = Array.from({ length: MODELS }, (_, model) => ({
    name: `bench/model-${model}`,
    files: { "config.json": "{}", "model.safetensors": syntheticContent({ seed: model, sizeBytes: MODEL_BYTES }) },
  }));
  const hub = await EmbeddedHub.start({ repos });
  await hub.prepare();
  const folders = await makeFolders();
  const env = environmentFor(folders, hub.url);
  const bars: Bar[] = [];
  try {
    const size = String(MODEL_BYTES * (SLOTS + 0.5));
    const daemon = await startDaemon(["--no-peer", "--cache-max-size", size], env);
    for (const { model } of trace) {
      const run = await runSwarm(["pull", `bench/model-${model}`, "--json"], env);
      const phases = jsonLines(run.stdout).at(-1)?.phasesMs as Record<(typeof PHASES)[number], number> | undefined;
      if (run.exitCode !== 0 || phases === undefined) throw new Error(run.stderr);
      bars.push({ name: String(model), parts: PHASES.map((phase) => phases[phase]) });
    }
    await stopDaemon(daemon);
  } finally {
    await hub.stop();
    await folders.remove();
  }
  log(`\n${REQUESTS} requests to a daemon with room for ${SLOTS} of ${MODELS} models`);
  const chart = {
    title: `what each request spent its time on (room for ${SLOTS} of ${MODELS} models)`,
    xLabel: "requests in their order, by model",
    yLabel: "ms",
  };
  return { "requests.svg": drawStackedBars(chart, PHASES, bars) };
}
