import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { SwarmError, shardEnd, shardStart } from "@swarmd/protocol";
import fc from "fast-check";
import type { ByteSink, RangeCheck, ShardProofs, ShardSink } from "./ports.js";
import { ProvenStream } from "./proven-stream.js";

const SHARD_BYTES = 262_144;

/** Holds bytes against the right ones, in chunks of this size; of odd shards nobody has a proof. */
class Proofs implements Pick<ShardProofs, "of" | "openCheck"> {
  constructor(
    readonly right: Buffer,
    readonly chunkBytes: number,
  ) {}

  async of(shard: number) {
    return shard % 2 === 1 ? undefined : { payload: new Uint8Array(0), isForeign: false };
  }

  openCheck(shard: number): RangeCheck {
    let at = shardStart(shard, SHARD_BYTES);
    const shardEndBytes = shardEnd(shard, this.right.length, SHARD_BYTES);
    return {
      check: (bytes) => {
        const from = at;
        for (;;) {
          const end = Math.min(at + this.chunkBytes, shardEndBytes);
          if (end === at || end - from > bytes.length) return at - from;
          const isRight = Buffer.compare(this.right.subarray(at, end), bytes.subarray(at - from, end - from)) === 0;
          if (!isRight) throw new SwarmError("PEER_CORRUPT", `from ${at} to ${end}`);
          at = end;
        }
      },
    };
  }
}

interface Stream {
  readonly right: Buffer;
  readonly sent: Buffer;
  readonly file: Buffer;
  readonly startBytes: number;
  readonly pieceBytes: number;
  readonly chunkBytes: number;
}

/** @returns what went on to the writer, and what went wrong */
async function run({ right, sent, file, startBytes, pieceBytes, chunkBytes }: Stream) {
  const taken: Uint8Array[] = [];
  const writer: ByteSink = { write: (chunk) => void taken.push(chunk) };
  const sink = {
    sizeBytes: right.length,
    shardBytes: SHARD_BYTES,
    read: async (positionBytes: number, target: Uint8Array) => void file.copy(target, 0, positionBytes),
  };
  const deps = {
    writer,
    proofs: new Proofs(right, chunkBytes) as Pick<ShardProofs, "of" | "openCheck"> as ShardProofs,
    sink: sink as Partial<ShardSink> as ShardSink,
  };
  const stream = new ProvenStream(startBytes, deps);
  let failure: SwarmError | undefined;
  try {
    for (let at = startBytes; at < sent.length; at += pieceBytes)
      await stream.write(sent.subarray(at, at + pieceBytes));
  } catch (error) {
    failure = error as SwarmError;
  }
  return { passed: Buffer.concat(taken), failure, receivedBytes: stream.receivedBytes };
}

const share = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
const streams = fc.record({
  sizeBytes: fc.integer({ min: 1, max: 900_000 }),
  from: share,
  pieceBytes: fc.integer({ min: 1_000, max: 400_000 }),
  chunkBytes: fc.integer({ min: 1_000, max: 131_072 }),
  wrong: share,
});

describe("a stream held against proofs", () => {
  it("passes everything on that is right, from anywhere on", async () => {
    await fc.assert(
      fc.asyncProperty(streams, async ({ sizeBytes, from, pieceBytes, chunkBytes }) => {
        const right = randomBytes(sizeBytes);
        const startBytes = Math.floor(from * sizeBytes);
        const outcome = await run({ right, sent: right, file: right, startBytes, pieceBytes, chunkBytes });
        assert.equal(outcome.failure, undefined);
        assert.equal(outcome.receivedBytes, sizeBytes);
        assert.ok(outcome.passed.equals(right.subarray(startBytes)));
      }),
      { numRuns: 60 },
    );
  });

  it("passes nothing of a wrong chunk on, and does not blame who sends for what was there before", async () => {
    await fc.assert(
      fc.asyncProperty(streams, async ({ sizeBytes, from, pieceBytes, chunkBytes, wrong }) => {
        const right = randomBytes(sizeBytes);
        const startBytes = Math.floor(from * sizeBytes);
        const wrongAt = Math.floor(wrong * sizeBytes);
        const shard = Math.floor(wrongAt / SHARD_BYTES);
        fc.pre(shard % 2 === 0 && shard >= Math.floor(startBytes / SHARD_BYTES));
        const bad = Buffer.from(right);
        bad[wrongAt] = (bad[wrongAt] as number) ^ 1;
        const { failure, passed } = await run({ right, sent: bad, file: bad, startBytes, pieceBytes, chunkBytes });
        const chunkStart = Number(/from (\d+) to/.exec(failure?.message ?? "")?.[1]);
        assert.ok(chunkStart <= wrongAt && wrongAt < chunkStart + chunkBytes, failure?.message);
        assert.equal(failure?.code, chunkStart < startBytes ? "PEER_TAINTED" : "PEER_CORRUPT");
        assert.ok(passed.equals(right.subarray(startBytes, startBytes + passed.length)));
        assert.ok(startBytes + passed.length <= Math.max(startBytes, wrongAt));
      }),
      { numRuns: 60 },
    );
  });
});
