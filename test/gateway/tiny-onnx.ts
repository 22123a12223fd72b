/** The smallest model that a runtime loads: each token is looked up in a table. An ONNX file, written field by field. */
import { bytesContent, type Content } from "../support/hub/content.js";

export const WIDTH = 4;

const FLOAT = 1;
const INT64 = 7;

/** A repo that `pipeline("feature-extraction")` can run; token `i` becomes `[i, i + 0.25, i + 0.5, i + 0.75]`. */
export function makeTinyOnnxRepo(words: readonly string[]): Record<string, Content> {
  const vocab = Object.fromEntries(words.map((word, i) => [word, i]));
  const special = words.flatMap((content, id) =>
    /^\[.*\]$/.test(content)
      ? [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }]
      : [],
  );
  return {
    "config.json": json({
      model_type: "bert",
      architectures: ["BertModel"],
      hidden_size: WIDTH,
      num_hidden_layers: 1,
      num_attention_heads: 1,
      vocab_size: words.length,
    }),
    "tokenizer_config.json": json({ tokenizer_class: "BertTokenizer", unk_token: "[UNK]", model_max_length: 32 }),
    "tokenizer.json": json({
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: special,
      normalizer: {
        type: "BertNormalizer",
        clean_text: true,
        handle_chinese_chars: true,
        strip_accents: null,
        lowercase: true,
      },
      pre_tokenizer: { type: "BertPreTokenizer" },
      post_processor: null,
      decoder: { type: "WordPiece", prefix: "##", cleanup: true },
      model: {
        type: "WordPiece",
        unk_token: "[UNK]",
        continuing_subword_prefix: "##",
        max_input_chars_per_word: 100,
        vocab,
      },
    }),
    "onnx/model.onnx": bytesContent(makeLookupModel(words.length)),
  };
}

function makeLookupModel(rows: number): Buffer {
  const table = Buffer.alloc(rows * WIDTH * 4);
  for (let i = 0; i < rows * WIDTH; i += 1) table.writeFloatLE(i / WIDTH, i * 4);
  const node = message([
    text(1, "table"),
    text(1, "input_ids"),
    text(2, "last_hidden_state"),
    text(3, "lookup"),
    text(4, "Gather"),
  ]);
  const initializer = message([number(1, rows), number(1, WIDTH), number(2, FLOAT), text(8, "table"), bytes(9, table)]);
  const graph = message([
    bytes(1, node),
    text(2, "tiny"),
    bytes(5, initializer),
    bytes(11, value("input_ids", INT64, ["batch", "sequence"])),
    bytes(12, value("last_hidden_state", FLOAT, ["batch", "sequence", WIDTH])),
  ]);
  return message([number(1, 8), bytes(7, graph), bytes(8, message([text(1, ""), number(2, 13)]))]);
}

/** A name, a type, and a shape of sizes and of names for sizes. */
function value(name: string, type: number, shape: readonly (string | number)[]): Buffer {
  const dims = shape.map((size) => bytes(1, message([typeof size === "number" ? number(1, size) : text(2, size)])));
  const tensor = message([number(1, type), bytes(2, message(dims))]);
  return message([text(1, name), bytes(2, message([bytes(1, tensor)]))]);
}

/** Protobuf: a field is its number and kind, then its content. */
function message(fields: readonly Buffer[]): Buffer {
  return Buffer.concat(fields);
}

function number(field: number, of: number): Buffer {
  return Buffer.concat([varint(field << 3), varint(of)]);
}

function text(field: number, of: string): Buffer {
  return bytes(field, Buffer.from(of));
}

function bytes(field: number, of: Buffer): Buffer {
  return Buffer.concat([varint((field << 3) | 2), varint(of.length), of]);
}

function varint(of: number): Buffer {
  const parts: number[] = [];
  let rest = of;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) parts.push((rest % 128) | 0x80);
  return Buffer.from([...parts, rest]);
}

function json(value: unknown): Content {
  return bytesContent(Buffer.from(JSON.stringify(value)));
}
