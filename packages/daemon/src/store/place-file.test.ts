import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { parseBlobId, parseCommitId } from "@swarmd/protocol";
import { placeInLocalDir } from "./local-dir.js";
import { placeFile } from "./place-file.js";

let folder: string;
let source: string;
let target: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "swarmd-place-"));
  source = join(folder, "blob");
  target = join(folder, "some", "where", "model.bin");
  await writeFile(source, "content");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("placing a file", () => {
  test("links it where it can, and makes the folders", async () => {
    assert.equal(await placeFile(source, target), "linked");
    assert.equal((await stat(target)).ino, (await stat(source)).ino);
    assert.equal(await placeFile(source, target), "unchanged");
    assert.deepEqual(await readdir(join(target, "..")), ["model.bin"]);
  });

  for (const { id, before, placement } of [
    { id: "other content of another size", before: "old", placement: "linked" },
    { id: "other content of the same size", before: "CONTENT", placement: "linked" },
    { id: "the same content", before: "content", placement: "unchanged" },
  ]) {
    test(`over a file with ${id}: ${placement}`, async () => {
      await mkdir(join(target, ".."), { recursive: true });
      await writeFile(target, before);
      assert.equal(await placeFile(source, target), placement);
      assert.equal(await readFile(target, "utf8"), "content");
    });
  }

  test("replaces a link, and leaves alone what it led to", async () => {
    await mkdir(join(target, ".."), { recursive: true });
    await writeFile(join(folder, "other"), "precious");
    await symlink(join(folder, "other"), target);
    await placeFile(source, target);
    assert.equal(await readFile(target, "utf8"), "content");
    assert.equal(await readFile(join(folder, "other"), "utf8"), "precious");
  });

  test("of a blob that is a link itself, the file is placed", async () => {
    await symlink("blob", join(folder, "link"));
    await placeFile(join(folder, "link"), target);
    assert.ok((await stat(target)).isFile());
    assert.equal((await stat(target)).ino, (await stat(source)).ino);
  });

  test("a folder in its place is a clear error, and nothing is left behind", async () => {
    await mkdir(target, { recursive: true });
    await assert.rejects(placeFile(source, target), { code: "STORE_FAULT" });
    assert.deepEqual(await readdir(join(target, "..")), ["model.bin"]);
  });
});

describe("a local folder", () => {
  const commit = parseCommitId("c".repeat(40));
  const blob = parseBlobId(`sha256:${"a".repeat(64)}`);
  const placed = () => ({ blobPath: source, localDir: join(folder, "local"), path: "sub/model.bin", commit, blob });

  test("gets the file and the notes huggingface_hub keeps", async () => {
    await placeInLocalDir(placed(), {});
    const local = join(folder, "local");
    assert.equal(await readFile(join(local, "sub/model.bin"), "utf8"), "content");
    const note = await readFile(join(local, ".cache/huggingface/download/sub/model.bin.metadata"), "utf8");
    assert.match(note, /^c{40}\na{64}\n\d+(\.\d+)?\n$/);
    assert.equal(await readFile(join(local, ".cache/huggingface/.gitignore"), "utf8"), "*");
  });

  test("a file that was edited since is replaced, an untouched one is not", async () => {
    await placeInLocalDir(placed(), {});
    const path = join(folder, "local", "sub", "model.bin");
    await rm(path);
    await writeFile(path, "CONTENT");
    const later = new Date(Date.now() + 60_000);
    await utimes(path, later, later);
    await placeInLocalDir(placed(), {});
    assert.equal(await readFile(path, "utf8"), "content");
    const note = join(folder, "local/.cache/huggingface/download/sub/model.bin.metadata");
    const before = await stat(note);
    await placeInLocalDir(placed(), {});
    assert.equal((await stat(note)).ino, before.ino);
  });

  test("a name that climbs is refused", async () => {
    await assert.rejects(placeInLocalDir({ ...placed(), path: "../x" }, {}), { code: "UNSAFE_FILE_NAME" });
  });
});
