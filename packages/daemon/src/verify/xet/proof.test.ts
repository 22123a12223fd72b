import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { SwarmError } from "@swarmd/protocol";
import fc from "fast-check";
import { CHUNK_BYTES_MAX, Chunker } from "./chunker.js";
import { createWasmKeyedBlake3 } from "./keyed-blake3.js";
import {
  type FindRest,
  findChunks,
  type KnownTree,
  mergeTrees,
  narrowTree,
  type ProofNode,
  proveRange,
  type RangeProof,
} from "./proof.js";
import { findResume, ProofChecker } from "./proof-checker.js";
import { type Anchor, decodeProof, encodeProof, PROOF_BYTES_MAX } from "./proof-codec.js";
import { TreeFold } from "./tree-fold.js";
import { formatXetHash, type HashedRange, XetHasher } from "./xet-hash.js";

const KIB = 1024;
const hasher = await XetHasher.load();
/** More by hand: `SWARM_FUZZ_RUNS=1000000 node scripts/test.mjs …`. */
const FUZZ_RUNS = Number(process.env.SWARM_FUZZ_RUNS ?? 2000);
// The same inputs every time; a long run by hand takes new ones.
if (process.env.SWARM_FUZZ_RUNS === undefined) fc.configureGlobal({ seed: 20_26 });

interface Content extends Anchor {
  readonly bytes: Buffer;
  readonly tree: KnownTree;
}

/** Random bytes that are always the same, with the whole tree over them. */
function makeContent(seed: string, sizeBytes: number): Content {
  const bytes = Buffer.alloc(sizeBytes);
  for (let at = 0; at < sizeBytes; at += 32) {
    createHash("sha256").update(`${seed} ${at}`).digest().copy(bytes, at);
  }
  const chunker = new Chunker("spec");
  const levels: ProofNode[][] = [];
  const used: number[] = [];
  const fold = new TreeFold(hasher, (level, node, children) => {
    const below = levels[level - 1] ?? [];
    const first = used[level] ?? 0;
    used[level] = first + children;
    levels[level] ??= [];
    levels[level].push(children === 0 ? node : { ...node, children: below.slice(first, first + children) });
  });
  let start = 0;
  for (const end of [...chunker.push(bytes), ...chunker.finish()]) {
    fold.push({ hash: hasher.hashChunk(bytes.subarray(start, end)), sizeBytes: end - start });
    start = end;
  }
  fold.finish();
  const root = levels.at(-1)?.[0] as ProofNode;
  const file = formatXetHash(hasher.hashFile(root.hash));
  return { bytes, sizeBytes, file, tree: { file, root, height: levels.length - 1 } };
}

function restReader({ bytes }: Content): FindRest {
  return async ({ startBytes, sizeBytes }, part) =>
    hasher.chunkParts.restOf(bytes.subarray(startBytes, startBytes + sizeBytes), part);
}

function prove(content: Content, startBytes: number, endBytes: number): Promise<RangeProof> {
  return proveRange(content.tree, startBytes, endBytes, restReader(content));
}

function flip(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
  return copy;
}

function codeOf(work: () => void): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    assert.ok(error instanceof SwarmError, `no SwarmError: ${error}`);
    return error.code;
  }
}

/** Chunks of 1 to 30, of which some are of the greatest size. */
const BIG = makeContent("big", 1_900 * KIB + 77);
const ONE_CHUNK = makeContent("one", 5_000);
const TINY = makeContent("tiny", 1);
const CONTENTS = [BIG, ONE_CHUNK, TINY];

/** A content by its number: a counterexample with all its bytes would be unreadable. */
const numbers = fc.nat({ max: CONTENTS.length - 1 });
const contentAt = (number: number) => CONTENTS[number] as Content;
const ranges = fc.tuple(numbers, fc.nat(), fc.nat()).map(([number, a, b]) => {
  const content = contentAt(number);
  const startBytes = a % content.sizeBytes;
  return { number, startBytes, endBytes: startBytes + 1 + (b % (content.sizeBytes - startBytes)) };
});

