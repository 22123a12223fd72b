import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { parseBlobId, parseCommitId, parseRepoSpec, parseRevision, type RepoFile } from "@swarmd/protocol";
import { formatTree, readTree, writeTree } from "./trees.js";

const commit = parseCommitId("c".repeat(40));
const files: RepoFile[] = [
  { path: "b.bin", sizeBytes: 1234, blob: parseBlobId(`sha256:${"a".repeat(64)}`), xetHash: "d".repeat(64) },
  { path: "10", sizeBytes: 0, blob: parseBlobId(`git-sha1:${"e".repeat(40)}`) },
  { path: "é/𝄞\u007f.txt", sizeBytes: 7, blob: parseBlobId(`git-sha1:${"f".repeat(40)}`) },
  { path: "B", sizeBytes: 7, blob: parseBlobId(`git-sha1:${"f".repeat(40)}`) },
];

/** As Python 3.11 wrote it: `json.dump({"format_version": 1, "files": …}, f, indent=1)` with sorted paths. */
const PYTHON = `{
 "format_version": 1,
 "files": {
  "10": {
   "size": 0,
   "blob_id": "${"e".repeat(40)}"
  },
  "B": {
   "size": 7,
   "blob_id": "${"f".repeat(40)}"
  },
  "b.bin": {
   "size": 1234,
   "blob_id": "POINTER",
   "lfs_sha256": "${"a".repeat(64)}",
   "lfs_size": 1234,
   "xet_hash": "${"d".repeat(64)}"
  },
  "\\u00e9/\\ud834\\udd1e\\u007f.txt": {
   "size": 7,
   "blob_id": "${"f".repeat(40)}"
  }
 }
}`;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "swarmd-trees-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("a tree is written as huggingface_hub writes it", () => {
  assert.equal(formatTree(files).replace(/"blob_id": "(?!e{40}|f{40})[0-9a-f]{40}"/, '"blob_id": "POINTER"'), PYTHON);
  assert.equal(formatTree([]), '{\n "format_version": 1,\n "files": {}\n}');
});

test("the git id of an LFS file is that of its pointer", () => {
  // `git hash-object` of the three lines of the pointer file.
  const blob = parseBlobId("sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393");
  assert.match(
    formatTree([{ path: "x", sizeBytes: 12345, blob }]),
    /"blob_id": "60c8d8ab2adcf57a391163a7eeb0cdb8bf348e44"/,
  );
});

test("what was written is read", async () => {
  const { repo } = parseRepoSpec("org/name");
  await writeTree(folder, { repo, revision: parseRevision("main"), commit, files });
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1));
  const read = await readTree(folder, commit);
  assert.deepEqual(
    [...(read ?? [])].sort((a, b) => (a.path < b.path ? -1 : 1)),
    sorted,
  );
});

for (const { id, content } of [
  { id: "of another format", content: '{"format_version": 2, "files": {}}' },
  { id: "cut short", content: '{"format_version": 1, "fil' },
  { id: "with a digest that is none", content: '{"format_version":1,"files":{"a":{"size":1,"blob_id":"x"}}}' },
  {
    id: "with a size that is none",
    content: `{"format_version":1,"files":{"a":{"size":-1,"blob_id":"${"e".repeat(40)}"}}}`,
  },
]) {
  test(`a tree ${id} counts as none`, async () => {
    const { repo } = parseRepoSpec("org/name");
    await writeTree(folder, { repo, revision: parseRevision("main"), commit, files: [] });
    await writeFile(join(folder, "trees", `${commit}.json`), content);
    assert.equal(await readTree(folder, commit), undefined);
  });
}
