/** Disks that are not as one would like them: full in the middle of an eviction, without links, not writable, with wrong times. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { lstat, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  environmentFor,
  type Folders,
  jsonLines,
  makeFolders,
  type Running,
  runSwarm,
  startDaemon,
  stopDaemon,
} from "../support/binaries.js";
import { assertCacheIsSound, sha256OfFile } from "../support/cache-checks.js";
import { syntheticContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { CAN_REFUSE_LINKS } from "../support/no-links.js";

const SIZE_BYTES = 3_000_000;
const NAMES = ["a", "b", "c", "d"] as const;
/** Some of it is never promised to a pull. */
const DISK_BYTES = 200 * 1024 * 1024;
const mayMount = process.platform === "linux" && process.getuid?.() === 0;
const SKIP_MOUNT = mayMount ? false : "needs root on Linux, to mount a small disk";

describe("disks that are not as one would like them", () => {
  let hub: EmbeddedHub;
  let place: Folders;
  let env: NodeJS.ProcessEnv;
  let daemon: Running | undefined;
  let undo: (() => void) | undefined;

  before(async () => {
    hub = await EmbeddedHub.start({
      repos: NAMES.map((name, seed) => {
        const weights = syntheticContent({ seed: 600 + seed, sizeBytes: SIZE_BYTES });
        return {
          name: `acme/${name}`,
          files: { "config.json": `{"name":"${name}"}`, "sub/model.safetensors": weights },
        };
      }),
    });
    await hub.prepare();
  });
  after(() => hub.stop());
  beforeEach(async () => {
    place = await makeFolders();
    env = environmentFor(place, hub.url);
  });
  afterEach(async () => {
    if (daemon !== undefined) await stopDaemon(daemon);
    daemon = undefined;
    undo?.();
    undo = undefined;
    await place.remove();
  });

  const start = async (args: readonly string[], more: NodeJS.ProcessEnv = {}) => {
    daemon = await startDaemon(["--no-peer", ...args], { ...env, ...more });
  };
  const pull = async (name: string) => (await runSwarm(["pull", `acme/${name}`], env)).exitCode;
  const cached = async () => {
    const { revisions } = JSON.parse((await runSwarm(["ls", "--json"], env)).stdout) as {
      revisions: { repo: string }[];
    };
    return revisions.map(({ repo }) => repo.replace("acme/", "")).join("");
  };

  it("not one byte is left when something has to go: it goes, and nobody is told of a pin that was not written", {
    skip: SKIP_MOUNT,
  }, async () => {
    // The cache and the state on one disk, so that the book, the log, the pins and the journals have no room either.
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "tmpfs", place.root]);
    undo = () => execFileSync("umount", [place.root]);
    const bounds = ["--min-free", "1MB"];
    await start(bounds);
    assert.equal(await pull("a"), 0);
    assert.equal(await pull("b"), 0);
    const ballast = join(place.root, "ballast");
    await fillUp(ballast);

    const pinned = await runSwarm(["pin", "acme/a"], env);
    assert.equal(pinned.exitCode, 7, pinned.stderr);
    assert.deepEqual(JSON.parse((await runSwarm(["pin", "--json"], env)).stdout).pins, []);
    const collected = await runSwarm(["gc", "--json"], env);
    assert.equal(collected.exitCode, 0, collected.stderr);
    assert.equal(await cached(), "b");
    await assertCacheIsSound(place.cacheDir);
    assert.equal((await runSwarm(["verify"], env)).exitCode, 0);
    // What the first has left is too little for a third, and is not touched.
    assert.equal(await pull("c"), 7);
    await rm(ballast);
    assert.equal((await runSwarm(["pin", "acme/b"], env)).exitCode, 0);
    assert.equal(await pull("c"), 0);
    await stopDaemon(daemon as Running);

    // Whose the files are is known: the pinned one stays, and the other may go.
    await start(["--cache-max-models", "1"]);
    assert.equal((await runSwarm(["gc"], env)).exitCode, 0);
    assert.equal(await cached(), "b");
    await assertCacheIsSound(place.cacheDir);
  });

  it("without symbolic and hard links there are plain files, and they are evicted like others", {
    skip: CAN_REFUSE_LINKS ? false : "needs a kernel that filters system calls",
  }, async () => {
    const preload = new URL("../support/no-links.js", import.meta.url).href;
    const startWithout = async () => {
      await start(["--cache-max-models", "2"], { NODE_OPTIONS: `--import ${preload}`, SWARM_TEST_NO_LINKS: "1" });
      daemon?.child.kill("SIGUSR2");
      for (let tries = 0; tries < 500 && daemon?.stderr().includes("links are refused") !== true; tries += 1)
        await sleep(20);
      assert.match(daemon?.stderr() ?? "", /links are refused/);
    };
    await startWithout();
    for (const name of ["a", "b", "a"]) assert.equal(await pull(name), 0);
    const before = await plainFiles(place.cacheDir, "a");
    assert.ok((await lstat(before.weights)).isFile(), "there are links after all");
    assert.equal(await sha256OfFile(before.weights), before.digest);
    assert.equal(await pull("c"), 0);
    assert.equal(await cached(), "ac");
    await assert.rejects(lstat(join(place.cacheDir, "models--acme--b", "snapshots")), { code: "ENOENT" });
    await stopDaemon(daemon as Running);
    await startWithout();
    // The blobs behind the plain files are no leftovers: gc takes none of them, or the next pull would fetch them again.
    const old = new Date(Date.now() - 2 * 3_600_000);
    await setTimes(place.cacheDir, "c", old);
    assert.equal((await runSwarm(["gc"], env)).exitCode, 0);
    const again = jsonLines((await runSwarm(["pull", "acme/c", "--json"], env)).stdout).at(-1);
    assert.equal(again?.bytesFromOrigin, 0);
    assert.equal(await pull("d"), 0);
    assert.equal((await cached()).length, 2);
    const after = await plainFiles(place.cacheDir, "d");
    assert.equal(await sha256OfFile(after.weights), after.digest);
  });

  it("what can't be removed, as on a file server that trusts nobody, stays, is said, and goes later", {
    skip: SKIP_MOUNT,
  }, async () => {
    await start(["--cache-max-models", "1"]);
    assert.equal(await pull("a"), 0);
    const blobs = join(place.cacheDir, "models--acme--a", "blobs");
    execFileSync("chattr", ["+i", blobs]);
    undo = () => execFileSync("chattr", ["-i", blobs]);
    const refused = await runSwarm(["pull", "acme/b"], env);
    assert.ok([0, 7].includes(refused.exitCode ?? -1), `${refused.exitCode} ${refused.stderr}`);
    assert.match(daemon?.stderr() ?? "", /could not evict/);
    await assertCacheIsSound(place.cacheDir);
    undo();
    undo = undefined;
    const old = new Date(Date.now() - 2 * 3_600_000);
    for (const blob of await readdir(blobs)) await utimes(join(blobs, blob), old, old);
    assert.equal((await runSwarm(["gc"], env)).exitCode, 0);
    assert.equal(await pull("c"), 0);
    assert.equal(await cached(), "c");
    assert.deepEqual(await readdir(blobs).catch(() => []), []);
    await assertCacheIsSound(place.cacheDir);
  });

  it("files with times of the next century are not the ones used last for ever, and those of the last are not thrown out at once", async () => {
    await start(["--cache-max-size", "10MB", "--cache-ttl", "1h"]);
    for (const name of ["a", "b", "c"]) assert.equal(await pull(name), 0);
    await setTimes(place.cacheDir, "a", new Date("2100-01-01"));
    await setTimes(place.cacheDir, "b", new Date("1970-01-02"));
    assert.equal(await pull("d"), 0);
    assert.equal(await cached(), "bcd");
    assert.equal((await runSwarm(["gc"], env)).exitCode, 0);
    assert.equal(await cached(), "bcd");
    await stopDaemon(daemon as Running);
    // The book of a run whose clock was wrong: everything was used in the next century.
    const book = join(place.stateDir, "cache", "book.jsonl");
    const lines = jsonLines(await readFile(book, "utf8"));
    const moved = lines.map((line) => (typeof line.atMs === "number" ? { ...line, atMs: line.atMs + 4e12 } : line));
    await writeFile(book, moved.map((line) => `${JSON.stringify(line)}\n`).join(""));
    await start(["--cache-max-size", "10MB", "--cache-ttl", "1h"]);
    assert.equal(await pull("b"), 0);
    assert.equal(await pull("a"), 0);
    assert.equal(await cached(), "abd", "the order of uses has changed with the clock");
    await assertCacheIsSound(place.cacheDir);
  });
});

/** To the last byte. */
async function fillUp(path: string): Promise<void> {
  for (const bytes of [1024 * 1024, 4096]) {
    for (;;) {
      const isFull = await writeFile(path, Buffer.alloc(bytes, 1), { flag: "a" }).then(
        () => false,
        () => true,
      );
      if (isFull) break;
    }
  }
}

async function plainFiles(
  cacheDir: string,
  name: string,
): Promise<{ readonly weights: string; readonly digest: string }> {
  const snapshots = join(cacheDir, `models--acme--${name}`, "snapshots");
  const [commit = ""] = await readdir(snapshots);
  const blobs = await readdir(join(snapshots, "..", "blobs"));
  const digest = blobs.find((blob) => /^[0-9a-f]{64}$/.test(blob)) ?? "";
  return { weights: join(snapshots, commit, "sub", "model.safetensors"), digest };
}

async function setTimes(cacheDir: string, name: string, time: Date): Promise<void> {
  const blobs = join(cacheDir, `models--acme--${name}`, "blobs");
  for (const blob of await readdir(blobs)) await utimes(join(blobs, blob), time, time);
}
