import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import {
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { type BlobId, parseBlobId, parseCommitId, parseRepoSpec, parseRevision, shardCount } from "@swarmd/protocol";
import type { ResumeState as EngineResumeState } from "../core/messages.js";
import { Judge } from "../verify/evidence/judge.js";
import { FileDigests } from "../verify/file-digest.js";
import { type Blake3, loadBlake3 } from "../verify/shard-hasher.js";
import { Verifier } from "../verify/verifier.js";
import { BlobStore } from "./blob-store.js";
import type { Staging } from "./staging.js";

const MIB = 1024 * 1024;
const signal = new AbortController().signal;
const { repo } = parseRepoSpec("org/model");
const { repo: otherRepo } = parseRepoSpec("org/other");
const commit = parseCommitId("c".repeat(40));
const main = parseRevision("main");
const digests = new FileDigests();
const verifier = new Verifier({ digests });
let blake3: Blake3;
let folder: string;
let events: { type: string; [field: string]: unknown }[];
let store: BlobStore;

before(async () => {
  blake3 = await loadBlake3();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "swarmd-store-"));
  events = [];
  store = openStore();
  await store.start();
});
afterEach(async () => {
  await store.stop();
  await rm(folder, { recursive: true, force: true });
});
after(() => digests.stop());

const nobody = async () => assert.fail("nobody is asked");
const judge = new Judge(
  {},
  {
    evidence: { ask: nobody },
    witnesses: { holders: () => [], isBanned: () => false, isOnDuty: () => false },
    digests: { matches: nobody },
  },
);

function openStore(): BlobStore {
  return new BlobStore(
    { cacheDir: join(folder, "cache"), stateDir: join(folder, "state"), marginBytes: 0 },
    { createShardHasher: blake3.createShardHasher, events: { emit: (event) => events.push(event) } },
  );
}

function blobOf(bytes: Uint8Array): BlobId {
  return parseBlobId(`sha256:${createHash("sha256").update(bytes).digest("hex")}`);
}

async function openStaging(blob: BlobId, sizeBytes: number, shardBytes = MIB): Promise<Staging> {
  const opened = await store.openStaging({ blob, sizeBytes, shardBytes, repo, signal });
  assert.ok(opened.kind === "staging");
  return opened.staging;
}

/** Writes one shard and notes it, as a transfer does. */
async function fetchShard(sink: Staging, bytes: Uint8Array, shard: number): Promise<void> {
  const chunk = bytes.subarray(shard * sink.shardBytes, (shard + 1) * sink.shardBytes);
  await sink.write(shard * sink.shardBytes, [chunk.subarray(0, 10), chunk.subarray(10)]);
  const hasher = blake3.createShardHasher();
  hasher.update(chunk);
  sink.noteChecked(judge.fromOrigin({ ...sink, shard }, hasher.digest()));
}

async function put(bytes: Uint8Array, blob = blobOf(bytes)): Promise<string> {
  const staging = await openStaging(blob, bytes.length);
  for (let shard = 0; shard < shardCount(bytes.length, MIB); shard++) await fetchShard(staging, bytes, shard);
  await staging.seal();
  const verified = await verifier.verifyFile({ path: staging.path, sizeBytes: bytes.length, blob, signal });
  return store.commit(staging, verified);
}

