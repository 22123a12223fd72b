import { rm } from "node:fs/promises";
import { environmentFor, jsonLines, makeFolders, runSwarm } from "@swarmd/test/support/binaries";
import { syntheticContent } from "@swarmd/test/support/hub/content";
import { EmbeddedHub } from "@swarmd/test/support/hub/hub";
import { type Bench, median } from "./report.js";

const SIZE_BYTES = 2_700_000_000;
const LATENCY_MS = 150;
/** A line of 2.4 Gbit/s, so that the disk of the machine is not what is measured. */
const UPLINK_BYTES_PER_SECOND = 300_000_000;
const ROUNDS = 3;
const REPO = "bench/latency";

/** What latency costs: the same pull from the same throttled origin, with and without 150 ms before each answer. */
export const requestLatency: Bench = {
  name: "request-latency",
  about: "2.7 GB with 150 ms before each answer, 16 workers, against the same without",
  async run(log) {
    const content = syntheticContent({ seed: 2, sizeBytes: SIZE_BYTES });
    const hub = await EmbeddedHub.start({
      repos: [{ name: REPO, files: { "model.safetensors": content } }],
      uplinkBytesPerSecond: UPLINK_BYTES_PER_SECOND,
    });
    await hub.prepare();
    const folders = await makeFolders();
    const env = environmentFor(folders, hub.url);
    const pull = async (latencyMs: number): Promise<number> => {
      hub.configure({ latencyMs });
      const run = await runSwarm(["pull", REPO, "--json", "--workers", "16"], env);
      if (run.exitCode !== 0) throw new Error(run.stderr);
      await rm(folders.cacheDir, { recursive: true });
      await rm(folders.stateDir, { recursive: true });
      return jsonLines(run.stdout).at(-1)?.elapsedMs as number;
    };
    const costs: number[] = [];
    try {
      for (let round = 0; round < ROUNDS; round += 1) {
        const fastMs = await pull(0);
        const slowMs = await pull(LATENCY_MS);
        log(`  round ${round}: without latency ${fastMs} ms, with ${slowMs} ms`);
        costs.push(slowMs - fastMs);
      }
    } finally {
      await hub.stop();
      await folders.remove();
    }
    const costMs = median(costs);
    return [
      {
        what: "2.7 GB, 150 ms a request, 16 workers: time lost waiting",
        measured: `${(costMs / 1000).toFixed(2)} s`,
        against: "the same pull without latency",
        target: "≤ 3 s",
        reached: costMs <= 3000,
      },
    ];
  },
};
