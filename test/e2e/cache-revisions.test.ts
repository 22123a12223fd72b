/** Two revisions of a repo share what is the same: what a pull moves, what goes first, what `swarm diff` says. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
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
import { assertCacheIsSound } from "../support/cache-checks.js";
import { syntheticContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";

const MB = 1_000_000;
const weights = (seed: number) => syntheticContent({ seed: 400 + seed, sizeBytes: 3 * MB });

describe("revisions in the cache", () => {
  let hub: EmbeddedHub;
  let model: ReturnType<EmbeddedHub["addRepo"]>;
  let place: Folders;
  let env: NodeJS.ProcessEnv;
  let daemon: Running;

  before(async () => {
    hub = await EmbeddedHub.start({
      repos: [{ name: "acme/other", files: { "weights.bin": weights(9) } }],
    });
    const files = { "config.json": "{}", "one.bin": weights(1), "two.bin": weights(2) };
    model = hub.addRepo({ name: "acme/model", files });
    await hub.prepare();
    place = await makeFolders();
    env = environmentFor(place, hub.url);
    daemon = await startDaemon(["--no-peer", "--cache-max-size", "11MB"], env);
  });
  after(async () => {
    await stopDaemon(daemon);
    await hub.stop();
    await place.remove();
  });

  it("a new revision moves only what is new, and the old one goes first", async () => {
    const first = jsonLines((await runSwarm(["pull", "acme/model", "--json"], env)).stdout).at(-1);
    const old = first?.commit as string;
    model.commit({ "two.bin": weights(3), "new.txt": "new" }, { remove: ["config.json"] });
    await hub.prepare();

    const diff = JSON.parse((await runSwarm(["diff", `acme/model@${old}`, "acme/model", "--json"], env)).stdout);
    assert.deepEqual(
      diff.files.map(({ path, state, shards }: Record<string, unknown>) => [path, state, shards]),
      [
        ["config.json", "removed", 0],
        ["new.txt", "added", 1],
        ["two.bin", "changed", 1],
      ],
    );
    assert.equal(diff.moveBytes, 3 * MB + 3);

    const second = jsonLines((await runSwarm(["pull", "acme/model", "--json"], env)).stdout).at(-1);
    assert.equal(second?.bytesFromOrigin, diff.moveBytes);
    const said = (await runSwarm(["diff", `acme/model@${old}`, "acme/model"], env)).stdout;
    assert.match(said, /~ two\.bin +3\.00 MB +in the cache/);
    assert.match(said, /moves 0 B in 0 shards/);

    const before = JSON.parse((await runSwarm(["ls", "--json"], env)).stdout);
    assert.equal(before.revisions.length, 2);
    // Whatever was used last: the old revision makes room, and takes nothing of the new one with it.
    await runSwarm(["pull", `acme/model@${old}`], env);
    assert.equal((await runSwarm(["pull", "acme/other"], env)).exitCode, 0);
    const { revisions } = JSON.parse((await runSwarm(["ls", "--json"], env)).stdout);
    assert.deepEqual(
      revisions.map(({ repo, commit }: Record<string, unknown>) => `${repo} ${commit === old ? "old" : "current"}`),
      ["acme/model current", "acme/other current"],
    );
    const verified = await runSwarm(["verify"], env);
    assert.equal(verified.exitCode, 0, verified.stdout);
    await assertCacheIsSound(place.cacheDir);
  });
});
