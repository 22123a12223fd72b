/** Each policy in the real daemon: what comes in, what goes, what is refused, and what the log says of it. */
import assert from "node:assert/strict";
import { access, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  environmentFor,
  type Folders,
  jsonLines,
  launch,
  makeFolders,
  type Running,
  runSwarm,
  startDaemon,
  stopDaemon,
} from "../support/binaries.js";
import { assertCacheIsSound } from "../support/cache-checks.js";
import { syntheticContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";

const MODEL_BYTES = 3_000_000;
const NAMES = ["a", "b", "c", "d"] as const;
/** For what a timer of the daemon does. */
const PATIENCE_MS = 20_000;

let hub: EmbeddedHub;
let place: Folders;
let env: NodeJS.ProcessEnv;
let daemon: Running | undefined;

before(async () => {
  hub = await EmbeddedHub.start({
    repos: NAMES.map((name, seed) => {
      const weights = syntheticContent({ seed: 300 + seed, sizeBytes: MODEL_BYTES });
      return { name: `acme/${name}`, files: { "config.json": `{"name":"${name}"}`, "model.safetensors": weights } };
    }),
  });
  await hub.prepare();
});
after(() => hub.stop());

async function start(...args: readonly string[]): Promise<void> {
  place ??= await makeFolders();
  env = environmentFor(place, hub.url);
  daemon = await startDaemon(["--no-peer", ...args], env);
}

afterEach(async () => {
  if (daemon !== undefined) await stopDaemon(daemon);
  daemon = undefined;
  await assertCacheIsSound(place.cacheDir);
  await place.remove();
  place = await makeFolders();
});
before(async () => {
  place = await makeFolders();
});
after(() => place.remove());

async function pull(name: string): Promise<number | null> {
  return (await runSwarm(["pull", `acme/${name}`, "--json"], env)).exitCode;
}

/** The models that `swarm ls` shows, as one word. */
async function cached(): Promise<string> {
  const { stdout } = await runSwarm(["ls", "--json"], env);
  const { revisions } = JSON.parse(stdout) as { revisions: readonly { repo: string }[] };
  return revisions.map(({ repo }) => repo.replace("acme/", "")).join("");
}

async function until(isSo: () => Promise<boolean>): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < PATIENCE_MS; waitedMs += 200) {
    if (await isSo()) return true;
    await sleep(200);
  }
  return false;
}

/** The daemon's decisions, as stderr has them. */
function decisions(): readonly Record<string, unknown>[] {
  return jsonLines(daemon?.stderr() ?? "").filter(({ msg }) => msg === "cache");
}

