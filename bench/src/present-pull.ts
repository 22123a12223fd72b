import { spawnSync } from "node:child_process";
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
import { type Bench, median } from "./report.js";

const ROUNDS = 15;
const REPO = "bench/present";

/** A pull of what is there already: inside the daemon, and as a whole process against Node doing nothing. */
export const presentPull: Bench = {
  name: "present-pull",
  about: "pull of a repo that is already there, against `node -e 0`",
  async run() {
    const files = Object.fromEntries(
      Array.from({ length: 8 }, (_, i) => [
        `model-${i}.safetensors`,
        syntheticContent({ seed: i, sizeBytes: 20_000_000 }),
      ]),
    );
    const hub = await EmbeddedHub.start({ repos: [{ name: REPO, files: { "config.json": "{}", ...files } }] });
    const folders = await makeFolders();
    const env = environmentFor(folders, hub.url);
    const inside: number[] = [];
    const ratios: number[] = [];
    const whole: number[] = [];
    try {
      const daemon = await startDaemon([], env);
      for (let round = -2; round < ROUNDS; round += 1) {
        const startedMs = performance.now();
        spawnSync(process.execPath, ["-e", "0"], { env });
        const nodeMs = performance.now() - startedMs;
        const run = await runSwarm(["pull", REPO, "--json"], env);
        if (run.exitCode !== 0) throw new Error(run.stderr);
        if (round < 0) continue;
        inside.push(jsonLines(run.stdout).at(-1)?.elapsedMs as number);
        whole.push(run.elapsedMs);
        ratios.push(run.elapsedMs / nodeMs);
      }
      await stopDaemon(daemon);
    } finally {
      await hub.stop();
      await folders.remove();
    }
    return [
      {
        what: "pull of a repo that is there, inside the daemon",
        measured: `${median(inside).toFixed(1)} ms`,
        target: "≤ 10 ms",
        reached: median(inside) <= 10,
      },
      {
        what: "the same, the whole `swarm pull` process",
        measured: `${median(ratios).toFixed(2)} × (${median(whole).toFixed(0)} ms)`,
        against: "node -e 0",
        target: "≤ 3 ×",
        reached: median(ratios) <= 3,
      },
    ];
  },
};