describe("a blob's way into the cache", () => {
  for (const sizeBytes of [0, 1, 3 * MIB + 7]) {
    test(`${sizeBytes} bytes: staged, verified, committed, linked, named`, async () => {
      const bytes = randomBytes(sizeBytes);
      const blob = blobOf(bytes);
      const path = await put(bytes);
      assert.equal(path, join(folder, "cache", "models--org--model", "blobs", blob.slice(7)));
      assert.deepEqual(await readFile(path), bytes);
      const linked = await store.link({ repo, commit, path: "sub/model.bin", blob });
      await store.writeRef(repo, main, commit);
      assert.equal(await readlink(linked), `../../../blobs/${blob.slice(7)}`);
      assert.deepEqual(await readFile(linked), bytes);
      assert.equal(await readFile(join(folder, "cache/models--org--model/refs/main"), "utf8"), commit);
      assert.equal(await store.readRef(repo, main), commit);
      assert.deepEqual(await store.find(blob), { path, sizeBytes });
      assert.deepEqual(await readdir(join(folder, "state", "journal")), []);
      assert.deepEqual(await readdir(join(folder, "cache", "models--org--model", "blobs")), [blob.slice(7)]);
    });
  }

  test("nothing but a name ending in .incomplete is there before the commit", async () => {
    const bytes = randomBytes(100);
    const staging = await openStaging(blobOf(bytes), 100);
    await staging.write(0, [bytes]);
    const names = await readdir(join(folder, "cache", "models--org--model", "blobs"));
    assert.equal(names.length, 1);
    assert.match(names[0] as string, /^[0-9a-f]{64}\.[0-9a-f]{8}\.incomplete$/);
    assert.equal(await store.find(blobOf(bytes)), undefined);
  });

  test("the second who wants it finds it present", async () => {
    const bytes = randomBytes(100);
    const path = await put(bytes);
    const opened = await store.openStaging({ blob: blobOf(bytes), sizeBytes: 100, repo, signal });
    assert.deepEqual(opened, { kind: "present", path });
  });

  test("whoever wants it at the same time waits, and finds it present", async () => {
    const bytes = randomBytes(100);
    const blob = blobOf(bytes);
    const staging = await openStaging(blob, 100);
    const second = store.openStaging({ blob, sizeBytes: 100, repo, signal });
    await staging.write(0, [bytes]);
    await staging.seal();
    await store.commit(staging, await verifier.verifyFile({ path: staging.path, sizeBytes: 100, blob, signal }));
    assert.equal((await second).kind, "present");
  });

  test("another process that fetches it is waited for", async () => {
    const bytes = randomBytes(100);
    const other = openStore();
    const staging = await openStaging(blobOf(bytes), 100);
    const controller = new AbortController();
    const waiting = other.openStaging({ blob: blobOf(bytes), sizeBytes: 100, repo, signal: controller.signal });
    controller.abort();
    await assert.rejects(waiting, { code: "INTERRUPTED" });
    await staging.close();
    const opened = await other.openStaging({ blob: blobOf(bytes), sizeBytes: 100, repo, signal });
    assert.equal(opened.kind, "staging");
    await other.stop();
  });

  test("a file of the wrong size in its place is replaced", async () => {
    const bytes = randomBytes(100);
    const path = await put(bytes);
    await writeFile(path, "cut short");
    assert.equal(await store.find(blobOf(bytes), { sizeBytes: 100 }), undefined);
    assert.equal(await put(bytes), path);
    assert.deepEqual(await readFile(path), bytes);
  });

  test("a certificate for something else does not commit", async () => {
    const bytes = randomBytes(100);
    const staging = await openStaging(blobOf(bytes), 100);
    await staging.write(0, [bytes]);
    const blob = blobOf(bytes);
    const verified = await verifier.verifyFile({ path: staging.path, sizeBytes: 100, blob, signal });
    await assert.rejects(store.commit(staging, verified), /does not fit/, "not sealed");
    await staging.seal();
    await assert.rejects(store.commit(staging, { ...verified, path: join(folder, "x") }), /does not fit/);
    await assert.rejects(staging.write(0, [bytes]), { code: "INTERRUPTED" });
  });

  test("the blob of a plain URL gets its name when it is complete", async () => {
    const bytes = randomBytes(100);
    const blob = parseBlobId(`url:${"a".repeat(64)}:${"b".repeat(16)}:100`);
    const opened = await store.openStaging({ blob, sizeBytes: 100, repo: undefined, signal });
    assert.ok(opened.kind === "staging");
    await opened.staging.write(0, [bytes]);
    await opened.staging.seal();
    const verified = await verifier.verifyFile({ path: opened.staging.path, sizeBytes: 100, blob, signal });
    const path = await store.commit(opened.staging, verified);
    assert.equal(path, join(folder, "state", "urls", "blobs", blobOf(bytes).slice(7)));
    const validators = { etag: '"1"' };
    const url = "https://example.org/x?secret";
    assert.equal(await store.findUrl(url), undefined);
    assert.deepEqual(await store.noteUrl(url, { provisional: blob, validators }), { path, sizeBytes: 100 });
    const found = { path, sizeBytes: 100, validators };
    assert.deepEqual(await store.findUrl(url), found);
    store = openStore();
    await store.adopt({ signal });
    assert.deepEqual(await store.findUrl(url), found, "in the next run too");
    await rm(path);
    assert.equal(await store.findUrl(url), undefined);
  });

  test("a new version of a plain URL replaces the old one, half done or whole", async () => {
    const url = "https://example.org/x";
    const [first, second] = [randomBytes(100), randomBytes(100)];
    const id = (version: string) => parseBlobId(`url:${"a".repeat(64)}:${version.repeat(16)}:100`);
    const pull = async (blob: BlobId, bytes: Buffer) => {
      const opened = await store.openStaging({ blob, sizeBytes: 100, repo: undefined, signal });
      assert.ok(opened.kind === "staging");
      await opened.staging.write(0, [bytes]);
      await opened.staging.seal();
      const { path } = opened.staging;
      await store.commit(opened.staging, await verifier.verifyFile({ path, sizeBytes: 100, blob, signal }));
      return store.noteUrl(url, { provisional: blob, validators: {} });
    };
    const old = await store.openStaging({ blob: id("0"), sizeBytes: 100, repo: undefined, signal });
    assert.ok(old.kind === "staging");
    await old.staging.close();
    await pull(id("1"), first);
    await pull(id("2"), second);
    const names = await readdir(join(folder, "state", "urls", "blobs"));
    assert.deepEqual(names, [blobOf(second).slice(7)]);
    assert.deepEqual(await readdir(join(folder, "state", "journal")), []);
  });

  test("what is left of a blob that somebody else finished goes", async () => {
    const bytes = randomBytes(100);
    const staging = await openStaging(blobOf(bytes), 100);
    await staging.close();
    await writeFile(join(staging.path, "..", blobOf(bytes).slice(7)), bytes);
    assert.equal((await store.openStaging({ blob: blobOf(bytes), sizeBytes: 100, repo, signal })).kind, "present");
    assert.deepEqual(await readdir(join(staging.path, "..")), [blobOf(bytes).slice(7)]);
    assert.deepEqual(await readdir(join(folder, "state", "journal")), []);
  });

  test("a journal whose file is gone with the cache counts for nothing", async () => {
    const staging = await openStaging(blobOf(randomBytes(1)), 100);
    await staging.write(0, [randomBytes(60)]);
    staging.noteWatermark(0, 60, new Uint8Array(32));
    await staging.close();
    assert.equal(store.partialBytes(staging.blob), 60);
    await rm(join(folder, "cache"), { recursive: true });
    store = openStore();
    await store.start();
    assert.equal(store.partialBytes(staging.blob), 0);
    assert.deepEqual(await readdir(join(folder, "state", "journal")), []);
  });

  test("nothing is left after a discard", async () => {
    const staging = await openStaging(blobOf(randomBytes(1)), 100);
    await staging.write(0, [randomBytes(100)]);
    await store.discard(staging);
    assert.deepEqual(await readdir(join(folder, "cache", "models--org--model", "blobs")), []);
    assert.deepEqual(await readdir(join(folder, "state", "journal")), []);
  });
});

