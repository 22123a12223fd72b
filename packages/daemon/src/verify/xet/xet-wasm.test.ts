import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Blake3Tree, type HeldPart, measureRest } from "./blake3-tree.js";
import { createWasmKeyedBlake3, loadKeyedBlake3, loadNativeKeyedBlake3 } from "./keyed-blake3.js";
import { XET_WASM_BINARY } from "./xet-wasm-binary.js";

fc.configureGlobal({ seed: 20_26 });
const KEY = Buffer.alloc(32, 0x5a);
const native = await loadNativeKeyedBlake3();

function pattern(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 8)) & 255));
}

function hash(bytes: Uint8Array): Buffer {
  const hasher = native.createHasher(KEY);
  hasher.update(bytes);
  return Buffer.from(hasher.digest());
}

test("the WebAssembly binary is what its sources make", async () => {
  const { makeXetWasm } = await import(new URL("../../../wasm/xet-wasm.mjs", import.meta.url).href);
  assert.equal(XET_WASM_BINARY, (await makeXetWasm()).toString("base64"), "run `npm run wasm` in packages/daemon");
});

test("the native BLAKE3 is taken where it loads", async () => {
  assert.equal((await loadKeyedBlake3()).implementation, "native");
});

test("native and WebAssembly agree on sizes around the edges of the tree", () => {
  const hasher = createWasmKeyedBlake3().createHasher(KEY);
  for (const length of [0, 1, 63, 64, 65, 1023, 1024, 1025, 2048, 3073, 4096, 5000, 65_536, 131_071, 131_072]) {
    const bytes = pattern(length);
    hasher.update(bytes.subarray(0, length >> 1));
    hasher.update(bytes.subarray(length >> 1));
    assert.deepEqual(Buffer.from(hasher.digest()), hash(bytes), `${length} bytes`);
  }
});

describe("a chunk of which a part is held", () => {
  const tree = new Blake3Tree(KEY);

  function check(part: HeldPart): void {
    const chunk = pattern(part.sizeBytes);
    const rest = tree.restOf(chunk, part);
    const size = measureRest(part);
    assert.deepEqual({ valueBytes: rest.values.length, bytes: rest.bytes.length }, size);
    assert.ok(size.valueBytes + size.bytes <= 2 * (7 * 32 + 1023), "a rest is small");
    const held = chunk.subarray(part.heldStart, part.heldEnd);
    assert.deepEqual(Buffer.from(tree.hashWithRest(held, part, rest)), hash(chunk), JSON.stringify(part));
  }

  for (const part of [
    { sizeBytes: 1, heldStart: 0, heldEnd: 1 },
    { sizeBytes: 1000, heldStart: 400, heldEnd: 500 },
    { sizeBytes: 1024, heldStart: 1023, heldEnd: 1024 },
    { sizeBytes: 131_072, heldStart: 0, heldEnd: 1 },
    { sizeBytes: 131_072, heldStart: 131_071, heldEnd: 131_072 },
    { sizeBytes: 131_071, heldStart: 65_536, heldEnd: 131_071 },
    { sizeBytes: 70_000, heldStart: 1024, heldEnd: 69_632 },
    { sizeBytes: 70_000, heldStart: 1025, heldEnd: 69_633 },
  ]) {
    test(`is hashed with the rest: ${JSON.stringify(part)}`, () => check(part));
  }

  test("is hashed with the rest, wherever the part begins and ends", () => {
    const parts = fc.tuple(fc.integer({ min: 1, max: 131_072 }), fc.nat(), fc.nat()).map(([sizeBytes, a, b]) => {
      const heldStart = a % sizeBytes;
      return { sizeBytes, heldStart, heldEnd: heldStart + 1 + (b % (sizeBytes - heldStart)) };
    });
    fc.assert(fc.property(parts, check), { numRuns: 300 });
  });

  test("hashes otherwise when one bit of the part or of the rest is another", () => {
    const part = { sizeBytes: 50_001, heldStart: 1_234, heldEnd: 48_765 };
    const chunk = pattern(part.sizeBytes);
    const rest = tree.restOf(chunk, part);
    const held = chunk.subarray(part.heldStart, part.heldEnd);
    for (const bytes of [held, rest.values, rest.bytes]) {
      for (let bit = 0; bit < bytes.length * 8; bit += 1 + ((bytes.length * 8) >> 7)) {
        bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
        assert.notDeepEqual(Buffer.from(tree.hashWithRest(held, part, rest)), hash(pattern(part.sizeBytes)));
        bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
      }
    }
  });
});
