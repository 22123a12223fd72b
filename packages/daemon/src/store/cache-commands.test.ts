import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { access, lstat, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import {
  type BlobId,
  type CommitId,
  parseBlobId,
  parseCommitId,
  parseRepoSpec,
  parseRevision,
  type RepoRef,
} from "@swarmd/protocol";
import type { VerifyEvent } from "@swarmd/protocol/api";
import { FileDigests } from "../verify/file-digest.js";
import { type Blake3, loadBlake3 } from "../verify/shard-hasher.js";
import { Verifier } from "../verify/verifier.js";
import { auditCache } from "./audit.js";
import { BlobStore } from "./blob-store.js";
import { listCache } from "./listing.js";
import { removeFromCache } from "./removal.js";

const signal = new AbortController().signal;
const digests = new FileDigests();
const verifier = new Verifier({ digests });
const repo = parseRepoSpec("org/model").repo;
const other = parseRepoSpec("datasets/org/data").repo;
const [old, young] = [parseCommitId("1".repeat(40)), parseCommitId("2".repeat(40))];
let blake3: Blake3;
let folder: string;
let store: BlobStore;

before(async () => {
  blake3 = await loadBlake3();
});
after(() => digests.stop());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "swarmd-cache-"));
  store = new BlobStore(
    { cacheDir: join(folder, "cache"), stateDir: join(folder, "state"), marginBytes: 0 },
    { createShardHasher: blake3.createShardHasher, events: { emit: () => undefined } },
  );
  await store.start();
  // Two revisions of one repo that share a file, and another repo that shares one too.
  await add(repo, old, { "config.json": "old", "sub/model.bin": "weights" });
  await add(repo, young, { "config.json": "young", "sub/model.bin": "weights" });
  await store.writeRef(repo, parseRevision("main"), young);
  await store.writeRef(repo, parseRevision("refs/pr/1"), old);
  await add(other, old, { "data.txt": "young" });
});
afterEach(async () => {
  await store.stop();
  await rm(folder, { recursive: true, force: true });
});

function blobOf(content: string): BlobId {
  return parseBlobId(`sha256:${createHash("sha256").update(content).digest("hex")}`);
}

async function add(to: RepoRef, commit: CommitId, files: Readonly<Record<string, string>>): Promise<void> {
  const list = Object.entries(files).map(([path, content]) => ({
    path,
    sizeBytes: content.length,
    blob: blobOf(content),
  }));
  for (const { path, sizeBytes, blob } of list) {
    const opened = await store.openStaging({ blob, sizeBytes, repo: to, signal });
    if (opened.kind === "staging") {
      await opened.staging.write(0, [Buffer.from(files[path] as string)]);
      await opened.staging.seal();
      const { staging } = opened;
      await store.commit(staging, await verifier.verifyFile({ path: staging.path, sizeBytes, blob, signal }));
    }
    await store.link({ repo: to, commit, path, blob });
  }
  await store.writeTree({ repo: to, revision: parseRevision("main"), commit, files: list });
}

