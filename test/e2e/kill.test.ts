/** `kill -9` at random moments, 100 times in a row: what was fetched stays, and in the end every byte is right. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { environmentFor, jsonLines, launch, makeFolders, type Running, runSwarm } from "../support/binaries.js";
import { assertCacheIsSound } from "../support/cache-checks.js";
import { syntheticContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { seededRandom } from "../support/seeded-random.js";

const KILLS = 100;
const SIZE_BYTES = 400 * 1024 * 1024;
const UPLINK_BYTES_PER_SECOND = 12_000_000;
const REPO = "acme/killed";

/** The pull has begun: it says what it is going to do. */
function firstOutput({ child, finished }: Running): Promise<unknown> {
  return Promise.race([once(child.stdout as Readable, "data"), finished]);
}

describe("kill -9", () => {
  it(`${KILLS} times in a row costs at most 1 % of the bytes each, and nothing is wrong in the end`, async (t) => {
    const random = seededRandom(20_261_121);
    const hub = await EmbeddedHub.start({
      repos: [
        {
          name: REPO,
          files: { "config.json": "{}", "model.safetensors": syntheticContent({ seed: 3, sizeBytes: SIZE_BYTES }) },
        },
      ],
      uplinkBytesPerSecond: UPLINK_BYTES_PER_SECOND,
    });
    await hub.prepare();
    const folders = await makeFolders();
    const env = environmentFor(folders, hub.url);
    try {
      let kills = 0;
      while (kills < KILLS) {
        const pull = launch("swarm", ["pull", REPO, "--json"], env);
        // Every fifth dies anywhere in its start-up, the others somewhere in the first half second of their transfer.
        if (kills % 5 > 0) await firstOutput(pull);
        await sleep(random() * 500);
        pull.child.kill("SIGKILL");
        const { signal, stdout, stderr } = await pull.finished;
        assert.equal(
          signal,
          "SIGKILL",
          `the pull ended by itself after ${kills} kills:\n${stdout.slice(-300)}\n${stderr}`,
        );
        kills += 1;
      }
      const file = hub.stats().files[`${REPO}/model.safetensors`];
      const covered = file?.bytesCovered ?? 0;
      hub.configure({ uplinkBytesPerSecond: undefined });
      const last = await runSwarm(["pull", REPO, "--json"], env);
      assert.equal(last.exitCode, 0, last.stderr);
      assert.equal(jsonLines(last.stdout).at(-1)?.type, "done");
      assert.equal(await assertCacheIsSound(folders.cacheDir), 2);
      const twice = hub.stats().files[`${REPO}/model.safetensors`]?.bytesSentTwice ?? 0;
      const perKill = twice / KILLS / SIZE_BYTES;
      t.diagnostic(
        `${(covered / 1e6).toFixed(0)} MB had come in ${KILLS} lives; ${(twice / 1e6).toFixed(1)} MB came twice: ${(perKill * 100).toFixed(3)} % a kill`,
      );
      assert.ok(covered > SIZE_BYTES / 100, `only ${covered} bytes came in all those lives`);
      assert.ok(perKill <= 0.01, `${(perKill * 100).toFixed(2)} % of the bytes came again per kill`);
    } finally {
      await hub.stop();
      await folders.remove();
    }
  });
});
