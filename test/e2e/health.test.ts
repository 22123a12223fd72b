/** A rotten file: noticed, kept aside, fetched again, and the link in the snapshot leads to a file all the while. */
import assert from "node:assert/strict";
import { open, readdir, readFile, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  environmentFor,
  type Folders,
  makeFolders,
  type Running,
  runSwarm,
  startDaemon,
  stopDaemon,
} from "../support/binaries.js";
import { assertCacheIsSound } from "../support/cache-checks.js";
import { syntheticContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { doneOf, pullEvents } from "../support/local-node.js";
import { knows, SwarmKit } from "../support/swarm-kit.js";

const SIZE_BYTES = 20_000_000;

describe("a rotten file", () => {
  let hub: EmbeddedHub;
  let place: Folders;
  let env: NodeJS.ProcessEnv;
  let daemon: Running;

  before(async () => {
    const files = { "config.json": "{}", "model.safetensors": syntheticContent({ seed: 900, sizeBytes: SIZE_BYTES }) };
    hub = await EmbeddedHub.start({ repos: [{ name: "acme/rots", files }] });
    await hub.prepare();
    place = await makeFolders();
    env = environmentFor(place, hub.url);
    daemon = await startDaemon(["--no-peer"], env);
  });
  after(async () => {
    await stopDaemon(daemon);
    await hub.stop();
    await place.remove();
  });

  it("is fetched again by swarm verify --all", async () => {
    assert.equal((await runSwarm(["pull", "acme/rots"], env)).exitCode, 0);
    const snapshots = join(place.cacheDir, "models--acme--rots", "snapshots");
    const [commit = ""] = await readdir(snapshots);
    const link = join(snapshots, commit, "model.safetensors");
    const file = await open(await realpath(link), "r+");
    await file.write(Buffer.from("rot"), 0, 3, 12_345_678);
    await file.close();

    const found = await runSwarm(["verify"], env);
    assert.equal(found.exitCode, 5);
    assert.match(found.stderr, /verify --all/);

    let [looks, gaps, isOver] = [0, 0, false];
    const watching = (async () => {
      while (!isOver) {
        looks += 1;
        if ((await stat(link).catch(() => undefined))?.size !== SIZE_BYTES) gaps += 1;
        await sleep(1);
      }
    })();
    const mended = await runSwarm(["verify", "--all"], env);
    isOver = true;
    await watching;
    assert.equal(mended.exitCode, 0, mended.stdout + mended.stderr);
    assert.match(mended.stdout, /✓ acme\/rots {2}model\.safetensors: fetched again/);
    assert.ok(looks > 0);
    assert.equal(gaps, 0, `the link led nowhere ${gaps} of ${looks} times`);

    await assertCacheIsSound(place.cacheDir);
    assert.equal((await runSwarm(["verify"], env)).exitCode, 0);
    const [kept = ""] = await readdir(join(place.stateDir, "quarantine"));
    assert.equal(
      (await readFile(join(place.stateDir, "quarantine", kept))).subarray(12_345_678, 12_345_681).toString(),
      "rot",
    );
  });
});

describe("a rotten file that a neighbour has, too", () => {
  it("is fetched again from there, and not a byte of it from the origin", async () => {
    const content = syntheticContent({ seed: 901, sizeBytes: SIZE_BYTES });
    const hub = await EmbeddedHub.start({ repos: [{ name: "acme/shared", files: { "model.safetensors": content } }] });
    const kit = new SwarmKit(hub.url);
    try {
      const neighbour = await kit.start([]);
      await pullEvents(neighbour.node, { target: "acme/shared" });
      const node = await kit.start([neighbour.address]);
      await knows(node, 1);
      const { path } = doneOf(await pullEvents(node.node, { target: "acme/shared" }));
      const model = join(path, "model.safetensors");
      const right = await readFile(model);
      const file = await open(await realpath(model), "r+");
      await file.write(Buffer.from("rot"), 0, 3, 12_345_678);
      await file.close();
      hub.resetStats();

      await node.node.commands.verify({ mend: true }, () => undefined, { signal: AbortSignal.timeout(60_000) });
      assert.ok((await readFile(model)).equals(right));
      assert.equal(hub.stats().bytesSent, 0);
    } finally {
      await kit.end();
      await hub.stop();
    }
  });
});
