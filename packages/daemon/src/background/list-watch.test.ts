import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type ListReading, ListWatch } from "./list-watch.js";

/** Longer than any change takes to be noticed, and short enough for a test that fails. */
const DEADLINE_MS = 10_000;

describe("a list file", () => {
  let folder: string;
  let watch: ListWatch;
  let seen: ListReading[];
  let news: EventEmitter;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "swarmd-watch-"));
    seen = [];
    news = new EventEmitter();
  });
  afterEach(async () => {
    watch.stop();
    await rm(folder, { recursive: true });
  });
  const open = (path: string) => {
    watch = new ListWatch(path, (reading) => {
      seen.push(reading);
      news.emit("reading");
    });
    return watch.start();
  };
  /** Without anybody looking. */
  const noticed = async () => {
    // The watch keeps no process alive, so the deadline does.
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new Error("nobody noticed")), DEADLINE_MS);
    await once(news, "reading", { signal: late.signal }).finally(() => clearTimeout(timer));
  };

  it("tells by itself when it is replaced, goes, and comes back", async () => {
    const path = join(folder, "list");
    await writeFile(path, "1");
    await open(path);
    assert.deepEqual(seen, [{ kind: "text", text: "1" }]);

    let change = noticed();
    await writeFile(join(folder, "new"), "2");
    await rename(join(folder, "new"), path);
    await change;
    assert.deepEqual(seen.at(-1), { kind: "text", text: "2" });

    change = noticed();
    await rm(path);
    await change;
    assert.deepEqual(seen.at(-1), { kind: "missing" });

    change = noticed();
    await writeFile(path, "3");
    await change;
    assert.equal(seen.at(-1)?.kind, "text");
  });

  it("is followed behind links that are turned, as in a mounted ConfigMap", async () => {
    for (const name of ["1", "2"]) {
      await mkdir(join(folder, `..${name}`));
      await writeFile(join(folder, `..${name}`, "list"), name);
    }
    await symlink("..1", join(folder, "..data"));
    await symlink("..data/list", join(folder, "list"));
    await open(join(folder, "list"));
    const change = noticed();
    await symlink("..2", join(folder, "..tmp"));
    await rename(join(folder, "..tmp"), join(folder, "..data"));
    await change;
    assert.deepEqual(seen, [
      { kind: "text", text: "1" },
      { kind: "text", text: "2" },
    ]);
  });

  it("in a folder that is not there yet is found by looking", async () => {
    const path = join(folder, "later", "list");
    await open(path);
    assert.deepEqual(seen, [{ kind: "missing" }]);
    await mkdir(join(folder, "later"));
    await writeFile(path, "1");
    await watch.look();
    assert.deepEqual(seen.at(-1), { kind: "text", text: "1" });
    const change = noticed();
    await rm(path);
    await change;
    assert.deepEqual(seen.at(-1), { kind: "missing" });
  });

  it("that stays as it is is not read again", async () => {
    const path = join(folder, "list");
    await writeFile(path, "1");
    await open(path);
    await watch.look();
    await watch.look();
    assert.equal(seen.length, 1);
  });

  it("of more than a megabyte is none", async () => {
    const path = join(folder, "list");
    await writeFile(path, "#".repeat(1024 * 1024 + 1));
    await open(path);
    assert.deepEqual(seen, [{ kind: "unreadable", message: "longer than 1048576 bytes" }]);
  });
});
