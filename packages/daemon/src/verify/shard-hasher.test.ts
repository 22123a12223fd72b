import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ShardHasher as ShardHasherPort } from "../transfer/ports.js";
import { type Blake3, loadBlake3, loadNativeBlake3, loadWasmBlake3 } from "./shard-hasher.js";

const EMPTY = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => index % 251);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

for (const load of [loadNativeBlake3, loadWasmBlake3]) {
  describe(`BLAKE3 by ${load.name}`, () => {
    // The digests of the first bytes of 0, 1, …, 250, 0, 1, … are the published test vectors of BLAKE3.
    for (const { id, length, expected } of [
      { id: "of nothing", length: 0, expected: EMPTY },
      { id: "of one byte", length: 1, expected: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213" },
      {
        id: "of more than one chunk of its tree",
        length: 2049,
        expected: "5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030",
      },
    ]) {
      test(`knows the hash ${id}`, async () => {
        const hasher: ShardHasherPort = (await load()).createShardHasher();
        hasher.update(pattern(length));
        assert.equal(hex(hasher.digest()), expected);
      });
    }

    test("a digest midway changes nothing", async () => {
      const { createShardHasher } = await load();
      const [asked, whole] = [createShardHasher(), createShardHasher()];
      const bytes = pattern(100_000);
      whole.update(bytes);
      for (let at = 0; at < bytes.length; at += 9_999) {
        asked.update(bytes.subarray(at, at + 9_999));
        assert.equal(hex(asked.digest()), hex(asked.digest()));
      }
      assert.equal(hex(asked.digest()), hex(whole.digest()));
    });

    test("hashers that take turns do not mix", async () => {
      const blake3: Blake3 = await load();
      const [one, other] = [blake3.createShardHasher(), blake3.createShardHasher()];
      one.update(pattern(3));
      other.update(pattern(4));
      one.update(pattern(5));
      const alone = blake3.createShardHasher();
      alone.update(pattern(3));
      alone.update(pattern(5));
      assert.equal(hex(one.digest()), hex(alone.digest()));
    });
  });
}

test("native and WebAssembly agree on sizes around the edges of the tree", async () => {
  const [native, wasm] = [await loadNativeBlake3(), await loadWasmBlake3()];
  for (const length of [0, 1, 63, 64, 65, 1023, 1024, 1025, 65_536, 1_000_003]) {
    const hashes = [native, wasm].map((blake3) => {
      const hasher = blake3.createShardHasher();
      hasher.update(pattern(length));
      return hex(hasher.digest());
    });
    assert.equal(hashes[0], hashes[1], `${length} bytes`);
  }
});

test("the native one is taken where it loads", async () => {
  assert.equal((await loadBlake3()).implementation, "native");
});