describe("a staging file", () => {
  const bytes = randomBytes(3 * MIB + 7);
  const blob = blobOf(bytes);

  test("whole, takes bytes in one write across shards", async () => {
    const staging = await openStaging(blob, bytes.length);
    await staging.write(0, [bytes.subarray(0, 5), bytes.subarray(5, 2 * MIB + 3), bytes.subarray(2 * MIB + 3)]);
    const found = Buffer.alloc(bytes.length);
    await staging.read(0, found);
    assert.ok(found.equals(bytes));
    assert.equal(staging.prefixBytes, bytes.length);
  });

  test("knows its contiguous prefix, in whatever order bytes come", async () => {
    const staging = await openStaging(blob, bytes.length);
    const prefixes = new Set<number>();
    staging.onPrefix((prefixBytes) => prefixes.add(prefixBytes));
    await staging.write(2 * MIB, [bytes.subarray(2 * MIB)]);
    await staging.write(100, [bytes.subarray(100, MIB)]);
    assert.deepEqual([...prefixes], [0]);
    assert.equal(staging.writtenBytes, MIB + 7, "bytes behind a gap in their shard do not count");
    await staging.write(0, [bytes.subarray(0, MIB + 10)]);
    assert.equal(staging.prefixBytes, MIB + 10);
    await staging.write(MIB + 10, [bytes.subarray(MIB + 10, 2 * MIB)]);
    assert.equal(staging.prefixBytes, bytes.length);
  });

  test("takes up after a clean close, with nothing lost", async () => {
    const first = await openStaging(blob, bytes.length);
    await fetchShard(first, bytes, 1);
    await fetchShard(first, bytes, 3);
    await first.write(2 * MIB, [bytes.subarray(2 * MIB, 2 * MIB + 1000)]);
    const hasher = blake3.createShardHasher();
    hasher.update(bytes.subarray(2 * MIB, 2 * MIB + 1000));
    first.noteWatermark(2, 1000, hasher.digest());
    await store.stop();
    store = openStore();
    const second = await openStaging(blob, bytes.length);
    const expected: EngineResumeState = { checked: [1, 3], partial: [{ shard: 2, watermarkBytes: 1000 }] };
    assert.deepEqual(second.resumeState(), expected);
    assert.equal(second.path, first.path);
    assert.equal(second.writtenBytes, MIB + 7 + 1000);
    const event = events.find(({ type }) => type === "store.resumed");
    assert.deepEqual(event, { type: "store.resumed", blob, durable: 3, rechecked: 0, refused: 0 });
    const head = new Uint8Array(1000);
    await second.read(2 * MIB, head);
    assert.deepEqual(Buffer.from(head), bytes.subarray(2 * MIB, 2 * MIB + 1000));
  });

  test("forgets what was dropped, here and in its journal", async () => {
    const first = await openStaging(blob, bytes.length);
    for (const shard of [0, 1, 2, 3]) await fetchShard(first, bytes, shard);
    assert.equal(first.prefixBytes, bytes.length);
    await first.seal();
    await store.discard(first, [1]);
    assert.equal(first.prefixBytes, MIB);
    await first.write(MIB, [bytes.subarray(MIB, MIB + 1)]);
    await first.close();
    const second = await openStaging(blob, bytes.length);
    assert.deepEqual(second.resumeState(), { checked: [0, 2, 3], partial: [] });
  });

  test("moves to the repo that wants it now", async () => {
    const first = await openStaging(blob, bytes.length);
    await fetchShard(first, bytes, 0);
    await first.close();
    const opened = await store.openStaging({ blob, sizeBytes: bytes.length, shardBytes: MIB, repo: otherRepo, signal });
    assert.ok(opened.kind === "staging");
    assert.deepEqual(opened.staging.resumeState().checked, [0]);
    assert.match(opened.staging.path, /models--org--other/);
  });

  for (const { id, harm } of [
    { id: "is gone", harm: (path: string) => rm(path) },
    {
      id: "is another file of the same name",
      harm: async (path: string) => {
        await writeFile(join(folder, "another"), bytes);
        await rename(join(folder, "another"), path);
      },
    },
    { id: "was cut short", harm: (path: string) => writeFile(path, "") },
  ]) {
    test(`starts afresh when the file ${id}`, async () => {
      const first = await openStaging(blob, bytes.length);
      await fetchShard(first, bytes, 0);
      await first.close();
      await harm(first.path);
      const second = await openStaging(blob, bytes.length);
      assert.deepEqual(second.resumeState(), { checked: [], partial: [] });
      assert.notEqual(second.path, first.path);
    });
  }

  test("names the shards that were damaged on this disk, or all when none was", async () => {
    const staging = await openStaging(blob, bytes.length);
    for (const shard of [0, 1, 2, 3]) await fetchShard(staging, bytes, shard);
    assert.deepEqual(await staging.findDamaged({ signal }), [0, 1, 2, 3]);
    const file = await open(staging.path, "r+");
    await file.write(Buffer.from("damage"), 0, 6, 2 * MIB + 5);
    await file.close();
    assert.deepEqual(await staging.findDamaged({ signal }), [2]);
    await staging.discard([2]);
    await fetchShard(staging, bytes, 2);
    await staging.seal();
    const { path } = staging;
    await store.commit(staging, await verifier.verifyFile({ path, sizeBytes: bytes.length, blob, signal }));
  });

  for (const { id, isAtOnce } of [
    { id: "that comes later", isAtOnce: false },
    { id: "that comes at the same time", isAtOnce: true },
  ]) {
    test(`a second source ${id} does not write over bytes that count`, async () => {
      const staging = await openStaging(blob, bytes.length);
      const first = staging.write(0, [bytes.subarray(0, 1000)]);
      if (!isAtOnce) await first;
      // From before the start of the first shard's watermark to the middle of the second shard.
      const second = staging.write(500, [Buffer.alloc(MIB)]);
      await Promise.all([first, second]);
      const found = Buffer.alloc(MIB + 500);
      await staging.read(0, found);
      assert.deepEqual(found, Buffer.concat([bytes.subarray(0, 1000), Buffer.alloc(MIB - 500)]));
      assert.equal(staging.prefixBytes, MIB + 500);
    });
  }

  test("a write that failed leaves room for the next", async () => {
    const staging = await openStaging(blob, bytes.length);
    const bad = [new Uint8Array(10), "not bytes" as unknown as Uint8Array];
    await assert.rejects(staging.write(0, bad));
    await fetchShard(staging, bytes, 0);
    assert.equal(staging.prefixBytes, MIB);
  });

  test("refuses bytes outside of the blob", async () => {
    const staging = await openStaging(blob, bytes.length);
    await assert.rejects(staging.write(bytes.length, [new Uint8Array(1)]), { code: "INTERNAL" });
  });
});

