import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { FileEventLog } from "./file-event-log.js";

let dir: string;
let failures: unknown[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "swarmd-events-"));
  failures = [];
});

afterEach(() => rm(dir, { recursive: true, force: true }));

function openLog(options: { readonly maxFileBytes?: number; readonly maxQueued?: number; readonly dir?: string } = {}) {
  return new FileEventLog({ dir, ...options }, { now: () => 0, onFailure: (error) => failures.push(error) });
}

async function readEvents(name: string): Promise<Record<string, unknown>[]> {
  const text = await readFile(join(dir, name), "utf8");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

describe("the event log", () => {
  it("writes one line per event, in order, with the time", async () => {
    const log = openLog();
    log.emit({ type: "a", n: 1 });
    log.emit({ type: "b" });
    await log.close();
    assert.deepEqual(await readEvents("events.jsonl"), [
      { time: "1970-01-01T00:00:00.000Z", type: "a", n: 1 },
      { time: "1970-01-01T00:00:00.000Z", type: "b" },
    ]);
  });

  it("goes on where an earlier run stopped", async () => {
    for (const type of ["first", "second"]) {
      const log = openLog();
      log.emit({ type });
      await log.close();
    }
    const types = (await readEvents("events.jsonl")).map(({ type }) => type);
    assert.deepEqual(types, ["first", "second"]);
  });

  it("keeps two files, the older one under another name", async () => {
    for (let n = 0; n < 10; n += 1) {
      const log = openLog({ maxFileBytes: 150 });
      log.emit({ type: "event", n });
      await log.close();
    }
    assert.deepEqual((await readdir(dir)).sort(), ["events.1.jsonl", "events.jsonl"]);
    assert.deepEqual((await readEvents("events.jsonl")).at(-1)?.n, 9);
  });

  it("drops and counts what comes too fast", async () => {
    const log = openLog({ maxQueued: 3 });
    for (let n = 0; n < 10; n += 1) log.emit({ type: "event", n });
    await log.close();
    const events = await readEvents("events.jsonl");
    assert.deepEqual(
      events.map(({ type, count }) => count ?? type),
      ["event", "event", "event", 7],
    );
  });

  it("says once that it can't be written, and is silent then", async () => {
    const log = openLog({ dir: join(dir, "missing") });
    log.emit({ type: "a" });
    await log.close();
    log.emit({ type: "b" });
    assert.equal(failures.length, 1);
  });

  it("tries again later, and counts what it could not write", async () => {
    const missing = join(dir, "missing");
    let nowMs = 0;
    const log = new FileEventLog({ dir: missing }, { now: () => nowMs, onFailure: (error) => failures.push(error) });
    const emitAt = async (atMs: number) => {
      nowMs = atMs;
      log.emit({ type: "event", atMs });
      await setImmediate();
    };
    await emitAt(0);
    while (failures.length === 0) await setImmediate();
    await emitAt(1_000);
    await mkdir(missing);
    await emitAt(59_000);
    await emitAt(60_000);
    await log.close();
    const events = await readEvents(join("missing", "events.jsonl"));
    assert.deepEqual(
      events.map(({ type, atMs, count }) => atMs ?? `${type} ${count}`),
      [60_000, "events-dropped 3"],
    );
    assert.equal(failures.length, 1);
  });
});
