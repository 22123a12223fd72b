/** What a cache hit costs: a large file that is there, wanted under a name of its own. */
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
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
import { type Figure, median } from "../report.js";

const SIZE_BYTES = 2_700_000_000;
const ROUNDS = 15;
const MOST_MS = 10;
const REPO = "bench/large";

export async function measureHit(log: (line: string) => void): Promise<readonly Figure[]> {
  log(`\nfetching a file of ${SIZE_BYTES / 1e9} GB`);
  const content = syntheticContent({ seed: 27, sizeBytes: SIZE_BYTES });
  const hub = await EmbeddedHub.start({ repos: [{ name: REPO, files: { "model.safetensors": content } }] });
  await hub.prepare();
  const folders = await makeFolders();
  const env = environmentFor(folders, hub.url);
  const insideMs: number[] = [];
  let isLink = true;
  try {
    const daemon = await startDaemon(["--no-peer"], env);
    const first = await runSwarm(["pull", REPO], env);
    if (first.exitCode !== 0) throw new Error(first.stderr);
    for (let round = -2; round < ROUNDS; round += 1) {
      const out = join(folders.root, `out-${round}.safetensors`);
      const run = await runSwarm(["pull", REPO, "--out", out, "--json"], env);
      if (run.exitCode !== 0) throw new Error(run.stderr);
      const found = await stat(out);
      isLink &&= found.nlink > 1 && found.size === SIZE_BYTES;
      await rm(out);
      if (round >= 0) insideMs.push(jsonLines(run.stdout).at(-1)?.elapsedMs as number);
    }
    await stopDaemon(daemon);
  } finally {
    await hub.stop();
    await folders.remove();
  }
  const worstMs = Math.max(...insideMs);
  return [
    {
      what: "cache hit of a 2.7 GB file to --out, inside the daemon, with a question to the hub",
      measured: `median ${median(insideMs).toFixed(0)} ms, worst ${worstMs.toFixed(0)} ms; ${isLink ? "a link each time" : "COPIED"}`,
      target: `≤ ${MOST_MS} ms`,
      reached: isLink && median(insideMs) <= MOST_MS,
    },
  ];
}
