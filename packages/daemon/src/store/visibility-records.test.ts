import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parseRepoSpec } from "@swarmd/protocol";
import { VisibilityRecords } from "./visibility-records.js";

const [A, B] = [parseRepoSpec("org/a").repo, parseRepoSpec("datasets/org/a").repo];
const OPEN = { isPrivate: false, isGated: false };
const GATED = { isPrivate: false, isGated: true };

describe("what the origin said of a repo", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "swarmd-visibility-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));
  const open = (name: string, endpoint = "https://hub") =>
    new VisibilityRecords({ path: join(folder, name), endpoint });

  it("is known to the next run, for this repo and this origin only", async () => {
    const records = open("a.json");
    await Promise.all([records.note(A, OPEN), records.note(B, GATED)]);
    const next = open("a.json");
    assert.deepEqual([await next.find(A), await next.find(B)], [OPEN, GATED]);
    assert.equal(await open("a.json", "https://other").find(A), undefined);
    assert.deepEqual(await readdir(folder), ["a.json"]);
  });

  it("changes, and is forgotten when the origin denies the repo", async () => {
    const records = open("b.json");
    await records.note(A, OPEN);
    await records.note(A, GATED);
    await records.note(B, OPEN);
    await records.note(B, undefined);
    const next = open("b.json");
    assert.deepEqual([await next.find(A), await next.find(B)], [GATED, undefined]);
  });

  for (const { id, text } of [
    { id: "torn", text: '{"repos":[["https://hub org/a"' },
    { id: "something else", text: "[1,2]" },
    { id: "a record without a word of it", text: '{"repos":[["https://hub org/a",{"isPrivate":"no"}],null]}' },
    { id: "empty", text: "" },
  ]) {
    it(`is unknown when the file is damaged: ${id}; and can be written anew`, async () => {
      await writeFile(join(folder, "c.json"), text);
      const records = open("c.json");
      assert.equal(await records.find(A), undefined);
      await records.note(A, OPEN);
      assert.deepEqual(await open("c.json").find(A), OPEN);
      JSON.parse(await readFile(join(folder, "c.json"), "utf8"));
    });
  }
});
