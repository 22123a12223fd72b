/** What a `ShardFile` lets into the file when shards are held against proofs, whenever these come. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { ShardClaims, SwarmError, shardAt } from "@swarmd/protocol";
import fc from "fast-check";
import { ProofInbox } from "./proof-inbox.js";
import { ReceiveBuffers } from "./receive-buffers.js";
import { ShardFile } from "./shard-file.js";

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "swarmd-shard-proofs-"));
});
after(() => rm(folder, { recursive: true, force: true }));

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const SHARD_BYTES = 262_144;

function newHasher() {
  const hash = createHash("sha256");
  return { update: (chunk: Uint8Array) => void hash.update(chunk), digest: () => hash.copy().digest() };
}

/** Holds bytes against the right ones, in chunks of these sizes. */
function checksOf(right: Buffer, chunkSizes: readonly number[]) {
  return (
    payload: Uint8Array,
    { startBytes, endBytes }: { readonly startBytes: number; readonly endBytes: number },
  ) => {
    if (payload.length === 0) throw new SwarmError("PEER_FAULT", "not a proof");
    let at = startBytes;
    let next = 0;
    return {
      check(bytes: Uint8Array): number {
        const from = at;
        for (;;) {
          const end = Math.min(at + (chunkSizes[next % chunkSizes.length] as number), endBytes);
          if (end === at || end - from > bytes.length) return at - from;
          if (Buffer.compare(right.subarray(at, end), bytes.subarray(at - from, end - from)) !== 0) {
            throw new SwarmError("PEER_CORRUPT", `from ${at} to ${end}`);
          }
          at = end;
          next += 1;
        }
      },
    };
  };
}

interface Case {
  readonly sizeBytes: number;
  readonly startBytes: number;
  readonly pieces: readonly number[];
  readonly chunkSizes: readonly number[];
  /** Of each shard: whether there is a proof, and after how many pieces the word on it comes. */
  readonly proofs: readonly { readonly isThere: boolean; readonly afterPieces: number }[];
  readonly wrongAt: number | undefined;
  /** A byte before the start is wrong in the file already. */
  readonly wrongBefore: number | undefined;
}

async function feed(right: Buffer, { startBytes, pieces, chunkSizes, proofs, wrongAt, wrongBefore }: Case) {
  const sizeBytes = right.length;
  const path = join(folder, "file");
  const old = Buffer.from(right.subarray(0, startBytes));
  if (wrongBefore !== undefined) old[wrongBefore] = (old[wrongBefore] as number) ^ 1;
  await writeFile(path, old);
  const sent = Buffer.from(right);
  if (wrongAt !== undefined) sent[wrongAt] = (sent[wrongAt] as number) ^ 1;
  const spec = { path, startBytes, endBytes: sizeBytes, sizeBytes, shardBytes: SHARD_BYTES };
  const open = checksOf(right, chunkSizes);
  const inbox = new ProofInbox({ ...spec, xetHash: "" }, open);
  const first = shardAt(startBytes, SHARD_BYTES);
  const put = (index: number) => {
    const { isThere } = proofs[index % proofs.length] as Case["proofs"][number];
    inbox.put(first + index, isThere ? { payload: Uint8Array.of(1), isForeign: false } : undefined);
  };
  // A range that begins midway waits for the word on its first shard.
  put(0);
  const told: { positionBytes: number; hash: string }[] = [];
  let failure: unknown;
  const claims = ShardClaims.of(Math.ceil(sizeBytes / SHARD_BYTES)).shared;
  const file = await ShardFile.open(
    { ...spec, claims, owner: 2 },
    {
      buffers: new ReceiveBuffers(),
      newHasher,
      checks: inbox,
      onWritten: (positionBytes, hash) => told.push({ positionBytes, hash: Buffer.from(hash).toString("hex") }),
      onFault: (fault) => {
        failure = fault;
      },
    },
  ).catch((error: unknown) => {
    failure = error;
    return undefined;
  });
  const shards = Math.ceil(sizeBytes / SHARD_BYTES) - first;
  const putUpTo = (piece: number) => {
    for (let index = 1; index < shards; index += 1) {
      if ((proofs[index % proofs.length]?.afterPieces ?? 0) <= piece) put(index);
    }
  };
  if (file !== undefined) {
    try {
      for (let piece = 0, at = startBytes; at < sizeBytes && failure === undefined; piece += 1) {
        putUpTo(piece);
        const target = file.target();
        const wanted = Math.min(pieces[piece % pieces.length] ?? 1, target.length, sizeBytes - at);
        sent.copy(target, 0, at, at + wanted);
        at += wanted;
        const wait = file.take(wanted);
        // Whoever has to wait for room may wait for the word on a shard.
        if (wait !== undefined) putUpTo(Number.POSITIVE_INFINITY);
        await wait;
      }
    } catch (error) {
      failure = error;
    }
    putUpTo(Number.POSITIVE_INFINITY);
    await file.flush().catch((error: unknown) => {
      failure ??= error;
    });
    await file.close();
  }
  return { told, failure: failure as SwarmError | undefined, written: await readFile(path) };
}

