import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { FileLocks } from "./file-lock.js";
import { loadFlock } from "./flock.js";

const signal = new AbortController().signal;
let folder: string;
let path: string;
let events: { type: string }[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "swarmd-lock-"));
  path = join(folder, ".locks", "models--a--b", "x.lock");
  events = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function locks(load?: typeof loadFlock): FileLocks {
  const deps = { events: { emit: (event: { type: string }) => events.push(event) } };
  return new FileLocks(load === undefined ? deps : { ...deps, loadFlock: load });
}

for (const { id, load } of [
  { id: "with flock", load: loadFlock },
  { id: "without flock", load: async () => undefined },
  {
    id: "on a file system without flock",
    load: async () => ({
      tryLock: () => {
        throw new Error("ENOTSUP");
      },
    }),
  },
]) {
  describe(`locks ${id}`, () => {
    test("one at a time", async () => {
      const first = await locks(load).tryLock(path);
      assert.ok(first !== undefined);
      assert.equal(await locks(load).tryLock(path), undefined);
      await first.release();
      await first.release();
      const second = await locks(load).tryLock(path);
      assert.ok(second !== undefined);
      await second.release();
    });

    test("waiting ends when the lock is free, and the wait is told once", async () => {
      const first = await locks(load).lock(path, { signal });
      const second = locks(load).lock(path, { signal });
      setTimeout(() => void first.release(), 150);
      await (await second).release();
      assert.equal(events.filter(({ type }) => type === "store.lock-wait").length, 1);
    });

    test("waiting ends when the signal says so", async () => {
      const first = await locks(load).lock(path, { signal });
      const controller = new AbortController();
      const second = locks(load).lock(path, { signal: controller.signal });
      controller.abort();
      await assert.rejects(second, { code: "INTERRUPTED" });
      await first.release();
    });

    test("a lock file that was deleted meanwhile locks nobody out and nobody in", async () => {
      const first = await locks(load).lock(path, { signal });
      await rm(path, { force: true });
      await first.release();
      const second = await locks(load).lock(path, { signal });
      await second.release();
    });
  });
}

test("without flock, the log says so once, and a dead process's lock is cleared", async () => {
  const soft = locks(async () => undefined);
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(`${path}.swarmd`, `999999999 ${hostname()}`);
  for (let round = 0; round < 2; round++) await (await soft.lock(path, { signal })).release();
  assert.equal(events.filter(({ type }) => type === "store.soft-locks").length, 1);
  assert.deepEqual(await readdir(join(path, "..")), []);
});

test("a folder that can't be made is a clear error", async () => {
  await writeFile(join(folder, ".locks"), "a file in the place of the folder");
  await assert.rejects(locks().tryLock(path), { code: "STORE_FAULT", message: /could not lock/ });
});

const PYTHON = `
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o664)
fcntl.flock(fd, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
`;

test("Python's flock, which huggingface_hub takes, and ours exclude each other", async (t) => {
  await mkdir(join(path, ".."), { recursive: true });
  const python = spawn("python3", ["-c", PYTHON, path], { stdio: ["pipe", "pipe", "inherit"] });
  const isThere = await new Promise<boolean>((resolve) => {
    python.once("error", () => resolve(false));
    python.stdout.once("data", () => resolve(true));
  });
  if (!isThere) return t.skip("needs python3");
  assert.equal(await locks().tryLock(path), undefined);
  python.stdin.end();
  await once(python, "exit");
  const ours = await locks().tryLock(path);
  assert.ok(ours !== undefined);
  await ours.release();
});
