/** How long a daemon takes until it can pull, on a cache that holds 100,000 files already. */
import { createHash } from "node:crypto";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { environmentFor, makeFolders, runSwarm, startDaemon, stopDaemon } from "@swarmd/test/support/binaries";
import { EmbeddedHub } from "@swarmd/test/support/hub/hub";
import type { Figure } from "../report.js";

const REPOS = 500;
const FILES_PER_REPO = 200;
const MOST_MS = 2_000;
/** One byte per file and digit: what {@link fill} makes takes about as much. */
const FULL_BYTES = 623_000;

/** As huggingface_hub lays them out. */
function fill(cacheDir: string): void {
  for (let repo = 0; repo < REPOS; repo += 1) {
    const folder = join(cacheDir, `models--org--model-${repo}`);
    const commit = createHash("sha1").update(String(repo)).digest("hex");
    const [blobs, snapshot, refs] = ["blobs", join("snapshots", commit), "refs"].map((name) => join(folder, name));
    for (const path of [blobs, snapshot, refs]) mkdirSync(path as string, { recursive: true });
    for (let file = 0; file < FILES_PER_REPO; file += 1) {
      const content = `${repo} ${file}`;
      const name = createHash("sha1").update(`blob ${content.length}\0${content}`).digest("hex");
      writeFileSync(join(blobs as string, name), content);
      symlinkSync(`../../blobs/${name}`, join(snapshot as string, `part-${file}.txt`));
    }
    writeFileSync(join(refs as string, "main"), commit);
  }
}

export async function measureStartUp(log: (line: string) => void): Promise<readonly Figure[]> {
  const hub = await EmbeddedHub.start({ repos: [{ name: "acme/small", files: { "config.json": "{}" } }] });
  const folders = await makeFolders();
  const figures: Figure[] = [];
  try {
    log(`\nmaking a cache of ${REPOS * FILES_PER_REPO} files`);
    fill(folders.cacheDir);
    const env = environmentFor(folders, hub.url);
    const runs: readonly (readonly [name: string, args: readonly string[]])[] = [
      ["no bound but the disk's", []],
      ["--cache-max-size 500GB, for the first time", ["--cache-max-size", "500GB"]],
      ["--cache-max-size 500GB, ever after", ["--cache-max-size", "500GB"]],
      // What is there takes a bit more than that: a model has to go first, then some more while the pull goes on.
      ["at the bound, so that something has to go", ["--cache-max-size", String(FULL_BYTES), "--adopt-evict"]],
    ];
    for (const [name, args] of runs) {
      const startedMs = performance.now();
      const daemon = await startDaemon(["--no-peer", ...args], env);
      const readyMs = performance.now() - startedMs;
      const pull = await runSwarm(["pull", "acme/small"], env);
      if (pull.exitCode !== 0) throw new Error(pull.stderr);
      const pulledMs = performance.now() - startedMs;
      await runSwarm(["rm", "acme/small", "--yes"], env);
      await stopDaemon(daemon);
      figures.push({
        what: `start-up with ${REPOS * FILES_PER_REPO} cached files, ${name}`,
        measured: `${Math.round(readyMs)} ms; ${Math.round(pulledMs)} ms until a pull is through`,
        target: `≤ ${MOST_MS} ms until it is through`,
        reached: pulledMs <= MOST_MS,
      });
    }
  } finally {
    await hub.stop();
    await folders.remove();
  }
  return figures;
}
