/** What goes wrong around a cache that is full: kills in the middle of an eviction, other tools, other daemons, read-only folders. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, readdir, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  environmentFor,
  type Folders,
  launch,
  makeFolders,
  type Running,
  runSwarm,
  startDaemon,
  stopDaemon,
} from "../support/binaries.js";
import { assertCacheIsSound } from "../support/cache-checks.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { seededRandom } from "../support/seeded-random.js";

const FILES = 150;
const KILLS = 6;
const mayMount = process.platform === "linux" && process.getuid?.() === 0;

describe("faults around a full cache", () => {
  let hub: EmbeddedHub;
  let place: Folders;
  let env: NodeJS.ProcessEnv;
  let daemon: Running | undefined;
  let isMounted = false;

  before(async () => {
    // Many small files: an eviction takes a while, and can be met in its middle.
    const repos = ["a", "b"].map((name) => {
      const files = Array.from({ length: FILES }, (_, at) => [`part-${at}.txt`, `${name} ${at} `.repeat(400)] as const);
      return { name: `acme/${name}`, files: Object.fromEntries(files) };
    });
    hub = await EmbeddedHub.start({ repos });
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
    if (isMounted) execFileSync("umount", [place.cacheDir]);
    isMounted = false;
    await place.remove();
  });

  const start = async (...args: string[]) => {
    daemon = await startDaemon(["--no-peer", ...args], env);
  };
  const pull = async (name: string) => (await runSwarm(["pull", `acme/${name}`], env)).exitCode;

  it("kill -9 in the middle of evictions leaves no link that leads nowhere, and gc finds the rest", async () => {
    const random = seededRandom(5);
    for (let kill = 0; kill < KILLS; kill += 1) {
      await start("--cache-max-models", "1");
      assert.equal(await pull(kill % 2 === 0 ? "a" : "b"), 0);
      const next = launch("swarm", ["pull", `acme/${kill % 2 === 0 ? "b" : "a"}`], env);
      const gone = join(place.cacheDir, `models--acme--${kill % 2 === 0 ? "a" : "b"}`);
      const blobs = join(gone, "blobs");
      const whole = (await readdir(blobs)).length;
      const most = whole * random();
      // Until the removal has come so far.
      for (let left = whole; left > most; left = (await readdir(blobs).catch(() => [])).length) {
        if (next.child.exitCode !== null) break;
        await sleep(1);
      }
      daemon?.child.kill("SIGKILL");
      await daemon?.finished;
      daemon = undefined;
      next.child.kill("SIGKILL");
      await next.finished;
      await assertCacheIsSound(place.cacheDir);
    }
    await start("--cache-max-models", "1");
    const old = new Date(Date.now() - 2 * 3_600_000);
    for (const name of ["a", "b"]) {
      const blobs = join(place.cacheDir, `models--acme--${name}`, "blobs");
      for (const blob of await readdir(blobs).catch(() => [])) await utimes(join(blobs, blob), old, old);
    }
    assert.equal((await runSwarm(["gc"], env)).exitCode, 0);
    assert.equal(await pull("a"), 0);
    assert.equal(await pull("b"), 0);
    await assertCacheIsSound(place.cacheDir);
    assert.equal((await runSwarm(["verify", "acme/b"], env)).exitCode, 0);
  });

  it("another tool that deletes a model underneath is no reason to stop", async () => {
    await start("--cache-max-models", "1");
    assert.equal(await pull("a"), 0);
    await rm(join(place.cacheDir, "models--acme--a"), { recursive: true });
    assert.equal(await pull("b"), 0);
    await rm(join(place.cacheDir, "models--acme--b", "blobs"), { recursive: true });
    assert.equal(await pull("a"), 0);
    assert.equal(await pull("b"), 0);
    await assertCacheIsSound(place.cacheDir);
  });

  it("two daemons on one cache folder pull and evict at once, and nothing breaks", async () => {
    const second = await makeFolders();
    const otherEnv = { ...environmentFor(second, hub.url), HF_HUB_CACHE: place.cacheDir };
    const bounds = ["--cache-max-models", "1", "--adopt-evict"];
    await start(...bounds);
    const other = await startDaemon(["--no-peer", ...bounds], otherEnv);
    try {
      for (let round = 0; round < 4; round += 1) {
        const codes = await Promise.all([
          pull(round % 2 === 0 ? "a" : "b"),
          runSwarm(
            ["pull", round % 2 === 0 ? "b" : "a"].map((one) => one.replace(/^[ab]$/, "acme/$&")),
            otherEnv,
          ).then(({ exitCode }) => exitCode),
        ]);
        // One may take away what the other has just found; that is said, and a second try helps.
        assert.ok(
          codes.every((code) => code !== null && [0, 1, 7].includes(code)),
          String(codes),
        );
      }
      assert.equal(await pull("a"), 0);
    } finally {
      await stopDaemon(other);
      await second.remove();
    }
    await assertCacheIsSound(place.cacheDir);
  });

  it("a cache that has become read-only ends pulls with an error, not the daemon", {
    skip: mayMount ? false : "needs root on Linux, to mount a folder read-only",
  }, async () => {
    await mkdir(place.cacheDir);
    execFileSync("mount", ["-t", "tmpfs", "tmpfs", place.cacheDir]);
    isMounted = true;
    await start("--cache-max-models", "1");
    assert.equal(await pull("a"), 0);
    execFileSync("mount", ["-o", "remount,ro", place.cacheDir]);
    const refused = await runSwarm(["pull", "acme/b"], env);
    assert.ok([1, 7].includes(refused.exitCode ?? 0), `${refused.exitCode} ${refused.stderr}`);
    assert.ok((await stat(join(place.cacheDir, "models--acme--a", "blobs"))).isDirectory());
    assert.equal((await runSwarm(["gc"], env)).exitCode, 0);
    assert.equal((await runSwarm(["status"], env)).exitCode, 0);
    execFileSync("mount", ["-o", "remount,rw", place.cacheDir]);
    assert.equal(await pull("b"), 0);
    await assertCacheIsSound(place.cacheDir);
  });
});
