/** The published vectors of the xet specification's implementations, and a second, slow implementation of it to compare with. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Chunker, type ChunkRule } from "./chunker.js";
import { gearTableBytes } from "./gear-table.js";
import { createWasmKeyedBlake3, type KeyedBlake3, loadNativeKeyedBlake3 } from "./keyed-blake3.js";
import { TreeFold } from "./tree-fold.js";
import { bytesOfXetHash, formatXetHash, type HashedRange, parseXetHash, type XetHash, XetHasher } from "./xet-hash.js";

fc.configureGlobal({ seed: 20_26 });
const RULES = ["spec", "legacy"] as const;
const native = await loadNativeKeyedBlake3();

function cut(bytes: Uint8Array, rule: ChunkRule): number[] {
  const chunker = new Chunker(rule);
  return [...chunker.push(bytes), ...chunker.finish()];
}

function hashesOf(bytes: Uint8Array, rule: ChunkRule, hasher: XetHasher): HashedRange[] {
  let start = 0;
  return cut(bytes, rule).map((end) => {
    const chunk = bytes.subarray(start, end);
    start = end;
    return { hash: hasher.hashChunk(chunk), sizeBytes: chunk.length };
  });
}

function rootOf(chunks: readonly HashedRange[], hasher: XetHasher): Uint8Array {
  const fold = new TreeFold(hasher);
  for (const chunk of chunks) fold.push(chunk);
  return fold.finish()?.root.hash ?? Buffer.alloc(32);
}

function fileHash(bytes: Uint8Array, rule: ChunkRule, hasher: XetHasher): string {
  return formatXetHash(hasher.hashFile(rootOf(hashesOf(bytes, rule, hasher), hasher)));
}

function splitMix(seed: bigint, length: number): Buffer {
  const bytes = Buffer.alloc(Math.ceil(length / 8) * 8);
  const wrap = (value: bigint) => BigInt.asUintN(64, value);
  let state = seed;
  for (let at = 0; at < bytes.length; at += 8) {
    state = wrap(state + 0x9e3779b97f4a7c15n);
    let z = wrap((state ^ (state >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = wrap((z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    bytes.writeBigUInt64LE(z ^ (z >> 31n), at);
  }
  return bytes.subarray(0, length);
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The specification read word by word: one byte at a time, one number for the hash. */
function slowCut(bytes: Uint8Array, rule: ChunkRule): number[] {
  const table = new BigUint64Array(new Uint8Array(gearTableBytes()).buffer);
  const ends: number[] = [];
  let start = 0;
  let hash = 0n;
  for (let at = 0; at < bytes.length; at += 1) {
    const size = at - start + 1;
    if (size > 8192 - 64 - 1) {
      hash = BigInt.asUintN(64, (hash << 1n) + (table[bytes[at] as number] as bigint));
    }
    const hit = size > 8192 - 64 - 1 && (hash & 0xffff000000000000n) === 0n && (rule === "legacy" || size >= 8192);
    if (hit || size === 131_072 || at === bytes.length - 1) {
      ends.push(at + 1);
      start = at + 1;
      hash = 0n;
    }
  }
  return ends;
}

/** The tree rule word by word, over whole levels. */
function slowRoot(chunks: readonly HashedRange[], blake3: KeyedBlake3): Uint8Array {
  const key = Buffer.from("017ec5c7a5472996fd946666b48a02e65ddd536f37c76dd2f86352e64a53713f", "hex");
  let level = [...chunks];
  while (level.length > 1) {
    const above: HashedRange[] = [];
    for (let start = 0; start < level.length; ) {
      const left = level.length - start;
      let length = Math.min(9, left);
      if (left > 2) {
        for (let index = 2; index < Math.min(9, left); index += 1) {
          if (((level[start + index]?.hash[24] as number) & 3) === 0) {
            length = index + 1;
            break;
          }
        }
      }
      const group = level.slice(start, start + length);
      const text = group.map(({ hash, sizeBytes }) => `${formatXetHash(hash)} : ${sizeBytes}\n`).join("");
      const hasher = blake3.createHasher(key);
      hasher.update(Buffer.from(text, "latin1"));
      above.push({ hash: hasher.digest(), sizeBytes: group.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) });
      start += length;
    }
    level = above;
  }
  return level[0]?.hash ?? Buffer.alloc(32);
}

