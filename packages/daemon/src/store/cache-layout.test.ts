import assert from "node:assert/strict";
import { test } from "node:test";
import { parseBlobId, parseCommitId, parseRepoSpec, parseRevision } from "@swarmd/protocol";
import {
  blobPath,
  findBlobOfName,
  findRepoOfFolder,
  linkTarget,
  lockPath,
  refPath,
  repoFolderName,
  snapshotPath,
  stagingPath,
} from "./cache-layout.js";

const SHA256 = "a".repeat(64);
const GIT = "b".repeat(40);
const blob = parseBlobId(`sha256:${SHA256}`);
const small = parseBlobId(`git-sha1:${GIT}`);

for (const { id, spec, folder } of [
  { id: "a model", spec: "org/name", folder: "models--org--name" },
  { id: "a model without an organization", spec: "gpt2", folder: "models--gpt2" },
  { id: "a dataset", spec: "datasets/org/na.me_1-x", folder: "datasets--org--na.me_1-x" },
  { id: "a space", spec: "spaces/org/name", folder: "spaces--org--name" },
]) {
  test(`the folder of ${id}, and back`, () => {
    const { repo } = parseRepoSpec(spec);
    assert.equal(repoFolderName(repo), folder);
    assert.deepEqual(findRepoOfFolder(folder), repo);
  });
}

for (const folder of [".locks", "blobs", "models", "models--", "models--a--b--c", "tmp--x", "models--..--x", "xet"]) {
  test(`${folder} is no repo folder`, () => assert.equal(findRepoOfFolder(folder), undefined));
}

test("paths inside a repo folder", () => {
  const commit = parseCommitId("c".repeat(40));
  assert.equal(blobPath("/r", blob), `/r/blobs/${SHA256}`);
  assert.equal(stagingPath("/r", small, "01234567"), `/r/blobs/${GIT}.01234567.incomplete`);
  assert.equal(snapshotPath("/r", commit), `/r/snapshots/${commit}`);
  assert.equal(refPath("/r", parseRevision("refs/pr/1")), "/r/refs/refs/pr/1");
  assert.equal(lockPath("/c", parseRepoSpec("o/n").repo, blob), `/c/.locks/models--o--n/${SHA256}.lock`);
});

test("a link climbs as many folders as its path has", () => {
  assert.equal(linkTarget("config.json", small), `../../blobs/${GIT}`);
  assert.equal(linkTarget("onnx/fp16/model.onnx", blob), `../../../../blobs/${SHA256}`);
});

test("only finished blobs are taken for blobs", () => {
  assert.equal(findBlobOfName(SHA256), blob);
  assert.equal(findBlobOfName(GIT), small);
  for (const name of [`${SHA256}.01234567.incomplete`, `${SHA256}.incomplete`, "x", "A".repeat(64), ""]) {
    assert.equal(findBlobOfName(name), undefined, name);
  }
});
