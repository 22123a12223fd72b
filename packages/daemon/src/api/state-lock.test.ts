import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { SwarmError } from "@swarmd/protocol";
import { acquireStateLock } from "./state-lock.js";

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "swarmd-lock-"));
});

afterEach(() => rm(dir, { recursive: true, force: true }));

/** The id of a process that is gone. */
async function findDeadPid(): Promise<number> {
  const child = spawn(process.execPath, ["-e", "0"], { stdio: "ignore" });
  await once(child, "exit");
  return child.pid as number;
}

describe("the lock of a state folder", () => {
  it("is held once, and names its holder", async () => {
    const lock = await acquireStateLock(dir, "swarmd start");
    await assert.rejects(acquireStateLock(dir, "swarm pull"), (error: SwarmError) => {
      assert.equal(error.code, "STATE_IN_USE");
      assert.match(error.message, new RegExp(`swarmd start \\(process ${process.pid}\\)`));
      return true;
    });
    await lock.release();
    await (await acquireStateLock(dir, "swarm pull")).release();
    assert.deepEqual(await readdir(dir), []);
  });

  it("releasing twice does not free the next holder's", async () => {
    const first = await acquireStateLock(dir, "a");
    await first.release();
    const second = await acquireStateLock(dir, "b");
    await first.release();
    assert.match(await readFile(join(dir, "swarmd.lock"), "utf8"), /"b"/);
    await second.release();
  });

  it("is taken over from a process that died", async () => {
    await writeFile(join(dir, "swarmd.lock"), JSON.stringify({ pid: await findDeadPid(), command: "swarmd start" }));
    await (await acquireStateLock(dir, "swarm pull")).release();
    assert.deepEqual(await readdir(dir), []);
  });

  it("is taken over when its pid belongs to another process by now", {
    skip: process.platform !== "linux" && "needs /proc",
  }, async () => {
    const holder = { pid: process.pid, command: "swarmd start", processStart: "an-earlier-boot 123" };
    await writeFile(join(dir, "swarmd.lock"), JSON.stringify(holder));
    await (await acquireStateLock(dir, "swarm pull")).release();
  });

  it("is taken over when it is torn", async () => {
    await writeFile(join(dir, "swarmd.lock"), '{"pi');
    await (await acquireStateLock(dir, "swarm pull")).release();
  });

  it("goes to exactly one of many who find a dead one", async () => {
    const dead = JSON.stringify({ pid: await findDeadPid(), command: "swarmd start" });
    for (let round = 0; round < 50; round += 1) {
      await writeFile(join(dir, "swarmd.lock"), dead);
      const tries = await Promise.allSettled(
        Array.from({ length: 8 }, (_, index) => acquireStateLock(dir, `n${index}`)),
      );
      const held = tries.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
      assert.equal(held.length, 1);
      await held[0]?.release();
      assert.deepEqual(await readdir(dir), []);
    }
  });

  it("is taken over although another died while clearing it", async () => {
    const dead = JSON.stringify({ pid: await findDeadPid(), command: "swarmd start" });
    for (const name of ["swarmd.lock", "swarmd.lock.clearing"]) await writeFile(join(dir, name), dead);
    await (await acquireStateLock(dir, "swarm pull")).release();
    assert.deepEqual(await readdir(dir), []);
  });

  it("says so when the folder can't be written", {
    skip: process.getuid?.() === 0 && "root may write anywhere",
  }, async () => {
    await chmod(dir, 0o500);
    await assert.rejects(acquireStateLock(dir, "x"), (error: SwarmError) => error.code === "STORE_FAULT");
  });
});
