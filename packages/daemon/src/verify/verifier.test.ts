import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { appendFile, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, beforeEach, describe, test } from "node:test";
import { type BlobId, parseBlobId } from "@swarmd/protocol";
import { FileDigests } from "./file-digest.js";
import { Verifier } from "./verifier.js";

const MIB = 1024 * 1024;
const signal = new AbortController().signal;
const digests = new FileDigests();
const verifier = new Verifier({ digests });
let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "swarmd-verify-"));
  path = join(folder, "file");
});
afterEach(() => rm(folder, { recursive: true, force: true }));
after(() => digests.stop());

function sha256Id(bytes: Uint8Array): BlobId {
  return parseBlobId(`sha256:${createHash("sha256").update(bytes).digest("hex")}`);
}

function gitId(bytes: Uint8Array): BlobId {
  return parseBlobId(`git-sha1:${createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex")}`);
}

describe("verifyFile", () => {
  for (const { id, sizeBytes } of [
    { id: "an empty file", sizeBytes: 0 },
    { id: "a small file, hashed in place", sizeBytes: 1000 },
    { id: "a file of exactly the inline size", sizeBytes: MIB },
    { id: "a file hashed in the worker", sizeBytes: 9 * MIB + 1 },
  ]) {
    test(`gives a certificate for ${id}, by sha256 and by git sha1`, async () => {
      const bytes = randomBytes(sizeBytes);
      await writeFile(path, bytes);
      for (const blob of [sha256Id(bytes), gitId(bytes)]) {
        const verified = await verifier.verifyFile({ path, sizeBytes, blob, signal });
        assert.deepEqual({ ...verified }, { path, sizeBytes, blob });
      }
    });

    test(`names ${id} by its sha256 when only the URL is known`, async () => {
      const bytes = randomBytes(sizeBytes);
      await writeFile(path, bytes);
      const blob = parseBlobId(`url:${"a".repeat(64)}:${"b".repeat(16)}:${sizeBytes}`);
      assert.equal((await verifier.verifyFile({ path, sizeBytes, blob, signal })).blob, sha256Id(bytes));
    });
  }

  test("knows git's own name of an empty file", async () => {
    await writeFile(path, "");
    const blob = parseBlobId("git-sha1:e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
    await verifier.verifyFile({ path, sizeBytes: 0, blob, signal });
  });

  for (const sizeBytes of [100, 3 * MIB]) {
    test(`refuses ${sizeBytes} bytes of which one bit is wrong`, async () => {
      const bytes = randomBytes(sizeBytes);
      const blob = sha256Id(bytes);
      bytes[sizeBytes - 1] = (bytes[sizeBytes - 1] as number) ^ 1;
      await writeFile(path, bytes);
      await assert.rejects(verifier.verifyFile({ path, sizeBytes, blob, signal }), { code: "INTEGRITY" });
      await assert.rejects(verifier.verifyBlobOnDisk(path, blob, { signal }), { code: "INTEGRITY" });
    });
  }

  test("refuses a file of another size without reading it", async () => {
    await writeFile(path, "abc");
    const blob = sha256Id(Buffer.from("abcd"));
    await assert.rejects(verifier.verifyFile({ path, sizeBytes: 4, blob, signal }), /3 bytes instead of 4/);
  });

  test("says what is missing when there is no file", async () => {
    const blob = sha256Id(Buffer.from(""));
    await assert.rejects(verifier.verifyBlobOnDisk(path, blob, { signal }), { code: "STORE_FAULT" });
  });
});

describe("a running digest", () => {
  test("follows a file that grows, and finishes with it", async () => {
    const bytes = randomBytes(12 * MIB + 5);
    const blob = sha256Id(bytes);
    await writeFile(path, "");
    const digest = verifier.openDigest(path, bytes.length, blob);
    for (let at = 0; at < bytes.length; at += 5 * MIB) {
      await appendFile(path, bytes.subarray(at, at + 5 * MIB));
      digest.advance(Math.min(at + 5 * MIB, bytes.length));
    }
    assert.equal(await digest.finish({ signal }), blob.slice("sha256:".length));
    digest.close();
  });

  test("starts over when the prefix goes back", async () => {
    const bytes = randomBytes(8 * MIB);
    await writeFile(path, Buffer.alloc(8 * MIB));
    const digest = verifier.openDigest(path, bytes.length, sha256Id(bytes));
    digest.advance(8 * MIB);
    digest.advance(0);
    await writeFile(path, bytes);
    digest.advance(4 * MIB);
    assert.equal(`sha256:${await digest.finish({ signal })}`, sha256Id(bytes));
    digest.close();
  });

  test("that has read bytes which were replaced later does not condemn the file", async () => {
    const bytes = randomBytes(3 * MIB);
    const blob = sha256Id(bytes);
    await writeFile(path, Buffer.alloc(3 * MIB));
    const digest = verifier.openDigest(path, bytes.length, blob);
    await digest.finish({ signal });
    await writeFile(path, bytes);
    assert.equal((await verifier.verifyFile({ path, sizeBytes: bytes.length, blob, digest, signal })).blob, blob);
    digest.close();
  });

  test("of a file that is cut short says so", async () => {
    await writeFile(path, Buffer.alloc(4 * MIB));
    const digest = digests.open(path, 4 * MIB, "sha256");
    await truncate(path, 2 * MIB);
    await assert.rejects(digest.finish({ signal }), /the file ends at byte 2097152/);
    digest.close();
  });

  test("stops waiting when the signal says so", async () => {
    await writeFile(path, Buffer.alloc(64 * MIB));
    const digest = digests.open(path, 64 * MIB, "sha256");
    const controller = new AbortController();
    const finished = digest.finish({ signal: controller.signal });
    controller.abort();
    await assert.rejects(finished, { code: "INTERRUPTED" });
    digest.close();
  });

  test("serves several files at a time", async () => {
    const files = Array.from({ length: 5 }, (_, index) => ({
      path: join(folder, `${index}`),
      bytes: randomBytes((2 + index) * MIB + index),
    }));
    const hashes = await Promise.all(
      files.map(async (file) => {
        await writeFile(file.path, file.bytes);
        const digest = digests.open(file.path, file.bytes.length, "sha256");
        const hex = await digest.finish({ signal });
        digest.close();
        return `sha256:${hex}`;
      }),
    );
    assert.deepEqual(
      hashes,
      files.map((file) => sha256Id(file.bytes)),
    );
  });
});

describe("FileDigests", () => {
  test("fails what is open when it stops, and starts afresh afterwards", async () => {
    const own = new FileDigests({ threads: 1 });
    const bytes = randomBytes(2 * MIB);
    await writeFile(path, bytes);
    const digest = own.open(path, 200 * MIB, "sha256");
    digest.advance(MIB);
    const finished = digest.finish({ signal });
    await Promise.all([assert.rejects(finished), own.stop()]);
    const next = own.open(path, bytes.length, "sha256");
    assert.equal(`sha256:${await next.finish({ signal })}`, sha256Id(bytes));
    await own.stop();
  });

  test("gives up a thread that shows no sign of life, and the next file gets a new one", async () => {
    // A thread takes longer than this to start.
    const own = new FileDigests({ threads: 1, stallMs: 1 });
    await writeFile(path, Buffer.alloc(2 * MIB));
    for (let round = 0; round < 2; round++) {
      const digest = own.open(path, 2 * MIB, "sha256");
      await assert.rejects(digest.finish({ signal }), { code: "STORE_FAULT", message: /the disk gave nothing for/ });
      digest.close();
    }
    await own.stop();
  });

  test("a file that is not there fails alone; the thread lives on", async () => {
    const own = new FileDigests({ threads: 1 });
    const bytes = randomBytes(2 * MIB);
    await writeFile(path, bytes);
    const [bad, good] = [own.open(join(folder, "none"), 2 * MIB, "sha256"), own.open(path, 2 * MIB, "sha256")];
    await assert.rejects(bad.finish({ signal }), { code: "STORE_FAULT" });
    assert.equal(`sha256:${await good.finish({ signal })}`, sha256Id(bytes));
    await own.stop();
  });
});
