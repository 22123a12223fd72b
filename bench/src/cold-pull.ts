import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { environmentFor, type Folders, launch, makeFolders } from "@swarmd/test/support/binaries";
import { syntheticContent } from "@swarmd/test/support/hub/content";
import { EmbeddedHub } from "@swarmd/test/support/hub/hub";
import { type Bench, type Figure, median } from "./report.js";

const SIZE_BYTES = 2 * 1024 ** 3;
const ROUNDS = 5;
const REPO = "bench/cold";
const FILE = "model.safetensors";

interface Round {
  readonly ariaS: number;
  /** Until every byte is in the file and each shard hashed (BLAKE3); and until the file's sha256 is checked too. */
  readonly fetchedS: number;
  readonly verifiedS: number;
}

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
    const rounds: Round[] = [];
    try {
      for (let round = 0; round <= ROUNDS; round += 1) {
        const measured = await runRound(hub, folders);
        const { ariaS, fetchedS, verifiedS } = measured;
        log(
          `  round ${round}: aria2c ${ariaS.toFixed(2)} s, swarm fetched ${fetchedS.toFixed(2)} s, verified ${verifiedS.toFixed(2)} s`,
        );
        // The first round warms the server and the file system.
        if (round > 0) rounds.push(measured);
      }
    } finally {
      await hub.stop();
      await folders.remove();
    }
    return figuresOf(rounds);
  },
};

function figuresOf(rounds: readonly Round[]): Figure[] {
  const fetched = median(rounds.map(({ ariaS, fetchedS }) => ariaS / fetchedS));
  const verified = median(rounds.map(({ ariaS, verifiedS }) => ariaS / verifiedS));
  const mbPerS = (seconds: number) => `${(SIZE_BYTES / 1e6 / seconds).toFixed(0)} MB/s`;
  const aria = `aria2c -x8 -s8 unverified, ${mbPerS(median(rounds.map(({ ariaS }) => ariaS)))}`;
  return [
    {
      what: "cold pull of 2 GiB, every shard hashed: speed against aria2c",
      measured: `${fetched.toFixed(2)} × (${mbPerS(median(rounds.map(({ fetchedS }) => fetchedS)))})`,
      against: aria,
      target: "(part of the next)",
      reached: fetched >= 1,
    },
    {
      what: "the same, the file's sha256 checked too",
      measured: `${verified.toFixed(2)} × (${mbPerS(median(rounds.map(({ verifiedS }) => verifiedS)))})`,
      against: `${aria}; sha256 of this machine: ${mbPerS(secondsForSha256())}`,
      target: "≥ 1.0 ×",
      reached: verified >= 1,
    },
  ];
}

async function runRound(hub: EmbeddedHub, folders: Folders): Promise<Round> {
  const out = join(folders.root, "aria2");
  const ariaS = await timeAria2(`${hub.url}/${REPO}/resolve/main/${FILE}`, out);
  await rm(out);
  const startedMs = performance.now();
  let fetchedMs = Number.NaN;
  const pull = launch("swarm", ["pull", REPO, "--json", "--workers", "8"], environmentFor(folders, hub.url));
  pull.child.stdout?.on("data", () => {
    if (Number.isNaN(fetchedMs) && pull.stdout().includes(`"bytes":${SIZE_BYTES},"totalBytes"`)) {
      fetchedMs = performance.now() - startedMs;
    }
  });
  const { exitCode, stderr, elapsedMs } = await pull.finished;
  if (exitCode !== 0) throw new Error(stderr);
  await rm(folders.cacheDir, { recursive: true });
  await rm(folders.stateDir, { recursive: true });
  return { ariaS, fetchedS: fetchedMs / 1000, verifiedS: elapsedMs / 1000 };
}

/** How long one core of this machine needs to hash as much, and do nothing else: no verified pull of one file can be faster. */
function secondsForSha256(): number {
  const block = Buffer.alloc(128 * 1024 * 1024, 1);
  const startedMs = performance.now();
  createHash("sha256").update(block).digest();
  return ((performance.now() - startedMs) / 1000) * (SIZE_BYTES / block.length);
}

async function timeAria2(url: string, out: string): Promise<number> {
  const startedMs = performance.now();
  const args = ["-q", "-x8", "-s8", "--allow-overwrite=true", "-d", join(out, ".."), "-o", "aria2", url];
  const child = spawn("aria2c", args, { stdio: "inherit" });
  const exitCode = await new Promise((resolve) => child.once("close", resolve));
  if (exitCode !== 0) throw new Error(`aria2c ended with ${exitCode}`);
  return (performance.now() - startedMs) / 1000;
}
