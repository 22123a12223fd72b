import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { environmentFor, makeFolders, runSwarm, startDaemon, stopDaemon } from "@swarmd/test/support/binaries";
import { syntheticContent } from "@swarmd/test/support/hub/content";
import { EmbeddedHub } from "@swarmd/test/support/hub/hub";
import type { Bench, Figure } from "./report.js";

const GIB = 1024 ** 3;
/** libp2p alone takes some 50 MB. */
const MODES = [
  { name: "alone (--no-peer)", args: ["--no-peer"], targetMb: 200 },
  { name: "with peers", args: [], targetMb: 250 },
] as const;

/** Peak memory of the daemon while it pulls 1 GiB and then 8 GiB: small, and not growing with size. Linux only (/proc). */
export const pullMemory: Bench = {
  name: "pull-memory",
  about: "peak memory of the daemon while pulling 8 GiB, against 1 GiB",
  async run(log) {
    const figures: Figure[] = [];
    for (const { name, args, targetMb } of MODES) {
      const small = await peakMb(1, args);
      const large = await peakMb(8, args);
      log(`  ${name}: 1 GiB ${small.toFixed(0)} MB, 8 GiB ${large.toFixed(0)} MB`);
      figures.push({
        what: `peak memory of the daemon, 8 GiB, ${name}`,
        measured: `${large.toFixed(0)} MB`,
        against: `${small.toFixed(0)} MB for 1 GiB`,
        target: `≤ ${targetMb} MB, not growing`,
        reached: large <= targetMb && large <= small * 1.15,
      });
    }
    return figures;
  },
};

/** Pulls a repo of so many GiB through a fresh daemon. */
async function peakMb(gib: number, args: readonly string[]): Promise<number> {
  const content = syntheticContent({ seed: gib, sizeBytes: gib * GIB });
  const hub = await EmbeddedHub.start({ repos: [{ name: "bench/memory", files: { "model.safetensors": content } }] });
  await hub.prepare();
  const folders = await makeFolders();
  const env = environmentFor(folders, hub.url);
  try {
    const daemon = await startDaemon(args, env);
    const run = await runSwarm(["pull", "bench/memory", "--json"], env);
    if (run.exitCode !== 0) throw new Error(run.stderr);
    const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${daemon.pid}/status`, "utf8"))?.[1]) / 1000;
    await stopDaemon(daemon);
    return peak;
  } finally {
    await hub.stop();
    await rm(folders.root, { recursive: true, force: true });
  }
}
