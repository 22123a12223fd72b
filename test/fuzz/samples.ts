/** Small, valid model files. */

/** @param header as JSON; the data part is as long as its last offset */
export function safetensors(header: Record<string, unknown>): Uint8Array {
  const json = Buffer.from(JSON.stringify(header));
  const ends = Object.values(header).map((one) => (one as { data_offsets?: number[] }).data_offsets?.[1] ?? 0);
  const file = Buffer.alloc(8 + json.length + Math.max(0, ...ends));
  file.writeBigUInt64LE(BigInt(json.length));
  json.copy(file, 8);
  return file;
}

export interface GgufOptions {
  readonly version?: number;
  readonly tensors?: readonly { readonly name: string; readonly shape: readonly number[]; readonly type: number }[];
  readonly dataBytes?: number;
}

/** Three kinds of keys and, by default, two tensors: one of F32, one of Q4_0. */
export function gguf({ version = 3, tensors = DEFAULT_TENSORS, dataBytes = 96 }: GgufOptions = {}): Uint8Array {
  const pairs = [
    [text("general.architecture"), u32(8), text("llama")],
    [text("general.alignment"), u32(4), u32(32)],
    [text("tokenizer.ggml.tokens"), u32(9), u32(8), u64(2), text("<s>"), text("</s>")],
    [text("tokenizer.ggml.scores"), u32(9), u32(6), u64(2), Buffer.alloc(8)],
  ];
  let offset = 0;
  const infos = tensors.flatMap(({ name, shape, type }) => {
    const parts = [text(name), u32(shape.length), ...shape.map(u64), u32(type), u64(offset)];
    offset += 64;
    return parts;
  });
  const head = Buffer.concat([
    Buffer.from("GGUF"),
    u32(version),
    u64(tensors.length),
    u64(pairs.length),
    ...pairs.flat(),
    ...infos,
  ]);
  return Buffer.concat([head, Buffer.alloc((32 - (head.length % 32)) % 32), Buffer.alloc(dataBytes)]);
}

const DEFAULT_TENSORS = [
  { name: "token_embd.weight", shape: [4, 4], type: 0 },
  { name: "blk.0.attn_q.weight", shape: [32, 1], type: 2 },
];

function text(value: string): Buffer {
  return Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
