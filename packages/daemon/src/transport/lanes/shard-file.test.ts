import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { ShardClaims, type SwarmError } from "@swarmd/protocol";
import fc from "fast-check";
import { ReceiveBuffers } from "./receive-buffers.js";
import { ShardFile, type ShardFileSpec, type ShardHasher } from "./shard-file.js";

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "swarmd-shard-file-"));
});
after(() => rm(folder, { recursive: true, force: true }));

function newHasher(): ShardHasher {
  const hash = createHash("sha256");
  return { update: (chunk) => void hash.update(chunk), digest: () => hash.copy().digest() };
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

interface Told {
  readonly positionBytes: number;
  readonly hash: string;
}

/** Feeds a range in pieces of these sizes, over and over, as a socket would. */
async function feed(
  range: Omit<ShardFileSpec, "claims" | "owner">,
  content: Buffer,
  sizes: readonly number[],
): Promise<{ told: Told[]; faults: SwarmError[] }> {
  const claims = ShardClaims.of(Math.ceil(range.sizeBytes / range.shardBytes)).shared;
  const spec = { ...range, claims, owner: 2 };
  const told: Told[] = [];
  const faults: SwarmError[] = [];
  const file = await ShardFile.open(spec, {
    buffers: new ReceiveBuffers(),
    newHasher,
    onWritten: (positionBytes, hash) => told.push({ positionBytes, hash: Buffer.from(hash).toString("hex") }),
    onFault: (error) => faults.push(error),
  });
  try {
    for (let i = 0; file.receivedBytes < spec.endBytes; i += 1) {
      const target = file.target();
      const wanted = Math.min(sizes[i % sizes.length] ?? 1, target.length, spec.endBytes - file.receivedBytes);
      content.copy(target, 0, file.receivedBytes, file.receivedBytes + wanted);
      await file.take(wanted);
      if (faults.length > 0) break;
    }
    await file.flush().catch((error) => assert.equal(error, faults[0]));
    if (faults.length === 0) assert.equal(file.writtenBytes, spec.endBytes);
  } finally {
    await file.close();
  }
  return { told, faults };
}

describe("ShardFile", () => {
  it("writes any range in any pieces in place, and tells each shard's end with the hash of the whole shard", async () => {
    const size = fc.integer({ min: 1, max: 700_000 });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3_000_000 }),
        fc.constantFrom(65_536, 262_144, 1_048_576),
        fc.array(size, { minLength: 1, maxLength: 5 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (sizeBytes, shardBytes, sizes, from, to) => {
          const content = randomBytes(sizeBytes);
          const startBytes = Math.floor(from * (sizeBytes - 1));
          const endBytes = startBytes + 1 + Math.floor(to * (sizeBytes - startBytes - 1));
          const path = join(folder, "file");
          await writeFile(path, content.subarray(0, startBytes));
          const { told } = await feed({ path, startBytes, endBytes, sizeBytes, shardBytes }, content, sizes);
          assert.ok((await readFile(path)).equals(content.subarray(0, endBytes)));
          for (const { positionBytes, hash } of told) {
            const shardStart = Math.floor((positionBytes - 1) / shardBytes) * shardBytes;
            assert.equal(hash, sha256(content.subarray(shardStart, positionBytes)));
          }
          const positions = told.map(({ positionBytes }) => positionBytes);
          assert.deepEqual(
            positions,
            [...new Set(positions)].sort((a, b) => a - b),
          );
          assert.equal(positions.at(-1), endBytes);
          for (let end = shardBytes; end <= endBytes; end += shardBytes) {
            if (end > startBytes) assert.ok(positions.includes(end), `the shard that ends at ${end} was not told`);
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  it("says that the disk is full, once, and ends", { skip: process.platform !== "linux" }, async () => {
    const spec = { path: "/dev/full", startBytes: 0, endBytes: 2_000_000, sizeBytes: 2_000_000, shardBytes: 1_048_576 };
    const { told, faults } = await feed(spec, randomBytes(2_000_000), [100_000]);
    assert.deepEqual(
      faults.map(({ code }) => code),
      ["NO_SPACE"],
    );
    assert.deepEqual(told, []);
  });

  it("refuses a file that is not there, or shorter than where it is to go on", async () => {
    const spec = { startBytes: 50, endBytes: 100, sizeBytes: 100, shardBytes: 65_536 };
    await assert.rejects(feed({ ...spec, path: join(folder, "none") }, Buffer.alloc(100), [10]), {
      code: "STORE_FAULT",
    });
    const path = join(folder, "short");
    await writeFile(path, "short");
    await assert.rejects(feed({ ...spec, path }, Buffer.alloc(100), [10]), { code: "STORE_FAULT" });
  });
});
