import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { parseNodeId } from "@swarmd/protocol";
import { BanList } from "./ban-list.js";

const MINUTE_MS = 60_000;
const [A, B] = [parseNodeId("peerA"), parseNodeId("peerB")];
let folder: string;
let path: string;
let nowMs: number;
let count = 0;
const lists: BanList[] = [];

async function load(): Promise<BanList> {
  const list = await BanList.load(path, {
    wallMs: () => nowMs,
    onFault: (error) => {
      throw error;
    },
  });
  lists.push(list);
  return list;
}

describe("BanList", () => {
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "swarmd-bans-"));
  });
  beforeEach(() => {
    path = join(folder, `bans-${count++}.json`);
    nowMs = 1_000_000_000_000;
  });
  afterEach(async () => {
    for (const list of lists.splice(0)) await list.flush();
  });
  after(() => rm(folder, { recursive: true }));

  it("lasts ten minutes, then an hour, then a day, and a day each time after", async () => {
    const bans = await load();
    const lasted = [1, 2, 3, 4].map(() => {
      const { untilMs, sinceMs } = bans.add(A, "wrong bytes");
      nowMs = untilMs - 1;
      assert.ok(bans.isBanned(A));
      nowMs = untilMs;
      assert.ok(!bans.isBanned(A));
      return (untilMs - sinceMs) / MINUTE_MS;
    });
    assert.deepEqual(lasted, [10, 60, 1440, 1440]);
  });

  it("is the same after a restart, and remembers how often", async () => {
    const bans = await load();
    bans.add(A, "wrong bytes");
    await bans.flush();
    nowMs += MINUTE_MS;
    const again = await load();
    assert.deepEqual(
      again.inForce.map(({ id, why, times }) => ({ id, why, times })),
      [{ id: A, why: "wrong bytes", times: 1 }],
    );
    nowMs += 10 * MINUTE_MS;
    assert.equal(again.add(A, "again").times, 2);
  });

  it("does not grow while it is in force, and is forgotten a month after its end", async () => {
    const bans = await load();
    const first = bans.add(A, "one");
    nowMs += MINUTE_MS;
    assert.deepEqual(bans.add(A, "two"), first);
    nowMs = first.untilMs + 31 * 24 * 60 * MINUTE_MS;
    bans.add(B, "other");
    assert.equal(bans.add(A, "three").times, 1);
  });

  it("is lifted by hand, with its past", async () => {
    const bans = await load();
    bans.add(A, "one");
    assert.equal(bans.lift(A), true);
    assert.equal(bans.lift(A), false);
    assert.ok(!bans.isBanned(A));
    assert.equal(bans.add(A, "two").times, 1);
  });

  for (const text of [
    "",
    "{",
    "null",
    '[{"id":1}]',
    '[null, {"id":"peerB","why":"x","times":-1,"sinceMs":1,"untilMs":2}]',
  ]) {
    it(`begins anew where the file says ${JSON.stringify(text)}`, async () => {
      await writeFile(path, text);
      assert.deepEqual((await load()).inForce, []);
    });
  }
});