const share = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
const cases = fc.record({
  sizeBytes: fc.integer({ min: 1, max: 900_000 }),
  from: share,
  pieces: fc.array(fc.integer({ min: 1, max: 300_000 }), { minLength: 1, maxLength: 5 }),
  chunkSizes: fc.array(fc.integer({ min: 1_000, max: 131_072 }), { minLength: 1, maxLength: 5 }),
  proofs: fc.array(fc.record({ isThere: fc.boolean(), afterPieces: fc.nat(8) }), { minLength: 1, maxLength: 4 }),
  wrong: share,
});

function caseOf({
  from,
  ...rest
}: { readonly from: number } & Omit<Case, "startBytes" | "wrongAt" | "wrongBefore">): Case {
  return { ...rest, startBytes: Math.floor(from * rest.sizeBytes), wrongAt: undefined, wrongBefore: undefined };
}

function assertHashes(told: readonly { readonly positionBytes: number; readonly hash: string }[], right: Buffer): void {
  for (const { positionBytes, hash } of told) {
    const start = Math.floor((positionBytes - 1) / SHARD_BYTES) * SHARD_BYTES;
    assert.equal(hash, sha256(right.subarray(start, positionBytes)));
  }
}

describe("ShardFile with proofs", () => {
  it("takes what is right, in any pieces, from anywhere on, whenever the proofs come", async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ wrong: _, ...made }) => {
        const right = randomBytes(made.sizeBytes);
        const { told, failure, written } = await feed(right, caseOf(made));
        assert.equal(failure, undefined);
        assert.ok(written.equals(right));
        assert.equal(told.at(-1)?.positionBytes, right.length);
        assertHashes(told, right);
      }),
      { numRuns: 60 },
    );
  });

  it("lets nothing of a wrong chunk into the file, and keeps what was proven before it", async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ wrong, ...made }) => {
        const one = { ...caseOf(made), proofs: made.proofs.map((proof) => ({ ...proof, isThere: true })) };
        const right = randomBytes(made.sizeBytes);
        const wrongAt = one.startBytes + Math.floor(wrong * (right.length - one.startBytes));
        const { told, failure, written } = await feed(right, { ...one, wrongAt });
        const isOld = /from (\d+) to/.exec(failure?.message ?? "")?.[1];
        assert.equal(failure?.code, Number(isOld) < one.startBytes ? "PEER_TAINTED" : "PEER_CORRUPT");
        const reached = told.at(-1)?.positionBytes ?? one.startBytes;
        assert.ok(reached <= wrongAt, `${reached} is told, ${wrongAt} is wrong`);
        assert.ok(written.equals(right.subarray(0, written.length)));
        assert.ok(written.length <= wrongAt);
        assertHashes(told, right);
      }),
      { numRuns: 60 },
    );
  });

  it("does not blame who sends for what was in the file before", async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ wrong, ...made }) => {
        const one = { ...caseOf(made), proofs: [{ isThere: true, afterPieces: 0 }] };
        const shardStart = Math.floor(one.startBytes / SHARD_BYTES) * SHARD_BYTES;
        fc.pre(one.startBytes > shardStart);
        const wrongBefore = shardStart + Math.floor(wrong * (one.startBytes - shardStart));
        const right = randomBytes(made.sizeBytes);
        const { failure } = await feed(right, { ...one, wrongBefore });
        assert.equal(failure?.code, "PEER_TAINTED");
      }),
      { numRuns: 40 },
    );
  });

  it("calls what is no proof the fault of who sent it", async () => {
    const right = randomBytes(SHARD_BYTES);
    const spec = { sizeBytes: right.length, shardBytes: SHARD_BYTES, xetHash: "" };
    const inbox = new ProofInbox(spec, checksOf(right, [1000]));
    inbox.put(0, { payload: new Uint8Array(0), isForeign: false });
    assert.throws(() => inbox.find(0), { code: "PEER_FAULT" });
  });
});