describe("blobs in several repos", () => {
  test("a blob of one repo is linked into the other, not copied", async () => {
    const bytes = randomBytes(100);
    const path = await put(bytes);
    const linked = await store.ensureInRepo(blobOf(bytes), otherRepo, { signal });
    assert.equal(linked, join(folder, "cache", "models--org--other", "blobs", blobOf(bytes).slice(7)));
    assert.equal((await stat(linked as string)).ino, (await stat(path)).ino);
    assert.equal(await store.ensureInRepo(blobOf(bytes), otherRepo, { signal }), linked);
  });

  test("a blob that is nowhere is not there", async () => {
    assert.equal(await store.ensureInRepo(blobOf(randomBytes(1)), repo, { signal }), undefined);
  });
});

describe("links", () => {
  test("done again, they change nothing; a wrong one is set right", async () => {
    const bytes = randomBytes(10);
    await put(bytes);
    const file = { repo, commit, path: "a.bin", blob: blobOf(bytes) };
    const path = await store.link(file);
    const before = await stat(path);
    await store.link(file);
    assert.equal((await stat(path)).ino, before.ino);
    await rm(path);
    await symlink("../../blobs/other", path);
    await store.link(file);
    assert.equal(await readlink(path), `../../blobs/${blobOf(bytes).slice(7)}`);
    assert.deepEqual((await readdir(join(folder, "cache", "models--org--model"))).sort(), ["blobs", "snapshots"]);
  });

  test("a name that climbs is refused", async () => {
    await put(Buffer.from("x"));
    const blob = blobOf(Buffer.from("x"));
    await assert.rejects(store.link({ repo, commit, path: "../../x", blob }), { code: "UNSAFE_FILE_NAME" });
  });

  test("a link in the way of a folder is not followed", async () => {
    const snapshot = store.snapshotPath(repo, commit);
    await mkdir(snapshot, { recursive: true });
    await mkdir(join(folder, "outside"));
    await symlink(join(folder, "outside"), join(snapshot, "sub"));
    await put(Buffer.from("x"));
    const blob = blobOf(Buffer.from("x"));
    await assert.rejects(store.link({ repo, commit, path: "sub/x", blob }), { code: "UNSAFE_FILE_NAME" });
    assert.deepEqual(await readdir(join(folder, "outside")), []);
  });

  test("a ref may hold slashes, and a commit needs none", async () => {
    await store.writeRef(repo, parseRevision("refs/pr/1"), commit);
    await store.writeRef(repo, parseRevision(commit), commit);
    assert.deepEqual(await readdir(join(folder, "cache/models--org--model/refs")), ["refs"]);
    assert.equal(await store.readRef(repo, parseRevision("refs/pr/1")), commit);
    assert.equal(await store.readRef(repo, main), undefined);
  });
});

