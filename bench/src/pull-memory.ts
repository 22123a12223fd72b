import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { environmentFor, makeFolders, runSwarm, startDaemon, stopDaemon } from "@swarmd/test/support/binaries";
import { syntheticContent } from "@swarmd/test/support/hub/content";
import { EmbeddedHub } from "@swarmd/test/support/hub/hub";
import type { Bench } from "./report.js";

const GIB = 1024 ** 3;
const TARGET_MB = 200;

/** Peak memory of the daemon while it pulls 1 GiB and then 8 GiB: small, and not growing with size. Linux only (/proc). */
export const pullMemory: Bench = {
  name: "pull-memory",
  about: "peak memory of the daemon while pulling 8 GiB, against 1 GiB",
  async run(log) {
    const peaks: number[] = [];
    for (const gib of [1, 8]) {
      const content = syntheticContent({ seed: gib, sizeBytes: gib * GIB });
      const hub = await EmbeddedHub.start({
        repos: [{ name: "bench/memory", files: { "model.safetensors": content } }],
      });
      await hub.prepare();
      const folders = await makeFolders();
      const env = environmentFor(folders, hub.url);
      try {
        const daemon = await startDaemon([], env);
        const run = await runSwarm(["pull", "bench/memory", "--json"], env);
        if (run.exitCode !== 0) throw new Error(run.stderr);
        const peakMb = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${daemon.pid}/status`, "utf8"))?.[1]) / 1000;
        log(`  ${gib} GiB: peak ${peakMb.toFixed(0)} MB, ${(run.elapsedMs / 1000).toFixed(1)} s`);
        peaks.push(peakMb);
        await stopDaemon(daemon);
      } finally {
        await hub.stop();
        await rm(folders.root, { recursive: true, force: true });
      }
    }
    const [small = Number.NaN, large = Number.NaN] = peaks;
    return [
      {
        what: "peak memory of the daemon, 8 GiB",
        measured: `${large.toFixed(0)} MB`,
        against: `${small.toFixed(0)} MB for 1 GiB`,
        target: `≤ ${TARGET_MB} MB, not growing`,
        reached: large <= TARGET_MB && large <= small * 1.15,
      },
    ];
  },
};