async function leavePartial(): Promise<string> {
  const opened = await store.openStaging({ blob: blobOf("half"), sizeBytes: 1000, repo, signal });
  assert.ok(opened.kind === "staging");
  await opened.staging.write(0, [Buffer.alloc(600)]);
  opened.staging.noteWatermark(0, 600, new Uint8Array(32));
  await opened.staging.close();
  return opened.staging.path;
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function blobPath(name: string, content: string): string {
  return join(store.cacheDir, name, "blobs", blobOf(content).slice(7));
}

describe("listing", () => {
  test("shows each revision with its refs, and counts shared content once", async () => {
    await leavePartial();
    const listing = await listCache(store, { signal });
    assert.deepEqual(
      listing.revisions.map(({ repo, commit, refs, files, bytes }) => ({ repo, commit, refs, files, bytes })),
      [
        { repo: "datasets/org/data", commit: old, refs: [], files: 1, bytes: 5 },
        { repo: "org/model", commit: old, refs: ["refs/pr/1"], files: 2, bytes: 10 },
        { repo: "org/model", commit: young, refs: ["main"], files: 2, bytes: 12 },
      ],
    );
    assert.deepEqual(listing.partial, [{ repo: "org/model", blob: blobOf("half"), sizeBytes: 1000, bytes: 600 }]);
    assert.equal(listing.totalBytes, 5 + 3 + 7 + 5 + 600);
    assert.ok(Math.abs(Date.parse(listing.revisions[0]?.lastModified ?? "") - Date.now()) < 60_000);
  });

  test("takes damage as it comes", async () => {
    await rm(blobPath("models--org--model", "weights"));
    await mkdir(join(store.cacheDir, "models--broken"));
    await writeFile(join(store.cacheDir, "models--a--file"), "");
    const listing = await listCache(store, { signal });
    assert.deepEqual(
      listing.revisions.map(({ bytes }) => bytes),
      [5, 3, 5],
    );
  });
});

describe("removing", () => {
  test("one revision goes with the blobs that only it uses", async () => {
    const result = await removeFromCache(store, { target: "org/model@refs/pr/1" }, { signal });
    assert.deepEqual(
      { commits: result.revisions.map(({ commit }) => commit), freedBytes: result.freedBytes },
      { commits: [old], freedBytes: 3 },
    );
    const root = join(store.cacheDir, "models--org--model");
    assert.deepEqual(await readdir(join(root, "snapshots")), [young]);
    assert.deepEqual(await readdir(join(root, "trees")), [`${young}.json`]);
    assert.equal(await isThere(join(root, "refs", "refs", "pr", "1")), false);
    assert.equal(await isThere(blobPath("models--org--model", "old")), false);
    assert.equal(await isThere(join(root, "snapshots", young, "sub", "model.bin")), true);
    assert.equal(await store.find(blobOf("old")), undefined);
  });

  test("a repo goes with everything in it, and leaves other repos alone", async () => {
    const result = await removeFromCache(store, { target: "org/model" }, { signal });
    assert.equal(result.revisions.length, 2);
    assert.deepEqual((await readdir(store.cacheDir)).sort(), [".locks", "CACHEDIR.TAG", "datasets--org--data"]);
    assert.equal((await store.find(blobOf("young")))?.path, blobPath("datasets--org--data", "young"));
  });

  test("a blob that is also linked elsewhere frees nothing", async () => {
    await rm(join(store.cacheDir, "datasets--org--data"), { recursive: true });
    await store.ensureInRepo(blobOf("weights"), other, { signal });
    const result = await removeFromCache(store, { target: "org/model" }, { signal });
    assert.equal(result.freedBytes, "old".length + "young".length);
  });

  test("a dry run tells the same and removes nothing", async () => {
    const told = await removeFromCache(store, { target: "org/model", dryRun: true }, { signal });
    const done = await removeFromCache(store, { target: "org/model" }, { signal });
    assert.deepEqual(told, done);
  });

  test("what is being fetched stays", async () => {
    const opened = await store.openStaging({ blob: blobOf("half"), sizeBytes: 1000, repo, signal });
    assert.ok(opened.kind === "staging");
    await removeFromCache(store, { target: "org/model" }, { signal });
    await removeFromCache(store, { target: "org/model", partial: true }, { signal });
    await opened.staging.write(0, [Buffer.alloc(10)]);
    assert.ok(await isThere(opened.staging.path));
  });

  test("only what an interrupted pull left goes with --partial", async () => {
    const path = await leavePartial();
    const result = await removeFromCache(store, { target: "org/model", partial: true }, { signal });
    assert.ok(result.freedBytes > 0);
    assert.equal(await isThere(path), false);
    assert.deepEqual((await listCache(store, { signal })).partial, []);
    assert.equal((await listCache(store, { signal })).revisions.length, 3);
  });

  for (const { target, code } of [
    { target: "org/none", code: "REPO_NOT_FOUND" },
    { target: "datasets/org/model", code: "REPO_NOT_FOUND" },
    { target: "org/model@v9", code: "REVISION_NOT_FOUND" },
    { target: "../x", code: "USAGE" },
  ]) {
    test(`${target}: ${code}`, () => assert.rejects(removeFromCache(store, { target }, { signal }), { code }));
  }
});

describe("auditing", () => {
  async function audit(target?: string): Promise<VerifyEvent[]> {
    const events: VerifyEvent[] = [];
    const check = (path: string, blob: BlobId) => verifier.verifyBlobOnDisk(path, blob, { signal });
    const canProve = async () => false;
    const mendFile = async () => false;
    const request = { onEvent: (event: VerifyEvent) => events.push(event), canProve, mendFile, signal };
    await auditCache(store, check, target === undefined ? request : { ...request, target });
    return events;
  }

  test("a sound cache is sound", async () => {
    const events = await audit();
    assert.deepEqual(events.at(-1), { type: "verified", files: 5, bytes: 27, bad: 0 });
  });

  test("tells each file that is wrong, and why", async () => {
    await writeFile(blobPath("models--org--model", "weights"), "weightz");
    await rm(blobPath("models--org--model", "old"));
    const link = join(store.snapshotPath(repo, young), "config.json");
    await rm(link);
    await symlink(`../../blobs/${blobOf("weights").slice(7)}`, link);
    const events = await audit("org/model");
    const problems = events.flatMap((event) =>
      event.type === "checked" && !event.ok ? [`${event.path}: ${event.problem}`] : [],
    );
    assert.equal(problems.length, 4);
    for (const pattern of [
      /^config.json: the link leads nowhere/,
      /^config.json: the link leads to sha256:.* but the repo has sha256:/,
      /^sub\/model.bin: .*its sha256 is/,
    ]) {
      assert.ok(
        problems.some((problem) => pattern.test(problem)),
        `${pattern} in ${problems}`,
      );
    }
    assert.deepEqual(events.at(-1), { type: "verified", files: 4, bytes: 21, bad: 4 });
  });

  test("one revision alone", async () => {
    const events = await audit("org/model@main");
    assert.deepEqual(events.at(-1), { type: "verified", files: 2, bytes: 12, bad: 0 });
    await assert.rejects(audit("org/model@none"), { code: "REVISION_NOT_FOUND" });
    await assert.rejects(audit("org/none"), { code: "REPO_NOT_FOUND" });
  });

  test("a plain file in the place of a link goes by what the repo says", async () => {
    const link = join(store.snapshotPath(repo, young), "config.json");
    await rm(link);
    await writeFile(link, "YOUNG");
    assert.ok(!(await lstat(link)).isSymbolicLink());
    const events = await audit("org/model@main");
    assert.deepEqual(events.at(-1), { type: "verified", files: 2, bytes: 12, bad: 1 });
  });
});
