import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { appendFile, mkdtemp, readdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { FileDigests } from "../verify/file-digest.js";
import { Verifier } from "../verify/verifier.js";
import { copyForImport, type Identify, placeImport, removeLeftImports } from "./import-file.js";

const { signal } = new AbortController();
const digests = new FileDigests();
const verifier = new Verifier({ digests });
const identify: Identify = (path, options) => verifier.identify(path, options);
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

let root = "";
let blobs = "";

async function source(name: string, text: string): Promise<string> {
  await writeFile(join(root, name), text);
  return join(root, name);
}

/** Something happens to the source between the copy and the end. */
function meanwhile(happens: () => Promise<unknown>): Identify {
  return async (path, options) => {
    await happens();
    return identify(path, options);
  };
}

describe("importing a file", () => {
  before(async () => {
    root = await mkdtemp(join(tmpdir(), "swarmd-import-"));
    blobs = join(root, "blobs");
  });
  after(async () => {
    await digests.stop();
    await rm(root, { recursive: true, force: true });
  });

  it("makes a copy, named by its content, that later changes of the source don't reach", async () => {
    const path = await source("a.bin", "first");
    const verified = await copyForImport(path, blobs, identify, { signal });
    assert.equal(verified.blob, `sha256:${sha256("first")}`);
    await placeImport(verified, join(blobs, sha256("first")));
    await writeFile(path, "other");
    assert.equal(await readFile(join(blobs, sha256("first")), "utf8"), "first");
    assert.equal((await stat(join(blobs, sha256("first")))).mode & 0o777, 0o644);
    assert.deepEqual(await readdir(blobs), [sha256("first")]);
  });

  it("keeps what is there already", async () => {
    const verified = await copyForImport(await source("b.bin", "first"), blobs, identify, { signal });
    const { ino } = await stat(join(blobs, sha256("first")));
    await placeImport(verified, join(blobs, sha256("first")));
    assert.equal((await stat(join(blobs, sha256("first")))).ino, ino);
    assert.equal((await readdir(blobs)).length, 1);
  });

  const changes: readonly (readonly [what: string, change: (path: string) => Promise<unknown>])[] = [
    ["grows", (path) => appendFile(path, "x")],
    ["is written anew with the same length", (path) => writeFile(path, "CHANGED")],
    [
      "is written and dated back",
      async (path) => {
        await writeFile(path, "CHANGED");
        await utimes(path, 1, 1);
      },
    ],
    [
      "is replaced",
      async (path) => {
        await writeFile(`${path}.new`, "changes");
        await rename(`${path}.new`, path);
      },
    ],
    ["is removed", (path) => rm(path)],
    [
      "becomes a link",
      async (path) => {
        await rm(path);
        await symlink("/etc/hostname", path);
      },
    ],
  ];
  for (const [what, change] of changes) {
    it(`refuses a file that ${what} meanwhile, and leaves nothing`, async () => {
      const path = await source("changing.bin", "changes");
      const importing = copyForImport(
        path,
        blobs,
        meanwhile(() => change(path)),
        { signal },
      );
      await assert.rejects(importing, { code: "USAGE" });
      assert.equal((await readdir(blobs)).length, 1);
      await rm(path, { force: true });
    });
  }

  it("follows no link, and takes an empty file as it is", async () => {
    await symlink("/etc/hostname", join(root, "link"));
    await assert.rejects(copyForImport(join(root, "link"), blobs, identify, { signal }), { code: "USAGE" });
    const { sizeBytes } = await copyForImport(await source("empty", ""), blobs, identify, { signal });
    assert.equal(sizeBytes, 0);
  });

  it("can be stopped, and what a killed import left is removed", async () => {
    const path = await source("c.bin", "content");
    const stopped = AbortSignal.abort();
    await assert.rejects(copyForImport(path, blobs, identify, { signal: stopped }), { code: "INTERRUPTED" });
    await writeFile(join(blobs, "import.0123abcd.incomplete"), "left");
    await writeFile(join(blobs, `${"a".repeat(64)}.0123abcd.incomplete`), "a download");
    await removeLeftImports(blobs);
    assert.deepEqual(
      (await readdir(blobs)).filter((name) => name.endsWith(".incomplete")),
      [`${"a".repeat(64)}.0123abcd.incomplete`],
    );
  });
});
