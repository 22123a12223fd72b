/** The node starts from one file and V8's cache of it; and without the cache, and with one that is broken. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const CLI = fileURLToPath(new URL("../../../packages/cli/", import.meta.url));
/** A cache holds what V8 made of a megabyte and more. */
const LEAST_CACHE_BYTES = 200_000;

describe("the bundled node", () => {
  let root: string;
  let loader: string;
  let cache: string;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), "swarmd-bundle-"));
    for (const folder of ["bin", "dist"]) await mkdir(join(root, folder));
    await symlink(join(CLI, "node_modules"), join(root, "node_modules"));
    loader = join(root, "bin", "daemon.cjs");
    cache = join(root, "dist", "daemon.bundle.cjs.cache");
    await cp(join(CLI, "bin", "daemon.cjs"), loader);
    await cp(join(CLI, "dist", "daemon.bundle.cjs"), join(root, "dist", "daemon.bundle.cjs"));
  });

  after(() => rm(root, { recursive: true, force: true }));

  async function assertLoads(): Promise<void> {
    const text =
      "const { startNode, runDaemon } = require(process.argv[1]); console.log(typeof startNode, typeof runDaemon)";
    assert.equal((await run(process.execPath, ["-e", text, loader])).stdout, "function function\n");
  }

  it("loads without a cache", () => assertLoads());

  it("writes one when it is run by itself, and loads with it", async () => {
    await run(process.execPath, [loader]);
    assert.ok((await readFile(cache)).length > LEAST_CACHE_BYTES);
    await assertLoads();
  });

  it("loads with one that was cut off", async () => {
    await truncate(cache, LEAST_CACHE_BYTES / 2);
    await assertLoads();
  });

  it("loads with one that is something else", async () => {
    await writeFile(cache, "no cache at all");
    await assertLoads();
  });
});