test("the gear table is the published one", () => {
  assert.equal(sha256(gearTableBytes()), "e1d3936666d7ae7a977c958e9afcc75f90aaca758ce5fbe4ece61dffefe1912c");
});

test("a xet hash is text or bytes, and nothing but 64 hex digits is one", () => {
  const hash = parseXetHash("4e39378b9d359f118190557a1f44130219a54e5fcfa07bd96cf50b466fe651b1");
  assert.equal(formatXetHash(bytesOfXetHash(hash)), hash);
  for (const bad of ["*".repeat(64), "ab", hash.toUpperCase(), `${hash}0`, ""]) {
    assert.throws(() => parseXetHash(bad), { code: "ORIGIN_FAULT" });
  }
});

describe("cuts", () => {
  test("of random bytes fall where the reference implementation has them", () => {
    const bytes = splitMix(0n, 1_000_000);
    assert.equal(sha256(bytes), "b3d0a1f7938cd4d8413a4dcffd4313e2e8ac0cb61cb1090eb140ea8e9154befb");
    const ends = [
      84493, 134421, 144853, 243318, 271793, 336457, 467529, 494581, 582000, 596735, 616815, 653164, 678202, 724510,
      815591, 827760, 958832, 991092, 1000000,
    ];
    for (const rule of RULES) assert.deepEqual(cut(bytes, rule), ends);
  });

  test("of one byte repeated fall at the greatest size", () => {
    const ends = [131072, 262144, 393216, 524288, 655360, 786432, 917504, 1000000];
    for (const rule of RULES) assert.deepEqual(cut(Buffer.alloc(1_000_000, 59), rule), ends);
  });

  /** A run of bytes that ends in a cut, with zeros behind it: 64 KiB of that come near every edge of the least size. */
  const PATTERN = Buffer.from([
    154, 52, 42, 34, 159, 75, 126, 224, 70, 236, 12, 196, 79, 236, 178, 124, 127, 50, 99, 178, 44, 176, 174, 126, 250,
    235, 205, 174, 252, 122, 35, 10, 20, 101, 214, 69, 193, 8, 115, 105, 158, 228, 120, 111, 136, 162, 198, 251, 211,
    183, 253, 252, 164, 147, 63, 16, 186, 162, 117, 23, 170, 36, 205, 187, 174, 76, 210, 174, 211, 175, 12, 173, 145,
    59, 2, 70, 222, 181, 159, 227, 182, 156, 189, 51, 226, 106, 24, 50, 183, 157, 140, 10, 8, 23, 212, 70, 10, 234, 23,
    33, 219, 254, 39, 236, 70, 49, 191, 116, 9, 115, 15, 101, 26, 159, 165, 220, 15, 170, 56, 125, 92, 163, 94, 235, 38,
    40, 49, 81,
  ]);
  const padded = (padding: number) =>
    Buffer.concat(
      Array(Math.ceil(65_536 / (128 + padding))).fill(Buffer.concat([PATTERN, Buffer.alloc(padding)])),
    ).subarray(0, 65_536);

  for (const { padding, ends } of [
    { padding: 0, ends: [8256, 16448, 24640, 32832, 41024, 49216, 57408, 65536] },
    { padding: 1, ends: [8191, 16447, 24703, 32959, 41215, 49471, 57727, 65536] },
    { padding: 2, ends: [8254, 16574, 24894, 33214, 41534, 49854, 58174, 65536] },
    { padding: 12, ends: [8324, 16452, 24704, 32832, 41084, 49212, 57464, 65536] },
    { padding: 17, ends: [8329, 16457, 24714, 32842, 41099, 49227, 57484, 65536] },
    { padding: 24, ends: [8128, 16328, 24536, 32744, 40952, 49160, 57368, 65536] },
    { padding: 29, ends: [8128, 16392, 24713, 33034, 41355, 49676, 57997, 65536] },
    { padding: 53, ends: [8209, 16337, 24680, 32808, 41151, 49279, 57622, 65536] },
    { padding: 61, ends: [8191, 16507, 24823, 33139, 41455, 49771, 58087, 65536] },
    { padding: 75, ends: [8387, 16515, 24830, 32958, 41273, 49401, 57716, 65536] },
    { padding: 78, ends: [8128, 16338, 24578, 32818, 41058, 49298, 57538, 65536] },
    { padding: 89, ends: [8128, 16339, 24585, 32831, 41077, 49323, 57569, 65536] },
    { padding: 100, ends: [8272, 16480, 24688, 32896, 41104, 49312, 57520, 65536] },
  ]) {
    test(`of the pattern with ${padding} zeros are those of the legacy table`, () => {
      assert.deepEqual(cut(padded(padding), "legacy"), ends);
    });
  }

  test("of the pattern with 0 to 127 zeros are those of the specification read word by word", () => {
    let differing = 0;
    for (let padding = 0; padding < 128; padding += 1) {
      const bytes = padded(padding);
      for (const rule of RULES) assert.deepEqual(cut(bytes, rule), slowCut(bytes, rule), `${rule}, ${padding} zeros`);
      if (cut(bytes, "spec").join() !== cut(bytes, "legacy").join()) differing += 1;
    }
    // As many of the reference's cases changed when it turned from the one rule to the other.
    assert.equal(differing, 13);
  });

  test("do not depend on how the bytes arrive", () => {
    const bytes = Buffer.concat([padded(24), splitMix(3n, 600_000), padded(1), Buffer.alloc(200_000, 7)]);
    const whole = RULES.map((rule) => cut(bytes, rule));
    const piece = fc.oneof(
      fc.integer({ min: 0, max: 70 }),
      fc.integer({ min: 0, max: 9000 }),
      fc.integer({ min: 0, max: 400_000 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 60 }), fc.constantFrom(0, 1), (pieces, which) => {
        const chunker = new Chunker(RULES[which] as ChunkRule);
        const ends: number[] = [];
        let at = 0;
        for (let index = 0; at < bytes.length; index += 1) {
          const length = index < 500 ? (pieces[index % pieces.length] as number) : bytes.length;
          ends.push(...chunker.push(bytes.subarray(at, at + length)));
          at += length;
        }
        assert.deepEqual([...ends, ...chunker.finish()], whole[which]);
      }),
      { numRuns: 60 },
    );
  });
});

