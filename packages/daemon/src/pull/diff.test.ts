import assert from "node:assert/strict";
import { test } from "node:test";
import { parseBlobId, SHARD_BYTES } from "@swarmd/protocol";
import { compareFiles } from "./diff.js";

const file = (path: string, content: string, sizeBytes = 10) => ({
  path,
  sizeBytes,
  blob: parseBlobId(`sha256:${content.repeat(64)}`),
});

test("files are added, removed or changed; what is the same is left out", () => {
  const from = [file("same", "a"), file("gone", "b"), file("weights", "c", 3 * SHARD_BYTES)];
  const to = [file("weights", "d", 2 * SHARD_BYTES + 1), file("same", "a"), file("new", "b", 1)];
  assert.deepEqual(compareFiles(from, to), [
    { path: "gone", state: "removed", fromBytes: 10, toBytes: 0, shards: 0 },
    { path: "new", state: "added", fromBytes: 0, toBytes: 1, shards: 1 },
    { path: "weights", state: "changed", fromBytes: 3 * SHARD_BYTES, toBytes: 2 * SHARD_BYTES + 1, shards: 3 },
  ]);
});

test("a revision is the same as itself", () => {
  const files = [file("a", "a"), file("b", "b")];
  assert.deepEqual(compareFiles(files, files), []);
});
