import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parseBlobId, parseNodeId } from "@swarmd/protocol";
import { SpotChecks } from "./spot-checks.js";

const BLOB = parseBlobId(`sha256:${"c".repeat(64)}`);
const SIGNER = parseNodeId("peerA");
const SHARD_BYTES = 1000;
const CONTENT = Buffer.alloc(3500, "right ");
const ground = {
  kind: "attestation",
  item: { kind: "attestation", payload: new Uint8Array(0) },
  signer: SIGNER,
  basis: "origin",
} as const;
const hashOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();
const shardOf = (bytes: Buffer, shard: number) => bytes.subarray(shard * SHARD_BYTES, (shard + 1) * SHARD_BYTES);
let folder: string;

function setUp(every: number | undefined, pieceBytes = SHARD_BYTES) {
  const lies: number[] = [];
  const asked: [number, number][] = [];
  const checks = new SpotChecks(
    { every, pieceBytes },
    {
      origin: {
        async read(_blob, startBytes, endBytes, sink) {
          asked.push([startBytes, endBytes]);
          sink.write(CONTENT.subarray(startBytes, endBytes));
        },
      },
      newHasher: () => {
        const hash = createHash("sha256");
        return { update: (chunk) => void hash.update(chunk), digest: () => hash.copy().digest() };
      },
      random: () => 0.5,
      onCompared: () => undefined,
      onLie: ({ shard }, signer) => {
        assert.equal(signer, SIGNER);
        lies.push(shard);
      },
    },
  );
  return { checks, lies, asked };
}

const about = (shard: number, path: string, hash: Uint8Array) => {
  return { blob: BLOB, sizeBytes: CONTENT.length, shardBytes: SHARD_BYTES, shard, path, hash, ground };
};

describe("SpotChecks", () => {
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "swarmd-spot-"));
  });
  after(() => rm(folder, { recursive: true }));

  it("names who vouched for what the origin does not have", async () => {
    const path = join(folder, "lie");
    const wrong = Buffer.from(CONTENT);
    wrong[1500] = 0;
    await writeFile(path, wrong);
    const { checks, lies, asked } = setUp(1);
    checks.note(about(1, path, hashOf(shardOf(wrong, 1))));
    await checks.idle();
    assert.deepEqual([lies, asked], [[1], [[1000, 2000]]]);
  });

  it("blames nobody when this disk has changed since", async () => {
    const path = join(folder, "rot");
    const wrong = Buffer.from(CONTENT);
    wrong[1500] = 0;
    await writeFile(path, wrong);
    const { checks, lies, asked } = setUp(1);
    checks.note(about(1, path, hashOf(shardOf(CONTENT, 1))));
    await checks.idle();
    assert.deepEqual([lies, asked.length], [[], 1]);
  });

  it("asks for a piece of one shard in as many as it is told, and for the last, short one too", async () => {
    const path = join(folder, "right");
    await writeFile(path, CONTENT);
    const { checks, lies, asked } = setUp(4, 100);
    for (let note = 1; note <= 12; note += 1) {
      checks.note(about(3, path, hashOf(shardOf(CONTENT, 3))));
      await checks.idle();
    }
    assert.deepEqual(lies, []);
    assert.deepEqual(asked, Array(3).fill([3200, 3300]));
  });

  it("never asks when it is off, or for what came from the origin", async () => {
    const { checks, asked } = setUp(undefined);
    checks.note(about(0, "/nowhere", hashOf(CONTENT)));
    await checks.idle();
    const other = setUp(1);
    other.checks.note({ ...about(0, "/nowhere", hashOf(CONTENT)), ground: { kind: "origin" } });
    await other.checks.idle();
    assert.deepEqual([asked, other.asked], [[], []]);
  });
});