const A = "cfc5d07f6f03c29bbf424132963fe08d19a37d5757aaf520bf08119f05cd56d6";
const B = "c3e67584b5c4fc2a89837ec39e40f2c8a6bb0b2987ac94cd4b31e5fbdd210a72";
const C = "0d2beb91b9196929a5ddec9f6e306924ddf4a24268e3e59fd8464738d525af37";
const D = "adf8773496a9b7319b2e50dc98093f344053b17d8ad37100b9c07d9805988784";
const ZERO = "0".repeat(64);
const SIZES: Readonly<Record<string, number>> = { [A]: 100, [B]: 200, [C]: 300, [D]: 400, [ZERO]: 0 };

for (const blake3 of [native, createWasmKeyedBlake3()]) {
  const hasher = new XetHasher(blake3);

  describe(`the tree, by ${blake3.implementation}`, () => {
    /** Published with the reference implementation: a list of chunks, its root, and file hashes by salt. */
    for (const { id, chunks, root, files } of [
      {
        id: "no chunks",
        chunks: [],
        root: ZERO,
        files: [],
      },
      {
        id: "one chunk of nothing",
        chunks: [ZERO],
        root: ZERO,
        files: [
          [ZERO, "638a6bc391964a85939d48f008e8bdbae6a7975e7ca2d87a3ce2492f4e4d8a4c"],
          [
            "f4aa7219b7bc6145df344b930c1cf63680037e13236f4b3b8f439aba1520d443",
            "3e44e4a200e05a69afc979eb2e0507817e4f0ddff128a97e563c0e05fed3bd25",
          ],
          [
            "51d15f80fa3c9b0c42673a3e27206741e6b8881ae902614a8dd45e6e0e4ab1d2",
            "7a6c58ad3831f6ac16727ebe8e1a4e7d9f509ba8e1f75f5f31c5e67c66a94486",
          ],
        ],
      },
      {
        id: "one chunk",
        chunks: [A],
        root: A,
        files: [
          [ZERO, "8e16257caa3fe079d484d872a8975264b2ff683b0d6db9028cc7c0f968a45661"],
          [
            "285371a6a3c8c4e561469c97766c46f0b9799bd8ea51a4ad27a082df8c28b7da",
            "6c18994ed5e6a223aeff68a6e386dbba7b3c25de076245dc77892b4ad49ac978",
          ],
          [
            "6e88acf8fc9f70ab609a46a58e93404f221bf6f1b95b4a12364032de9d3fbdf2",
            "c5af028b084ed1d7f9f131b60724547df167a149fdb39a7fcd6c92fbc777bbcb",
          ],
        ],
      },
      {
        id: "three chunks",
        chunks: [A, B, C],
        root: "71ec1275fca074724e2dd666921b3277c7cee603e4d025bcab2d4050015be2bc",
        files: [
          [ZERO, "54e55dccc6653c612bdb5576c5d3cb34bb31bc4e100248abccf4c908b3ef7715"],
          [
            "b286606709ef32a1cfede1e603a39f83fef56772d8234c0e35d8920071d80b69",
            "337f1f046e4cfc1057f0f3edbd87cf977fdfaf3c2b0c0031ca2d1d2a34aa2270",
          ],
          [
            "20f7357cdb2f6d3727375656e4eaf464fa195094ff501edc08aaccfb1419a07b",
            "82c5359ad947e91e4da6a00034f94a9159bd3bf24d005ef167648b9d3ba77f8c",
          ],
        ],
      },
      {
        id: "four equal chunks",
        chunks: [A, A, A, A],
        root: "89f2ada89ff8c96763c6b25010e6dd76a4c05b1466207633ea559acf2093211b",
        files: [
          [ZERO, "2cdba690d0e09563596e0cda626d43eb4c96ef1e994fe72d9b2f5a83cfcd36dd"],
          [
            "705cc0697edd49c5258951922f5df72e16deaa58f85e78c381a574c4e3c9ad94",
            "a3da5ccdbea87eafe6400ad30e45df94bcad053d72c246ff94a7934a5a35abdd",
          ],
          [
            "8034daa5ecbb2747e07125153b27fd7fe80e0987a90ff35038e65ede487061fb",
            "39f759769aa24443a9e01d65e168790bbae126d604524d09d8f5bb27cc1f9a19",
          ],
        ],
      },
      {
        id: "two chunks twice",
        chunks: [A, B, A, B],
        root: "90f8313ef12df385d237a067aded02562c35ded12116e32eba401dbc86c38031",
        files: [
          [ZERO, "284ea045e5a579e99c21ec597c20de1fc0c09e7168162aac00db8f61b3d82dbb"],
          [
            "d08d1b24938b34a558972c6fe99f6153ef502f064b74d8ca890cdfb8eb4f953c",
            "6812247dc5740215154ace7e4ffe271914da445524492677d36bdb6ec1282142",
          ],
        ],
      },
      {
        id: "six chunks",
        chunks: [A, B, A, B, C, D],
        root: "52c826f99507aa05d0b45e9837fa1709e0485425cfbcb1e80db3905cf98b3ee9",
        files: [
          [ZERO, "91d21684db364c8883ab8209fa5eb2e781cf07f37e1fa43e731c30839afe422f"],
          [
            "fceabc1f6c6aaaa176bc53b2d6899a3ab99eaebd13b5f0cf36080e6f894bbbf5",
            "b70b051189a20b58d0c832111e0470396094518b6af8bd8c813c9ccb764ab602",
          ],
        ],
      },
      {
        id: "empty chunks between others",
        chunks: [ZERO, A, ZERO, A],
        root: "e1755c85be07fd6b7a8d7becc85e6d8c5f507f2a3d38b316bcb6f97855e72188",
        files: [[ZERO, "207caf24fce045ac6d873b4c6186a5a435d600d103e1ae345e55ddf1f4b7f7ef"]],
      },
      {
        id: "five chunks, where the tree has one node left over",
        chunks: [ZERO, A, ZERO, A, ZERO],
        root: "f36c6a6374a567efd36ed087aeb680b57e3af4e0b5b8e7be2593df4cb647a2de",
        files: [
          [ZERO, "ab2f46d31855e1133b3b5b70e78f841394a648710a208923b221c1a8a0572a1f"],
          [
            "80d0b5a2922c67f61ffdc2b9f6e9272a92542a3ab319ed0e6bfc40224b0e033f",
            "82505151e4e8ad313359150eaa7c13cff3130458e52cdc33c49a6199e47896d5",
          ],
        ],
      },
      {
        id: "two chunks",
        chunks: [A, ZERO],
        root: "e8660f81494ca836a58e395c1395ef97870ed71e2b113eec1fab6b3361f46dd6",
        files: [],
      },
    ]) {
      test(`over ${id} is the published one`, () => {
        const list = chunks.map((hash) => ({
          hash: bytesOfXetHash(hash as XetHash),
          sizeBytes: SIZES[hash] as number,
        }));
        assert.equal(formatXetHash(rootOf(list, hasher)), root);
        for (const [salt, file] of files) {
          const hash = hasher.hashFile(bytesOfXetHash(root as XetHash), bytesOfXetHash(salt as XetHash));
          assert.equal(formatXetHash(hash), file);
          if (salt === ZERO) assert.equal(formatXetHash(hasher.hashFile(bytesOfXetHash(root as XetHash))), file);
        }
      });
    }

    test("a chunk hashes to the published value", () => {
      const hello = "4e39378b9d359f118190557a1f44130219a54e5fcfa07bd96cf50b466fe651b1";
      assert.equal(formatXetHash(hasher.hashChunk(Buffer.from("hello world"))), hello);
      const random = splitMix(0n, 1_000_000);
      const first = "6eca1e7dadaf08cca5d82d318c800f07c2ddcec115a7e8627e5edd9605b94b8d";
      const last = "03e5b5f5a088269ec4b329f1e04debfac4cb54b9c0facf038f7e8e0f054be7e2";
      assert.equal(formatXetHash(hasher.hashChunk(random.subarray(0, 84_493))), first);
      assert.equal(formatXetHash(hasher.hashChunk(random.subarray(991_092))), last);
    });

    test("of a million bytes is that of huggingface.js", () => {
      const bytes = Uint8Array.from({ length: 1_000_000 }, (_, index) => (13 * index + 37) & 255);
      const root = rootOf(hashesOf(bytes, "spec", hasher), hasher);
      assert.equal(formatXetHash(root), "7be289d851485c40dcde52dbcf37a7823a5ef0bfcdf1ca1c5a32ad9594c71571");
      const file = "041a50f3639f4a080a89237025d643e2a3e22935ca5d7dbc1a38f5c1e859f859";
      assert.equal(fileHash(bytes, "spec", hasher), file);
    });

    test("of four megabytes tells the two rules apart", () => {
      const bytes = splitMix(7n, 4 * 1024 * 1024);
      assert.equal(sha256(bytes), "180dbb349fde24dbbe6992a58130ca5d6f7fdbae0271266567a4657090d27bb5");
      assert.deepEqual(
        RULES.map((rule) => [cut(bytes, rule).length, fileHash(bytes, rule, hasher)]),
        [
          [73, "f3a3a740b146a8e333e04179e43718030383549bc8c193e800123aeef5afdc23"],
          [76, "a21a012334b627fe8f48233067f6fd5d7b8d7160fea014240ef3910d2993058c"],
        ],
      );
    });
  });
}

test("the tree over any chunks is that of the rule read word by word", () => {
  const hasher = new XetHasher(native);
  const chunk = fc.record({
    hash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    sizeBytes: fc.integer({ min: 0, max: 131_072 }),
  });
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 600, size: "max" }), (chunks) => {
      assert.deepEqual(Buffer.from(rootOf(chunks, hasher)), Buffer.from(slowRoot(chunks, native)));
    }),
    { numRuns: 100 },
  );
});
