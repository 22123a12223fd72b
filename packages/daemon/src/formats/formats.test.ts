import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readGguf } from "./gguf.js";
import { readSafetensors } from "./safetensors.js";
import type { Reading } from "./tensor-file.js";
import { readWeightIndex } from "./weight-index.js";

/** A safetensors file of this JSON and so many bytes of data. */
function st(json: unknown, dataBytes: number): Buffer {
  const text = Buffer.from(typeof json === "string" ? json : JSON.stringify(json));
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([head, text, Buffer.alloc(dataBytes)]);
}

const u32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer);
const u64 = (value: number | bigint) => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
const str = (text: string) => Buffer.concat([u64(Buffer.byteLength(text)), Buffer.from(text)]);
const padTo32 = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc((32 - (bytes.length % 32)) % 32)]);

interface GgufParts {
  readonly version?: number;
  readonly pairs?: readonly Buffer[];
  readonly infos?: readonly Buffer[];
  readonly tensorCount?: number;
  readonly dataBytes?: number;
}

function gguf({ version = 3, pairs = [], infos = [], tensorCount = infos.length, dataBytes = 0 }: GgufParts): Buffer {
  const counts = [Buffer.from("GGUF"), u32(version), u64(tensorCount), u64(pairs.length)];
  return Buffer.concat([padTo32(Buffer.concat([...counts, ...pairs, ...infos])), Buffer.alloc(dataBytes)]);
}

const info = (name: string, shape: readonly number[], type: number, offset: number) =>
  Buffer.concat([str(name), u32(shape.length), ...shape.map((one) => u64(one)), u32(type), u64(offset)]);

const placesOf = (reading: Reading) =>
  reading.kind === "head"
    ? reading.file.tensors.map(({ name, dtype, shape, startBytes, endBytes }) => [
        name,
        dtype,
        shape.join("x"),
        startBytes - reading.file.headBytes,
        endBytes - reading.file.headBytes,
      ])
    : reading;