describe("a proof", () => {
  test("goes over the wire and back, and proves its bytes however they arrive", async () => {
    await fc.assert(
      fc.asyncProperty(
        ranges,
        fc.array(fc.integer({ min: 1, max: 300_000 }), { minLength: 1, maxLength: 9 }),
        async ({ number, startBytes, endBytes }, pieces) => {
          const content = contentAt(number);
          const bytes = encodeProof(await prove(content, startBytes, endBytes));
          const proof = decodeProof(bytes, content, hasher);
          assert.deepEqual(Buffer.from(encodeProof(proof)), Buffer.from(bytes));
          const checker = new ProofChecker(proof, hasher);
          const ends =
            findChunks(proof, startBytes, endBytes)?.map((chunk) => chunk.startBytes + chunk.sizeBytes) ?? [];
          let at = startBytes;
          for (let index = 0; at < endBytes; index += 1) {
            const end = Math.min(endBytes, at + (pieces[index % pieces.length] as number));
            const accepted = checker.push(content.bytes.subarray(at, end));
            at = end;
            const expected = at === endBytes ? endBytes : (ends.findLast((chunkEnd) => chunkEnd <= at) ?? startBytes);
            assert.equal(accepted, Math.max(expected, startBytes));
          }
          assert.ok(checker.isComplete);
        },
      ),
      { numRuns: 150 },
    );
  });

  test("checks with WebAssembly alone", async () => {
    const wasm = new XetHasher(createWasmKeyedBlake3());
    const proof = decodeProof(encodeProof(await prove(BIG, 100_000, 700_000)), BIG, wasm);
    assert.equal(new ProofChecker(proof, wasm).push(BIG.bytes.subarray(100_000, 700_000)), 700_000);
  });

  test("is refused or catches the bytes when any bit of it is flipped", async () => {
    const [startBytes, endBytes] = [300_001, 800_001];
    const bytes = encodeProof(await prove(BIG, startBytes, endBytes));
    const cut = findChunks(BIG.tree, startBytes, endBytes)?.[0];
    const firstEnd = (cut?.startBytes as number) + (cut?.sizeBytes as number);
    let late = 0;
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const wrong = flip(bytes, bit);
      let proof: RangeProof | undefined;
      const code = codeOf(() => {
        proof = decodeProof(wrong, { ...BIG, startBytes, endBytes }, hasher);
      });
      if (proof === undefined) {
        assert.match(code as string, /^PEER_(?:FAULT|CORRUPT)$/);
        continue;
      }
      // A rest is checked with its chunk.
      late += 1;
      const checker = new ProofChecker(proof, hasher);
      assert.equal(
        codeOf(() => checker.push(BIG.bytes.subarray(startBytes, endBytes))),
        "PEER_CORRUPT",
        `bit ${bit}`,
      );
      assert.ok(checker.acceptedUpTo === startBytes || checker.acceptedUpTo >= firstEnd);
      assert.ok(checker.acceptedUpTo < endBytes);
    }
    assert.ok(late > 0, "some of the bits are in the rests");
  });

  test("accepts no wrong byte: any flipped bit is found in its chunk, and nothing behind it counts", async () => {
    const [startBytes, endBytes] = [200_000, 1_500_000];
    const proof = await prove(BIG, startBytes, endBytes);
    const right = BIG.bytes.subarray(startBytes, endBytes);
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: right.length * 8 - 1 }),
        fc.integer({ min: 1, max: 400_000 }),
        (bit, piece) => {
          const wrong = flip(right, bit);
          const checker = new ProofChecker(proof, hasher);
          let pushed = 0;
          const code = codeOf(() => {
            for (; pushed < wrong.length; pushed += piece) checker.push(wrong.subarray(pushed, pushed + piece));
          });
          assert.equal(code, "PEER_CORRUPT");
          const wrongAt = startBytes + (bit >> 3);
          assert.ok(checker.acceptedUpTo <= wrongAt, "nothing wrong is accepted");
          assert.ok(startBytes + pushed - checker.acceptedUpTo <= CHUNK_BYTES_MAX, "caught within one chunk");
          assert.equal(
            codeOf(() => checker.push(right)),
            "PEER_CORRUPT",
          );
        },
      ),
      { numRuns: 150 },
    );
  });

  test("refuses bytes behind its range, and chunks in another order", async () => {
    const chunks = findChunks(BIG.tree, 0, BIG.sizeBytes) as NonNullable<ReturnType<typeof findChunks>>;
    const [, one, two] = chunks;
    assert.ok(one !== undefined && two !== undefined);
    const endBytes = two.startBytes + two.sizeBytes;
    const proof = await prove(BIG, one.startBytes, endBytes);
    const checker = new ProofChecker(proof, hasher);
    checker.push(BIG.bytes.subarray(one.startBytes, endBytes));
    assert.equal(
      codeOf(() => checker.push(Buffer.from("x"))),
      "PEER_FAULT",
    );
    const swapped = Buffer.concat([
      BIG.bytes.subarray(two.startBytes, endBytes),
      BIG.bytes.subarray(one.startBytes, two.startBytes),
    ]);
    const other = new ProofChecker(proof, hasher);
    assert.equal(
      codeOf(() => other.push(swapped)),
      "PEER_CORRUPT",
    );
    assert.equal(other.acceptedUpTo, one.startBytes);
  });

  test("lets a transfer go on between two chunks, and nowhere else", async () => {
    const [startBytes, endBytes] = [123_456, 1_234_567];
    const proof = await prove(BIG, startBytes, endBytes);
    for (const position of [startBytes, 400_000, 900_000, endBytes - 1]) {
      const from = findResume(proof, position);
      assert.ok(from <= position && position - from < CHUNK_BYTES_MAX);
      const checker = new ProofChecker(proof, hasher, from);
      assert.equal(checker.push(BIG.bytes.subarray(from, endBytes)), endBytes);
    }
    const between = findResume(proof, 900_000);
    assert.throws(() => new ProofChecker(proof, hasher, between + 1), { code: "INTERNAL" });
  });
});