describe("the cache's policies", () => {
  it("lru: the one used longest ago makes room, and a line says so", async () => {
    await start("--cache-max-size", "10MB");
    for (const name of ["a", "b", "c", "a", "d"]) assert.equal(await pull(name), 0);
    assert.equal(await cached(), "acd");
    const said = decisions().map(({ policy, model, action, evicted }) => {
      const short = (id: unknown) => String(id).replace(/^acme\/(.).*$/, "$1");
      return [policy, short(model), action, (evicted as string[]).map(short).join("")].join(" ");
    });
    assert.deepEqual(said, ["lru a pull ", "lru b pull ", "lru c pull ", "lru a hit ", "lru d pull b"]);
    const last = decisions().at(-1);
    assert.equal(typeof last?.decision_ms, "number");
    assert.equal((last as { cached: string[] }).cached.length, 2);
    const { cacheDecisions } = JSON.parse((await runSwarm(["status", "--json"], env)).stdout);
    assert.deepEqual(cacheDecisions, [
      { policy: "lru", action: "pull", count: 4 },
      { policy: "lru", action: "hit", count: 1 },
    ]);
  });

  it("--reserve-pinned: what is not pinned takes the rest only, and what is pinned does not count there", async () => {
    await start("--cache-max-size", "10MB", "--reserve-pinned", "30%");
    for (const name of ["a", "b", "c"]) assert.equal(await pull(name), 0);
    assert.equal(await cached(), "bc");
    assert.equal((await runSwarm(["pin", "acme/c"], env)).exitCode, 0);
    assert.equal(await pull("d"), 0);
    assert.equal(await cached(), "bcd");
  });

  it("lru: files that another tool reads count as used", async () => {
    await start("--cache-max-size", "10MB");
    for (const name of ["a", "b", "c"]) assert.equal(await pull(name), 0);
    const blobs = join(place.cacheDir, "models--acme--a", "blobs");
    const soon = new Date(Date.now() + 1_000);
    // What reading does where the mount keeps it; not every mount does, so it is done by hand.
    for (const blob of await readdir(blobs)) await utimes(join(blobs, blob), soon, new Date(Date.now() - 60_000));
    assert.equal(await pull("d"), 0);
    assert.equal(await cached(), "acd");
  });

  it("lru: pinned models, models that are held, and what others put there stay", async () => {
    await start("--cache-max-size", "10MB");
    for (const name of ["a", "b", "c"]) assert.equal(await pull(name), 0);
    assert.equal((await runSwarm(["pin", "acme/a"], env)).exitCode, 0);
    const holding = launch("swarm", ["hold", "acme/b", "--", "sleep", "60"], env);
    assert.ok(await until(async () => (await runSwarm(["gc", "--dry-run"], env)).exitCode === 0));
    await sleep(500);
    assert.equal(await pull("d"), 0);
    assert.equal(await cached(), "abd");
    holding.child.kill("SIGTERM");
    assert.equal((await holding.finished).exitCode, 143);
    assert.equal((await runSwarm(["unpin", "acme/a"], env)).exitCode, 0);
    assert.equal(await pull("c"), 0);
    assert.equal(await cached(), "bcd");
  });

  it("lru: nothing that swarmd did not fetch goes, unless it may", async () => {
    await start("--cache-max-size", "10MB");
    for (const name of ["a", "b", "c"]) assert.equal(await pull(name), 0);
    await stopDaemon(daemon as Running);
    // As if somebody else had fetched them.
    await rm(join(place.stateDir, "cache"), { recursive: true });
    await start("--cache-max-size", "10MB");
    assert.equal(await pull("d"), 7);
    assert.equal(await cached(), "abc");
    await stopDaemon(daemon as Running);
    await start("--cache-max-size", "10MB", "--adopt-evict");
    assert.equal(await pull("d"), 0);
    assert.equal((await cached()).length, 3);
  });

  it("no-evict: refuses with exit code 7, says what to do, and takes what fits", async () => {
    await start("--cache-policy", "no-evict", "--cache-max-size", "7MB");
    assert.equal(await pull("a"), 0);
    assert.equal(await pull("b"), 0);
    const refused = await runSwarm(["pull", "acme/c"], env);
    assert.equal(refused.exitCode, 7);
    assert.match(refused.stderr, /full: at most 7.00 MB/);
    assert.match(refused.stderr, /swarm rm/);
    assert.equal(await pull("a"), 0);
    assert.equal(await cached(), "ab");
    assert.deepEqual(
      decisions().map(({ action }) => action),
      ["pull", "pull", "reject", "hit"],
    );
    assert.equal((await runSwarm(["rm", "acme/a", "--yes"], env)).exitCode, 0);
    assert.equal(await pull("c"), 0);
  });

  it("no-evict: pulls at the same moment do not both get the same room", async () => {
    await start("--cache-policy", "no-evict", "--cache-max-size", "7MB");
    const codes = await Promise.all(NAMES.map(pull));
    assert.deepEqual(codes.sort(), [0, 0, 7, 7]);
  });

  it("models: so many, and no more", async () => {
    await start("--cache-max-models", "2");
    for (const name of ["a", "b", "c"]) assert.equal(await pull(name), 0);
    assert.equal(await cached(), "bc");
  });

  it("ttl: what was untouched for the time goes by itself, and nothing else does", async () => {
    await start("--cache-policy", "ttl", "--cache-ttl", "6s", "--cache-max-size", "1MB");
    for (const name of ["a", "b", "c"]) assert.equal(await pull(name), 0);
    assert.equal(await cached(), "abc");
    assert.ok(await until(async () => (await cached()) === ""));
    assert.ok(decisions().some(({ action }) => action === "upkeep"));
  });

  it("lru-ttl: keeps the bound too", async () => {
    await start("--cache-ttl", "8s", "--cache-max-size", "7MB");
    for (const name of ["a", "b", "c"]) assert.equal(await pull(name), 0);
    assert.equal((await cached()).length, 2);
    assert.ok(await until(async () => (await cached()) === ""));
  });

  it("keep-startup: what a loader reads first stays, and the rest comes back", async () => {
    await start("--cache-max-size", "10MB", "--keep-startup");
    for (const name of ["a", "b", "c", "d"]) assert.equal(await pull(name), 0);
    const snapshots = join(place.cacheDir, "models--acme--a", "snapshots");
    const [commit = ""] = await readdir(snapshots);
    assert.deepEqual(await readdir(join(snapshots, commit)), ["config.json"]);
    assert.equal(await pull("a"), 0);
    await access(join(snapshots, commit, "model.safetensors"));
  });

  it("gc: says what is due, removes what nothing leads to, and leaves fresh blobs of others alone", async () => {
    await start("--cache-max-size", "10MB");
    for (const name of ["a", "b"]) assert.equal(await pull(name), 0);
    // As a removal leaves it that was killed midway: the links are gone, the blobs are not.
    await rm(join(place.cacheDir, "models--acme--a", "snapshots"), { recursive: true });
    const blobs = join(place.cacheDir, "models--acme--a", "blobs");
    const old = new Date(Date.now() - 2 * 3_600_000);
    for (const blob of await readdir(blobs)) await utimes(join(blobs, blob), old, old);
    const foreign = join(place.cacheDir, "models--acme--b", "blobs", "0".repeat(40));
    const content = "not ours, and of another name";
    await writeFile(foreign, content);
    const planned = JSON.parse((await runSwarm(["gc", "--dry-run", "--json"], env)).stdout);
    assert.equal(planned.evicted.length, 2);
    assert.equal((await readdir(blobs)).length, 2);
    const done = JSON.parse((await runSwarm(["gc", "--json"], env)).stdout);
    assert.ok(done.freedBytes >= MODEL_BYTES);
    assert.deepEqual(await readdir(blobs), []);
    await access(foreign);
    await rm(foreign);
  });
});
