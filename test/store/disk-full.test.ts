/** A real file system that runs full: a small tmpfs, which only root can mount. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { BlobStore } from "@swarmd/daemon/store/blob-store";
import { FileDigests } from "@swarmd/daemon/verify/file-digest";
import { loadBlake3 } from "@swarmd/daemon/verify/shard-hasher";
import { Verifier } from "@swarmd/daemon/verify/verifier";
import { parseBlobId, parseRepoSpec } from "@swarmd/protocol";
import { originJudge } from "../support/origin-judge.js";

const MIB = 1024 * 1024;
const signal = new AbortController().signal;
const { repo } = parseRepoSpec("org/model");

/** @returns whether it worked */
function mountTmpfs(folder: string, sizeBytes: number): boolean {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${sizeBytes}`, "tmpfs", folder], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

test("a disk that runs full: NO_SPACE, nothing half done in sight, and the next try goes on", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "swarmd-full-"));
  const cacheDir = join(folder, "cache");
  await mkdir(cacheDir);
  if (!mountTmpfs(cacheDir, 8 * MIB)) {
    await rm(folder, { recursive: true });
    return t.skip("needs root, to mount a small file system");
  }
  const { createShardHasher } = await loadBlake3();
  const digests = new FileDigests();
  const open = () =>
    new BlobStore(
      { cacheDir, stateDir: join(folder, "state"), marginBytes: 0 },
      { createShardHasher, events: { emit: () => undefined } },
    );
  const bytes = randomBytes(6 * MIB);
  const blob = parseBlobId(`sha256:${createHash("sha256").update(bytes).digest("hex")}`);
  const openStaging = async (store: BlobStore) => {
    const opened = await store.openStaging({ blob, sizeBytes: bytes.length, shardBytes: MIB, repo, signal });
    assert.ok(opened.kind === "staging");
    return opened.staging;
  };
  const writeShard = async (staging: Awaited<ReturnType<typeof openStaging>>, shard: number) => {
    const chunk = bytes.subarray(shard * MIB, (shard + 1) * MIB);
    await staging.write(shard * MIB, [chunk]);
    const hasher = createShardHasher();
    hasher.update(chunk);
    staging.noteChecked(originJudge().fromOrigin({ ...staging, shard }, hasher.digest()));
  };
  try {
    const first = open();
    await first.start();
    await assert.rejects(first.reserve(9 * MIB), { code: "NO_SPACE", message: /9.44 MB are needed/ });
    await writeFile(join(cacheDir, "ballast"), Buffer.alloc(5 * MIB));
    const staging = await openStaging(first);
    const error = await (async () => {
      for (let shard = 0; shard < 6; shard++) await writeShard(staging, shard);
    })().catch((thrown) => thrown);
    assert.equal(error.code, "NO_SPACE");
    assert.match(error.message, /no space left to write .* were still to be written/);
    assert.equal(await first.find(blob), undefined);
    const { checked } = staging.resumeState();
    assert.ok(checked.length >= 2, "what was fetched is kept");
    await first.stop();

    await rm(join(cacheDir, "ballast"));
    const second = open();
    await second.start();
    assert.equal(second.partialBytes(blob), checked.length * MIB);
    const resumed = await openStaging(second);
    assert.deepEqual(resumed.resumeState().checked, checked);
    for (let shard = 0; shard < 6; shard++) if (!checked.includes(shard)) await writeShard(resumed, shard);
    await resumed.seal();
    const verifier = new Verifier({ digests });
    const { path, sizeBytes } = resumed;
    await second.commit(resumed, await verifier.verifyFile({ path, sizeBytes, blob, signal }));
    assert.deepEqual(await readdir(join(cacheDir, "models--org--model", "blobs")), [blob.slice(7)]);
    await second.stop();
  } finally {
    await digests.stop();
    execFileSync("umount", ["--lazy", cacheDir]);
    await rm(folder, { recursive: true, force: true });
  }
});
