/** What swarmd writes must be a cache to others: read here by the cache functions of npm `@huggingface/hub`. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { downloadFileToCacheDir, scanCacheDir } from "@huggingface/hub";
import { BlobStore } from "@swarmd/daemon/store/blob-store";
import { FileDigests } from "@swarmd/daemon/verify/file-digest";
import { loadBlake3 } from "@swarmd/daemon/verify/shard-hasher";
import { Verifier } from "@swarmd/daemon/verify/verifier";
import { parseBlobId, parseCommitId, parseRepoSpec, parseRevision } from "@swarmd/protocol";

const signal = new AbortController().signal;
const commit = parseCommitId("c".repeat(40));

test("scanCacheDir and downloadFileToCacheDir read a cache that swarmd has written", async () => {
  const folder = await mkdtemp(join(tmpdir(), "swarmd-foreign-"));
  const { createShardHasher } = await loadBlake3();
  const cacheDir = join(folder, "cache");
  const events = { emit: () => undefined };
  const store = new BlobStore({ cacheDir, stateDir: join(folder, "state") }, { createShardHasher, events });
  const digests = new FileDigests();
  const verifier = new Verifier({ digests });
  try {
    await store.start();
    const content = new Map([
      ["config.json", randomBytes(100)],
      ["model.safetensors", randomBytes(3_000_000)],
    ]);
    for (const spec of ["org/model", "datasets/org/data"]) {
      const { repo } = parseRepoSpec(spec);
      for (const [path, bytes] of content) {
        const blob = parseBlobId(`sha256:${createHash("sha256").update(bytes).digest("hex")}`);
        const sizeBytes = bytes.length;
        const opened = await store.openStaging({ blob, sizeBytes, repo, signal });
        assert.ok(opened.kind === "staging");
        await opened.staging.write(0, [bytes]);
        await opened.staging.seal();
        const verified = await verifier.verifyFile({ path: opened.staging.path, sizeBytes, blob, signal });
        await store.commit(opened.staging, verified);
        await store.link({ repo, commit, path, blob });
      }
      await store.writeRef(repo, parseRevision("main"), commit);
    }

    const scanned = await scanCacheDir(cacheDir);
    assert.deepEqual(scanned.warnings, []);
    assert.deepEqual(scanned.repos.map(({ id }) => `${id.type}:${id.name}`).sort(), [
      "dataset:org/data",
      "model:org/model",
    ]);
    for (const { revisions, size } of scanned.repos) {
      assert.equal(size, 3_000_100);
      assert.deepEqual(
        revisions.map(({ commitOid, refs, files }) => ({ commitOid, refs, files: files.length })),
        [{ commitOid: commit, refs: ["main"], files: 2 }],
      );
    }
    // It must find the file without asking anybody.
    const fetch = () => Promise.reject(new Error("no network is needed"));
    const path = await downloadFileToCacheDir({
      repo: "org/model",
      path: "model.safetensors",
      revision: commit,
      cacheDir,
      fetch,
    });
    assert.deepEqual(await readFile(path), content.get("model.safetensors"));
  } finally {
    await store.stop();
    await digests.stop();
    await rm(folder, { recursive: true, force: true });
  }
});
