import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { parseCommitId, parseRepoSpec } from "@swarmd/protocol";
import { CacheBook } from "./cache-book.js";

const { repo } = parseRepoSpec("acme/model");
const COMMIT = parseCommitId("1".repeat(40));

let root: string;
let cacheDir: string;
let stateDir: string;
let events: string[];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "swarmd-book-"));
  [cacheDir, stateDir] = [join(root, "hub"), join(root, "state")];
  await mkdir(cacheDir);
  events = [];
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function openBook(): Promise<CacheBook> {
  const book = new CacheBook({ cacheDir, stateDir }, { events: { emit: ({ type }) => void events.push(type) } });
  await book.load();
  return book;
}

describe("CacheBook", () => {
  it("knows whose a file is though the node was killed at once", async () => {
    const book = await openBook();
    const paths = Array.from({ length: 50 }, (_, at) => join(cacheDir, `blobs-${at}`));
    await Promise.all(paths.map((path) => book.noteOwn(path)));
    const other = await openBook();
    assert.ok(paths.every((path) => other.isOwn(path)));
    assert.equal(other.isOwn(join(cacheDir, "somebody-else's")), false);
  });

  it("takes the middle of a line for the end of an earlier run", async () => {
    await mkdir(join(stateDir, "cache"), { recursive: true });
    await writeFile(join(stateDir, "cache", "book.jsonl"), '{"own":"one"}\n{"own":"tw');
    const book = await openBook();
    await book.noteOwn(join(cacheDir, "three"));
    const again = await openBook();
    assert.deepEqual(
      ["one", "tw", "two", "three"].map((name) => again.isOwn(join(cacheDir, name))),
      [true, false, false, true],
    );
  });

  it("forgets what an earlier run put there and is gone, but not what is about to come", async () => {
    const earlier = await openBook();
    for (const name of ["there", "unseen", "gone", "coming"]) await earlier.noteOwn(join(cacheDir, name));
    await earlier.stop();
    await writeFile(join(cacheDir, "unseen"), "it came after the look");
    const book = await openBook();
    await book.noteOwn(join(cacheDir, "coming"));
    await book.forgetGone([join(cacheDir, "there")]);
    assert.deepEqual(
      ["there", "unseen", "gone", "coming"].map((name) => book.isOwn(join(cacheDir, name))),
      [true, true, false, true],
    );
  });

  it("keeps what could not be written, and writes it with what comes next", async () => {
    // A file in the place of the folder.
    await mkdir(stateDir);
    await writeFile(join(stateDir, "cache"), "");
    const book = await openBook();
    await book.noteOwn(join(cacheDir, "first"));
    await book.noteOwn(join(cacheDir, "second"));
    assert.deepEqual(events, ["cache.book-not-written"]);
    await rm(join(stateDir, "cache"));
    await book.noteOwn(join(cacheDir, "third"));
    const lines = (await readFile(join(stateDir, "cache", "book.jsonl"), "utf8")).split("\n").filter(Boolean);
    assert.deepEqual(lines.map((line) => JSON.parse(line).own).sort(), ["first", "second", "third"]);
    await book.stop();
  });

  it("remembers the last use of a revision, and the latest of all", async () => {
    const book = await openBook();
    book.noteUse(repo, COMMIT, 1_000);
    book.noteUse(repo, COMMIT, 900);
    await book.stop();
    const again = await openBook();
    assert.equal(again.lastUseMs(repo, COMMIT), 1_000);
    assert.equal(again.newestUseMs, 1_000);
  });
});
