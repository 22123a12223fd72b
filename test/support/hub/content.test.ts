import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import fc from "fast-check";
import { bytesContent, concatContent, diskContent, readContent, syntheticContent, toContent } from "./content.js";
import { gitSha1Of, lfsPointer, sha256Of } from "./digest.js";

const MIB = 1024 * 1024;

describe("content of the embedded Hub", () => {
  it("synthetic: any range is that part of the whole", async () => {
    const sizeBytes = 9 * MIB + 17;
    const content = syntheticContent({ seed: 7, sizeBytes });
    const whole = await readContent(content);
    assert.equal(whole.length, sizeBytes);
    const position = fc.integer({ min: 0, max: sizeBytes });
    await fc.assert(
      fc.asyncProperty(position, position, async (a, b) => {
        const [start, end] = a < b ? [a, b] : [b, a];
        const part = await readContent(content, start, end);
        assert.equal(Buffer.compare(part, whole.subarray(start, end)), 0);
      }),
      { numRuns: 30 },
    );
  });

  it("synthetic: the same seed gives the same bytes, another seed others, and no two 16 MiB shards are equal", async () => {
    const content = syntheticContent({ seed: 1, sizeBytes: 100_000 * 16 * MIB });
    const heads = await Promise.all(
      Array.from({ length: 200 }, (_, shard) => readContent(content, shard * 16 * MIB, shard * 16 * MIB + 64)),
    );
    assert.equal(new Set(heads.map((head) => head.toString("hex"))).size, heads.length);
    const again = await readContent(syntheticContent({ seed: 1, sizeBytes: 64 }));
    assert.deepEqual(again, heads[0]);
    assert.notDeepEqual(await readContent(syntheticContent({ seed: 2, sizeBytes: 64 })), heads[0]);
  });

  it("concat: the parts in a row, empty ones included", async () => {
    const part = fc.uint8Array({ maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 5 }), async (parts) => {
        const content = concatContent(parts.map(bytesContent));
        assert.deepEqual(await readContent(content), Buffer.concat(parts));
      }),
      { numRuns: 50 },
    );
  });

  it("disk: as on disk, with slices larger than one read", async () => {
    const folder = await mkdtemp(join(tmpdir(), "hub-content-"));
    try {
      const bytes = await readContent(syntheticContent({ seed: 3, sizeBytes: 3 * MIB + 5 }));
      const path = join(folder, "file");
      await writeFile(path, bytes);
      assert.equal(Buffer.compare(await readContent(diskContent(path)), bytes), 0);
      assert.deepEqual(await readContent(diskContent(path), MIB - 3, MIB + 3), bytes.subarray(MIB - 3, MIB + 3));
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("digests are git's and LFS's", async () => {
    // From `printf hello | git hash-object --stdin` and `printf hello | sha256sum`.
    assert.equal(await gitSha1Of(toContent("hello")), "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0");
    assert.equal(await gitSha1Of(toContent("")), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
    const sha256 = await sha256Of(toContent("hello"));
    assert.equal(sha256, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    assert.equal(lfsPointer(sha256, 5).toString().split("\n")[2], "size 5");
  });
});
