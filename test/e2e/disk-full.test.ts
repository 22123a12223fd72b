/** A real disk that is full: exit code 7, the daemon goes on, and with room again so does the pull. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import {
  environmentFor,
  type Folders,
  jsonLines,
  launch,
  makeFolders,
  runSwarm,
  startDaemon,
  stopDaemon,
} from "../support/binaries.js";
import { assertCacheIsSound } from "../support/cache-checks.js";
import { syntheticContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";

const MIB = 1024 * 1024;
const DISK_MIB = 200;
const REPO = "acme/large";
const mayMount = process.platform === "linux" && process.getuid?.() === 0;

describe("a full disk", { skip: mayMount ? false : "needs root on Linux, to mount a small disk" }, () => {
  let hub: EmbeddedHub;
  let place: Folders;
  let env: NodeJS.ProcessEnv;

  before(async () => {
    const files = { "config.json": "{}", "model.safetensors": syntheticContent({ seed: 5, sizeBytes: 100 * MIB }) };
    hub = await EmbeddedHub.start({
      repos: [
        { name: REPO, files },
        { name: "acme/huge", files: { "model.safetensors": syntheticContent({ seed: 6, sizeBytes: 400 * MIB }) } },
      ],
    });
    await hub.prepare();
    place = await makeFolders();
    await mkdir(place.cacheDir);
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_MIB}m`, "tmpfs", place.cacheDir]);
    env = environmentFor(place, hub.url);
  });
  after(async () => {
    execFileSync("umount", [place.cacheDir]);
    await hub.stop();
    await place.remove();
  });

  it("is found before the first byte when the repo can't fit", async () => {
    const run = await runSwarm(["pull", "acme/huge", "--json"], env);
    assert.equal(run.exitCode, 7, run.stderr);
    const error = jsonLines(run.stdout).at(-1);
    assert.equal(error?.code, "NO_SPACE");
    assert.match(`${error?.message} ${error?.hint}`, /free|MB|MiB/);
    assert.equal(hub.stats().files["acme/huge/model.safetensors"]?.bytesSent ?? 0, 0);
  });

  it("that fills up midway ends the pull with 7, not the daemon, and what came is kept", async () => {
    hub.configure({ uplinkBytesPerSecond: 40_000_000 });
    const daemon = await startDaemon([], env);
    try {
      const pull = launch("swarm", ["pull", REPO, "--json"], env);
      await new Promise<void>((resolve) => {
        pull.child.stdout?.on("data", () => {
          if (
            jsonLines(completeLines(pull.stdout())).some(
              ({ type, bytes }) => type === "progress" && Number(bytes) > 10 * MIB,
            )
          )
            resolve();
        });
      });
      // Somebody else takes the rest of the disk.
      const hog = join(place.cacheDir, "hog");
      await writeFile(hog, Buffer.alloc((DISK_MIB - 40) * MIB)).catch(() => undefined);
      const { exitCode, stdout, stderr } = await pull.finished;
      assert.equal(exitCode, 7, `${stdout}\n${stderr}`);
      assert.equal(daemon.child.exitCode, null, "the daemon is alive");
      await assertCacheIsSound(place.cacheDir);
      await rm(hog);
      hub.configure({ uplinkBytesPerSecond: undefined });
      const again = await runSwarm(["pull", REPO, "--json"], env);
      assert.equal(again.exitCode, 0, again.stderr);
      const done = jsonLines(again.stdout).at(-1);
      assert.ok(Number(done?.bytesFromCache) > 5 * MIB, `${done?.bytesFromCache} bytes were kept`);
      assert.equal(await assertCacheIsSound(place.cacheDir), 2);
    } finally {
      await stopDaemon(daemon);
    }
  });
});

/** Without the last line, which may not be whole yet. */
function completeLines(text: string): string {
  return text.slice(0, text.lastIndexOf("\n") + 1);
}