describe("adopting a cache", () => {
  test("finds blobs, takes damage as it comes, and leaves foreign files alone", async () => {
    const blobs = join(folder, "cache", "datasets--a--b", "blobs");
    await mkdir(blobs, { recursive: true });
    await writeFile(join(blobs, "1".repeat(64)), "one");
    await writeFile(join(blobs, "2".repeat(40)), "two");
    await writeFile(join(blobs, `${"3".repeat(64)}.incomplete`), "not yet");
    await writeFile(join(blobs, "README"), "foreign");
    await symlink("nowhere", join(blobs, "4".repeat(64)));
    await symlink("/etc/hostname", join(blobs, "5".repeat(64)));
    const shared = join(folder, "cache", "blobs", "ab");
    await mkdir(shared, { recursive: true });
    await writeFile(join(shared, `ab${"0".repeat(62)}`), "shared");
    await symlink(`../../blobs/ab/ab${"0".repeat(62)}`, join(blobs, "6".repeat(64)));
    await writeFile(join(folder, "cache", "models--x--y"), "a file in the place of a folder");
    assert.deepEqual(await store.adopt({ signal }), { blobs: 3, bytes: 12, problems: 3 });
    assert.equal((await store.find(parseBlobId(`sha256:${"1".repeat(64)}`)))?.sizeBytes, 3);
    assert.equal((await store.find(parseBlobId(`git-sha1:${"2".repeat(40)}`)))?.sizeBytes, 3);
    assert.equal((await store.find(parseBlobId(`sha256:${"6".repeat(64)}`)))?.sizeBytes, 6);
    assert.equal(await store.find(parseBlobId(`sha256:${"4".repeat(64)}`)), undefined);
    assert.equal((await readdir(blobs)).length, 7);
  });

  test("what somebody deleted meanwhile is not found", async () => {
    const path = await put(randomBytes(10));
    const [blob] = [...store.blobs()];
    await rm(path);
    assert.equal(await store.find(blob as BlobId), undefined);
    assert.deepEqual([...store.blobs()], []);
  });

  test("an empty cache is no problem, and it stops when told to", async () => {
    assert.deepEqual(await store.adopt({ signal }), { blobs: 0, bytes: 0, problems: 0 });
    await assert.rejects(store.adopt({ signal: AbortSignal.abort() }), { code: "INTERRUPTED" });
  });
});

describe("space", () => {
  test("what is promised to one is not promised to another", async () => {
    const freeBytes = await store.freeBytes();
    const half = Math.floor(freeBytes * 0.6);
    const first = await store.reserve(half);
    await assert.rejects(store.reserve(half), { code: "NO_SPACE", message: /are needed in .* are free there/ });
    first.shrink(half / 2);
    assert.equal(first.bytes, half / 2);
    first.release();
    (await store.reserve(half, join(folder, "not", "there", "yet"))).release();
  });
});