describe("proofs of those who hold only a part", () => {
  test("serve any range within it, with the rests computed from what is held", async () => {
    await fc.assert(
      fc.asyncProperty(ranges, fc.nat(), fc.nat(), async ({ number, startBytes, endBytes }, a, b) => {
        const content = contentAt(number);
        const proof = decodeProof(encodeProof(await prove(content, startBytes, endBytes)), content, hasher);
        const from = startBytes + (a % (endBytes - startBytes));
        const to = from + 1 + (b % (endBytes - from));
        const part = await proveRange(proof, from, to, restReader(content));
        const checker = new ProofChecker(decodeProof(encodeProof(part), content, hasher), hasher);
        assert.equal(checker.push(content.bytes.subarray(from, to)), to);
      }),
      { numRuns: 100 },
    );
  });

  test("merge: two neighbours prove the range over both, and equal what the whole tree gives", async () => {
    const points = fc.tuple(fc.nat(), fc.nat(), fc.nat()).map((all) => {
      const [a, b, c] = all.map((point) => point % (BIG.sizeBytes - 3)).sort((x, y) => x - y) as [
        number,
        number,
        number,
      ];
      return { startBytes: a, middle: b + 1, endBytes: c + 2 };
    });
    await fc.assert(
      fc.asyncProperty(points, async ({ startBytes, middle, endBytes }) => {
        const [left, right] = [await prove(BIG, startBytes, middle), await prove(BIG, middle, endBytes)];
        for (const merged of [mergeTrees(left, right), mergeTrees(right, left)]) {
          assert.deepEqual(merged, narrowTree(BIG.tree, startBytes, endBytes));
        }
      }),
      { numRuns: 60 },
    );
  });

  test("of different files, or of different heights, do not merge", async () => {
    assert.throws(() => mergeTrees(BIG.tree, ONE_CHUNK.tree), { code: "INTERNAL" });
    assert.throws(() => mergeTrees(BIG.tree, { ...BIG.tree, height: 1 }), { code: "INTERNAL" });
  });

  test("of a range that is not known are not made", async () => {
    const known = narrowTree(BIG.tree, 0, 300_000);
    await assert.rejects(proveRange(known, 0, 900_000, restReader(BIG)), { code: "PEER_LACKS" });
    await assert.rejects(proveRange(known, BIG.sizeBytes, BIG.sizeBytes + 1, restReader(BIG)), { code: "PEER_LACKS" });
  });
});

