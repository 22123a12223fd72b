import { spawn, spawnSync } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { environmentFor, jsonLines, makeFolders, runSwarm } from "@swarmd/test/support/binaries";
import { syntheticContent } from "@swarmd/test/support/hub/content";
import { EmbeddedHub } from "@swarmd/test/support/hub/hub";
import { type Bench, median } from "./report.js";

const SIZE_BYTES = 2 * 1024 ** 3;
const ROUNDS = 5;
const REPO = "bench/cold";
const FILE = "model.safetensors";

/** A cold pull of one file of 2 GiB, verified, against aria2c from the same server, unverified; in turn, the ratio pair by pair. */
export const coldPull: Bench = {
  name: "cold-pull",
  about: "2 GiB from a local origin, verified, against `aria2c -x8 -s8`, unverified",
  async run(log) {
    if (spawnSync("aria2c", ["--version"]).status !== 0) throw new Error("this benchmark needs aria2c");
    const content = syntheticContent({ seed: 1, sizeBytes: SIZE_BYTES });
    const hub = await EmbeddedHub.start({ repos: [{ name: REPO, files: { [FILE]: content } }] });
    await hub.prepare();
    const folders = await makeFolders();
    const env = environmentFor(folders, hub.url);
    const ratios: number[] = [];
    const seconds: number[] = [];
    try {
      for (let round = 0; round <= ROUNDS; round += 1) {
        const out = join(folders.root, "aria2");
        const aria = await timeAria2(`${hub.url}/${REPO}/resolve/main/${FILE}`, out);
        await rm(out);
        const ours = await runSwarm(["pull", REPO, "--json", "--workers", "8"], env);
        if (ours.exitCode !== 0) throw new Error(ours.stderr);
        const done = jsonLines(ours.stdout).at(-1);
        await rm(folders.cacheDir, { recursive: true });
        await rm(folders.stateDir, { recursive: true });
        const wallS = ours.elapsedMs / 1000;
        log(`  round ${round}: aria2c ${aria.toFixed(2)} s, swarm ${wallS.toFixed(2)} s (pull ${done?.elapsedMs} ms)`);
        // The first round warms the server and the file system.
        if (round === 0) continue;
        ratios.push(aria / wallS);
        seconds.push(wallS);
      }
    } finally {
      await hub.stop();
      await folders.remove();
    }
    const ratio = median(ratios);
    return [
      {
        what: "cold pull of 2 GiB, verified: speed against aria2c",
        measured: `${ratio.toFixed(2)} × (${(SIZE_BYTES / 1e6 / median(seconds)).toFixed(0)} MB/s)`,
        against: "aria2c -x8 -s8, same server, unverified",
        target: "≥ 1.0 ×",
        reached: ratio >= 1,
      },
    ];
  },
};

async function timeAria2(url: string, out: string): Promise<number> {
  const startedMs = performance.now();
  const args = ["-q", "-x8", "-s8", "--allow-overwrite=true", "-d", join(out, ".."), "-o", "aria2", url];
  const child = spawn("aria2c", args, { stdio: "inherit" });
  const exitCode = await new Promise((resolve) => child.once("close", resolve));
  if (exitCode !== 0) throw new Error(`aria2c ended with ${exitCode}`);
  return (performance.now() - startedMs) / 1000;
}