describe("readSafetensors", () => {
  const good = st(
    {
      b: { dtype: "F32", shape: [2], data_offsets: [6, 14] },
      __metadata__: { format: "pt" },
      a: { dtype: "BF16", shape: [3, 1], data_offsets: [0, 6] },
    },
    8 + 6,
  );

  it("gives the tensors in the order of the file, with their places", () => {
    const reading = readSafetensors(good, good.length);
    assert.deepEqual(placesOf(reading), [
      ["a", "BF16", "3x1", 0, 6],
      ["b", "F32", "2", 6, 14],
    ]);
    assert.ok(reading.kind === "head" && reading.file.metadata.get("format") === "pt");
  });

  it("asks for what it lacks, exactly", () => {
    assert.deepEqual(readSafetensors(good.subarray(0, 3), good.length), { kind: "more", bytes: 8 });
    assert.deepEqual(readSafetensors(good.subarray(0, 40), good.length), { kind: "more", bytes: good.length - 14 });
    assert.equal(readSafetensors(good.subarray(0, good.length - 14), good.length).kind, "head");
  });

  it("takes a type that it does not know at its word", () => {
    const file = st({ x: { dtype: "F3_E1M1", shape: [8], data_offsets: [0, 3] } }, 3);
    assert.deepEqual(placesOf(readSafetensors(file, file.length)), [["x", "F3_E1M1", "8", 0, 3]]);
  });

  it("a name that is special in JavaScript is a name", () => {
    const file = st('{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1);
    assert.deepEqual(placesOf(readSafetensors(file, file.length)), [["__proto__", "U8", "1", 0, 1]]);
  });

  for (const { id, file } of [
    { id: "an empty file", file: Buffer.alloc(0) },
    { id: "a length beyond the file", file: Buffer.concat([u64(1_000), Buffer.from("{}")]) },
    { id: "a length beyond what numbers hold", file: Buffer.concat([u64(2n ** 64n - 1n), Buffer.from("{}")]) },
    { id: "no JSON", file: st("{", 0) },
    { id: "a list", file: st([], 0) },
    { id: "a tensor that is none", file: st({ a: 1 }, 0) },
    { id: "a tensor without a place", file: st({ a: { dtype: "U8", shape: [1] } }, 1) },
    { id: "a place that runs backwards", file: st({ a: { dtype: "U8", shape: [1], data_offsets: [1, 0] } }, 1) },
    { id: "a size other than its shape's", file: st({ a: { dtype: "F32", shape: [2], data_offsets: [0, 4] } }, 4) },
    { id: "a negative dimension", file: st({ a: { dtype: "U8", shape: [-1], data_offsets: [0, 1] } }, 1) },
    {
      id: "dimensions whose product is not exact",
      file: st({ a: { dtype: "U8", shape: [2 ** 40, 2 ** 40], data_offsets: [0, 1] } }, 1),
    },
    { id: "a hole", file: st({ a: { dtype: "U8", shape: [1], data_offsets: [1, 2] } }, 2) },
    {
      id: "an overlap",
      file: st(
        {
          a: { dtype: "U8", shape: [2], data_offsets: [0, 2] },
          b: { dtype: "U8", shape: [2], data_offsets: [1, 3] },
        },
        3,
      ),
    },
    { id: "bytes that belong to nobody", file: st({ a: { dtype: "U8", shape: [1], data_offsets: [0, 1] } }, 2) },
    { id: "metadata that are no text", file: st({ __metadata__: { a: 1 } }, 0) },
  ]) {
    it(`refuses ${id}`, () => assert.throws(() => readSafetensors(file, file.length), { code: "CONTENT_INVALID" }));
  }
});

describe("readGguf", () => {
  const pairs = [
    Buffer.concat([str("general.name"), u32(8), str("tiny")]),
    Buffer.concat([str("tokens"), u32(9), u32(8), u64(2), str("<s>"), str("</s>")]),
    Buffer.concat([str("scores"), u32(9), u32(6), u64(2), Buffer.alloc(8)]),
    Buffer.concat([str("answer"), u32(4), u32(42)]),
  ];
  const good = gguf({
    pairs,
    infos: [info("late", [32, 2], 2, 64), info("early", [4, 4], 0, 0), info("newer", [9], 200, 128)],
    dataBytes: 140,
  });

  it("gives tensors with their places, and short metadata", () => {
    const reading = readGguf(good, good.length);
    assert.deepEqual(placesOf(reading), [
      ["early", "F32", "4x4", 0, 64],
      ["late", "Q4_0", "32x2", 64, 100],
      ["newer", "type 200", "9", 128, 140],
    ]);
    assert.ok(reading.kind === "head");
    assert.deepEqual(
      [...reading.file.metadata],
      [
        ["general.name", "tiny"],
        ["tokens", "[2 values]"],
        ["scores", "[2 values]"],
        ["answer", 42],
      ],
    );
  });

  it("asks for more until it has the head, and never for more than the file", () => {
    let have = 0;
    for (let rounds = 0; rounds < 20; rounds += 1) {
      const reading = readGguf(good.subarray(0, have), good.length);
      if (reading.kind === "head") return assert.ok(have > 0);
      assert.ok(reading.bytes > have && reading.bytes <= good.length);
      have = reading.bytes;
    }
    assert.fail("it never had enough");
  });

  for (const { id, file } of [
    { id: "another magic", file: Buffer.concat([Buffer.from("GGML"), Buffer.alloc(60)]) },
    { id: "a version of the past", file: gguf({ version: 1 }) },
    { id: "more tensors than there are", file: gguf({ tensorCount: 5 }) },
    { id: "a count beyond reason", file: gguf({ tensorCount: 2 ** 40 }) },
    { id: "a text beyond the file", file: gguf({ pairs: [Buffer.concat([u64(2 ** 50), Buffer.alloc(8)])] }) },
    { id: "a value of no type", file: gguf({ pairs: [Buffer.concat([str("a"), u32(77), u32(0)])] }) },
    {
      id: "lists in lists without end",
      file: gguf({
        pairs: [Buffer.concat([str("a"), u32(9), ...Array.from({ length: 9 }, () => [u32(9), u64(1)]).flat()])],
      }),
    },
    {
      id: "an alignment of nothing",
      file: gguf({ pairs: [Buffer.concat([str("general.alignment"), u32(4), u32(0)])] }),
    },
    { id: "a tensor beyond the file", file: gguf({ infos: [info("a", [64], 0, 0)], dataBytes: 8 }) },
    {
      id: "tensors that overlap",
      file: gguf({ infos: [info("a", [16], 0, 0), info("b", [1], 0, 32)], dataBytes: 64 }),
    },
    { id: "a place that is not aligned", file: gguf({ infos: [info("a", [1], 0, 4)], dataBytes: 64 }) },
    { id: "a row that is no whole block", file: gguf({ infos: [info("a", [33], 2, 0)], dataBytes: 64 }) },
    { id: "eighty dimensions", file: gguf({ infos: [info("a", Array(80).fill(1), 0, 0)], dataBytes: 64 }) },
  ]) {
    it(`refuses ${id}`, () => assert.throws(() => readGguf(file, file.length), { code: "CONTENT_INVALID" }));
  }
});

describe("readWeightIndex", () => {
  const bytes = (value: unknown) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));

  it("says which file holds a tensor", () => {
    const { files } = readWeightIndex(bytes({ weight_map: { a: "x.safetensors", b: "sub/y.safetensors" } }));
    assert.deepEqual(
      [...files],
      [
        ["a", "x.safetensors"],
        ["b", "sub/y.safetensors"],
      ],
    );
  });

  for (const { id, value } of [
    { id: "no JSON", value: "{" },
    { id: "no map", value: { metadata: {} } },
    { id: "a map that is a list", value: { weight_map: [] } },
    { id: "a file that is none", value: { weight_map: { a: 1 } } },
    { id: "a path that climbs", value: { weight_map: { a: "../../etc/passwd" } } },
    { id: "an absolute path", value: { weight_map: { a: "/etc/passwd" } } },
    { id: "null", value: "null" },
  ]) {
    it(`refuses ${id}`, () => assert.throws(() => readWeightIndex(bytes(value)), { code: "CONTENT_INVALID" }));
  }
});