describe("the decoder", () => {
  const whole = (content: Content) => prove(content, 0, content.sizeBytes);

  test("refuses a proof of another file, of another size, or one in which an inner node poses as a chunk", async () => {
    const bytes = encodeProof(await whole(ONE_CHUNK));
    assert.equal(
      codeOf(() => decodeProof(bytes, { ...BIG, sizeBytes: 5_000 }, hasher)),
      "PEER_CORRUPT",
    );
    assert.equal(
      codeOf(() => decodeProof(bytes, { ...ONE_CHUNK, sizeBytes: 5_001 }, hasher)),
      "PEER_CORRUPT",
    );
    const proof = await whole(BIG);
    const children = proof.root.children?.map(({ hash, sizeBytes }) => ({ hash, sizeBytes }));
    const shallow = encodeProof({ ...proof, height: 1, root: { ...proof.root, children: children as ProofNode[] } });
    assert.equal(
      codeOf(() => decodeProof(shallow, BIG, hasher)),
      "PEER_FAULT",
    );
  });

  test("refuses more than is needed, and less", async () => {
    const proof = await prove(BIG, 0, 50_000);
    const more = encodeProof({ ...proof, root: BIG.tree.root });
    assert.equal(
      codeOf(() => decodeProof(more, BIG, hasher)),
      "PEER_FAULT",
    );
    const less = encodeProof({ ...(await whole(BIG)), root: proof.root });
    assert.equal(
      codeOf(() => decodeProof(less, BIG, hasher)),
      "PEER_FAULT",
    );
  });

  const hash = "ab".repeat(32);
  for (const { id, hex } of [
    { id: "nothing", hex: "" },
    { id: "a version alone", hex: "01" },
    { id: "another version", hex: "02000005" },
    { id: "a tree without end", hex: `01ff0001` },
    { id: "an empty range", hex: "01000000" },
    { id: "a range that ends before it begins", hex: "01000501" },
    { id: "a range behind the file", hex: "010000ffffffffffff7f" },
    { id: "a number that does not end", hex: `0100${"80".repeat(40)}` },
    { id: "a number with a needless byte", hex: "01008000" },
    { id: "a node without children", hex: "010100010000" },
    { id: "a node with fifteen children", hex: "010100010f00" },
    { id: "a node whose children are more than it counts", hex: "01020001f1ff" },
    { id: "a chain of nodes with one child each", hex: `01200001${"1100".repeat(32)}${hash}01` },
    { id: "a chunk with children", hex: `010100011100${hash}01` },
    { id: "a chunk of no bytes", hex: `01000001${hash}00` },
    { id: "a chunk larger than the file", hex: `01000001${hash}ffffffffffff3f` },
    { id: "a hash that is cut short", hex: "01000001abababab" },
    { id: "something behind the proof", hex: `01000001${hash}0100` },
  ]) {
    test(`refuses ${id}`, () => {
      const code = codeOf(() => decodeProof(Buffer.from(hex, "hex"), TINY, hasher));
      assert.match(code ?? "accepted", /^PEER_(?:FAULT|CORRUPT)$/);
      assert.match(codeOf(() => decodeProof(Buffer.from(hex, "hex"), BIG, hasher)) ?? "accepted", /^PEER_/);
    });
  }

  test("refuses what is too large before it reads it", () => {
    const error = codeOf(() => decodeProof(new Uint8Array(PROOF_BYTES_MAX + 1), BIG, hasher));
    assert.equal(error, "PEER_FAULT");
  });

  test("throws nothing but its two codes, and lets through only what leads to the file's hash", async () => {
    const valid = [
      await prove(BIG, 300_001, 800_001),
      await prove(BIG, 0, BIG.sizeBytes),
      await prove(BIG, 777, 778),
      await prove(ONE_CHUNK, 10, 4_000),
    ].map(encodeProof);
    const edits = fc.array(
      fc.record({
        kind: fc.constantFrom("set", "cut", "insert", "repeat"),
        at: fc.nat(),
        value: fc.integer({ min: 0, max: 255 }),
        length: fc.integer({ min: 1, max: 80 }),
      }),
      { minLength: 1, maxLength: 4 },
    );
    const edited = fc.tuple(fc.constantFrom(...valid), edits).map(([bytes, list]) => {
      let result = Buffer.from(bytes);
      for (const { kind, at, value, length } of list) {
        const place = at % (result.length + 1);
        if (kind === "set" && place < result.length) result[place] = value;
        const [before, after] = [result.subarray(0, place), result.subarray(place)];
        if (kind === "cut") result = Buffer.concat([before, after.subarray(length)]);
        if (kind === "insert") result = Buffer.concat([before, Buffer.alloc(length, value), after]);
        if (kind === "repeat") result = Buffer.concat([before, after.subarray(0, length), after]);
      }
      return result;
    });
    const inputs = fc.oneof(edited, edited, fc.uint8Array({ maxLength: 400 }));
    fc.assert(
      fc.property(inputs, numbers, (bytes, number) => {
        const content = contentAt(number);
        let proof: RangeProof | undefined;
        const code = codeOf(() => {
          proof = decodeProof(bytes, content, hasher);
        });
        if (proof === undefined) return void assert.match(code as string, /^PEER_(?:FAULT|CORRUPT)$/);
        const known = narrowTree(content.tree, proof.startBytes, proof.endBytes);
        assert.deepEqual(plain(proof.root), plain(known.root));
        assert.deepEqual(Buffer.from(encodeProof(proof)), Buffer.from(bytes));
      }),
      { numRuns: FUZZ_RUNS },
    );
  });
});

/** Hashes as text, so that a Buffer equals an array. */
function plain(node: ProofNode): unknown {
  const { hash, sizeBytes, children } = node;
  return { hash: Buffer.from(hash).toString("hex"), sizeBytes, children: children?.map(plain) };
}

test("a shard of sixteen mebibytes is proven with at most fifteen kilobytes", async () => {
  const shardBytes = 16 * KIB * KIB;
  const chunks: HashedRange[] = [];
  // Sizes as content-defined cuts give them: at least 8 KiB, then each byte a cut with one chance in 65,536, at most 128 KiB.
  for (let total = 0; total < 40 * shardBytes; ) {
    const hash = createHash("sha256").update(`chunk ${chunks.length}`).digest();
    const luck = hash.readUInt32LE() / 2 ** 32;
    const sizeBytes = Math.min(CHUNK_BYTES_MAX, 8192 + Math.floor(-65_536 * Math.log(1 - luck)));
    chunks.push({ hash, sizeBytes });
    total += sizeBytes;
  }
  const levels: ProofNode[][] = [];
  const used: number[] = [];
  const fold = new TreeFold(hasher, (level, node, children) => {
    const first = used[level] ?? 0;
    used[level] = first + children;
    levels[level] ??= [];
    levels[level].push(
      children === 0 ? node : { ...node, children: levels[level - 1]?.slice(first, first + children) ?? [] },
    );
  });
  for (const chunk of chunks) fold.push(chunk);
  fold.finish();
  const root = levels.at(-1)?.[0] as ProofNode;
  const tree = { file: formatXetHash(hasher.hashFile(root.hash)), root, height: levels.length - 1 };
  const rest: FindRest = async (chunk, part) => hasher.chunkParts.restOf(new Uint8Array(chunk.sizeBytes), part);
  for (let shard = 0; shard < 40; shard += 1) {
    const proof = await proveRange(tree, shard * shardBytes, (shard + 1) * shardBytes, rest);
    assert.ok(encodeProof(proof).length <= 15_000, `${encodeProof(proof).length} bytes`);
  }
});
