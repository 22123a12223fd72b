/**
 * Makes model repos that look real to those who read them: configuration, tokenizer, safetensors files with true headers
 * and their index. Deterministic by seed, of any size; weights are synthetic and made while they are sent.
 *
 * ```ts
 * const hub = await EmbeddedHub.start({ repos: [{ name: "acme/small", files: makeModelRepo({ weightBytes: 300e6 }) }] });
 * ```
 */
import { createHash } from "node:crypto";
import { bytesContent, type Content, concatContent, syntheticContent } from "./hub/content.js";

export interface ModelRepoOptions {
  /** Size of all weight files together, headers not counted; met to within a row of the embedding. Default 64 MiB. */
  readonly weightBytes?: number;
  /** How many safetensors files; 1 makes `model.safetensors` without an index. Default 4. */
  readonly weightFiles?: number;
  /** Default 1. */
  readonly seed?: number | string;
  /** Name in the README. Default `A small model`. */
  readonly title?: string;
}

interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
}

/** The sizes of a llama-like transformer. */
interface Shape {
  readonly hidden: number;
  readonly intermediate: number;
  readonly layers: number;
  readonly vocab: number;
}

const DTYPE = "BF16";
const DTYPE_BYTES = 2;
/** Real tokenizers hold up to 150,000 words; these few keep `tokenizer.json` a small file of some 300 kB. */
const TOKENIZER_WORDS = 4_000;
const HEAD_SIZE = 64;

/** The files of one model repo, by path. */
export function makeModelRepo(options: ModelRepoOptions = {}): Record<string, Content> {
  const { weightBytes = 64 * 1024 * 1024, weightFiles = 4, seed = 1, title = "A small model" } = options;
  const shape = planShape(weightBytes);
  const shards = splitTensors(listTensors(shape), weightFiles);
  const files: Record<string, Content> = {
    ".gitattributes": text(
      "*.safetensors filter=lfs diff=lfs merge=lfs -text\n*.gguf filter=lfs diff=lfs merge=lfs -text\n",
    ),
    "README.md": text(readme(title, shape)),
    "config.json": json(modelConfig(shape)),
    "generation_config.json": json({ bos_token_id: 1, eos_token_id: 2, do_sample: true, temperature: 0.7, top_p: 0.9 }),
    "tokenizer.json": json(tokenizer(seed)),
    "tokenizer_config.json": json(TOKENIZER_CONFIG),
  };
  const names = shards.map((_, i) => weightFileName(i, shards.length));
  for (const [i, tensors] of shards.entries()) files[names[i] as string] = safetensors(tensors, `${seed} weights ${i}`);
  if (shards.length > 1) {
    const weightMap = shards.flatMap((tensors, i) => tensors.map(({ name }) => [name, names[i]] as const));
    files["model.safetensors.index.json"] = json({
      metadata: { total_size: shards.flat().reduce((sum, tensor) => sum + bytesOf(tensor), 0) },
      weight_map: Object.fromEntries(weightMap.sort(([a], [b]) => (a < b ? -1 : 1))),
    });
  }
  return files;
}

/** A safetensors file: length of the header (8 bytes, little-endian), the header padded to 8 with spaces, the tensors. */
export function safetensors(tensors: readonly Tensor[], seed: number | string): Content {
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  let offset = 0;
  for (const tensor of tensors) {
    const end = offset + bytesOf(tensor);
    header[tensor.name] = { dtype: DTYPE, shape: tensor.shape, data_offsets: [offset, end] };
    offset = end;
  }
  const bytes = Buffer.from(JSON.stringify(header));
  const padded = Buffer.alloc(8 + Math.ceil(bytes.length / 8) * 8, " ");
  padded.writeBigUInt64LE(BigInt(padded.length - 8));
  bytes.copy(padded, 8);
  return concatContent([bytesContent(padded), syntheticContent({ seed, sizeBytes: offset })]);
}

/** The widest model that has at least four layers in three quarters of the bytes; the rest goes to the embedding. */
function planShape(weightBytes: number): Shape {
  const widths = [8192, 4096, 2048, 1024, 512, 256, 128, HEAD_SIZE];
  const budget = weightBytes * 0.75;
  const hidden = widths.find((width) => layerBytes(width) * 4 <= budget) ?? HEAD_SIZE;
  const layers = Math.min(128, Math.max(1, Math.floor(budget / layerBytes(hidden))));
  const rest = weightBytes - layers * layerBytes(hidden) - hidden * DTYPE_BYTES;
  return { hidden, intermediate: hidden * 3, layers, vocab: Math.max(1, Math.round(rest / (hidden * DTYPE_BYTES))) };
}

function layerBytes(hidden: number): number {
  return layerTensors(0, hidden, hidden * 3).reduce((sum, tensor) => sum + bytesOf(tensor), 0);
}

function listTensors({ hidden, intermediate, layers, vocab }: Shape): Tensor[] {
  return [
    { name: "model.embed_tokens.weight", shape: [vocab, hidden] },
    ...Array.from({ length: layers }, (_, i) => layerTensors(i, hidden, intermediate)).flat(),
    { name: "model.norm.weight", shape: [hidden] },
  ];
}

function layerTensors(layer: number, hidden: number, intermediate: number): Tensor[] {
  const tensor = (name: string, ...shape: number[]) => ({ name: `model.layers.${layer}.${name}.weight`, shape });
  return [
    tensor("input_layernorm", hidden),
    tensor("self_attn.q_proj", hidden, hidden),
    tensor("self_attn.k_proj", hidden, hidden),
    tensor("self_attn.v_proj", hidden, hidden),
    tensor("self_attn.o_proj", hidden, hidden),
    tensor("post_attention_layernorm", hidden),
    tensor("mlp.gate_proj", intermediate, hidden),
    tensor("mlp.up_proj", intermediate, hidden),
    tensor("mlp.down_proj", hidden, intermediate),
  ];
}

/** As many groups as asked for (while there are tensors), in order and of about equal size. */
function splitTensors(tensors: readonly Tensor[], groups: number): Tensor[][] {
  const split: Tensor[][] = [];
  let leftBytes = tensors.reduce((sum, tensor) => sum + bytesOf(tensor), 0);
  let group: Tensor[] = [];
  let groupBytes = 0;
  for (const [i, tensor] of tensors.entries()) {
    group.push(tensor);
    groupBytes += bytesOf(tensor);
    const groupsLeft = groups - split.length;
    const tensorsLeft = tensors.length - i - 1;
    if (groupsLeft === 1 || (groupBytes < leftBytes / groupsLeft && tensorsLeft >= groupsLeft)) continue;
    split.push(group);
    leftBytes -= groupBytes;
    group = [];
    groupBytes = 0;
  }
  return group.length > 0 ? [...split, group] : split;
}

function bytesOf(tensor: Tensor): number {
  return tensor.shape.reduce((product, size) => product * size, DTYPE_BYTES);
}

function weightFileName(index: number, count: number): string {
  if (count === 1) return "model.safetensors";
  const five = (n: number) => String(n).padStart(5, "0");
  return `model-${five(index + 1)}-of-${five(count)}.safetensors`;
}

function modelConfig({ hidden, intermediate, layers, vocab }: Shape) {
  return {
    architectures: ["LlamaForCausalLM"],
    bos_token_id: 1,
    eos_token_id: 2,
    head_dim: HEAD_SIZE,
    hidden_act: "silu",
    hidden_size: hidden,
    intermediate_size: intermediate,
    max_position_embeddings: 4096,
    model_type: "llama",
    num_attention_heads: hidden / HEAD_SIZE,
    num_hidden_layers: layers,
    num_key_value_heads: hidden / HEAD_SIZE,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: true,
    torch_dtype: "bfloat16",
    vocab_size: vocab,
  };
}

const TOKENIZER_CONFIG = {
  bos_token: "<s>",
  clean_up_tokenization_spaces: false,
  eos_token: "</s>",
  model_max_length: 4096,
  tokenizer_class: "PreTrainedTokenizerFast",
  unk_token: "<unk>",
};

/** Every letter, then words that each join two tokens that were there before: a vocabulary that byte-pair encoding accepts. */
function tokenizer(seed: number | string) {
  const special = ["<unk>", "<s>", "</s>"];
  const tokens = [..."abcdefghijklmnopqrstuvwxyz"];
  const known = new Set(tokens);
  const merges: [string, string][] = [];
  // More dice than words: some pairs are known already or too long.
  const dice = createHash("shake256", { outputLength: TOKENIZER_WORDS * 8 * 8 })
    .update(`${seed} words`)
    .digest();
  for (let at = 0; tokens.length < TOKENIZER_WORDS && at < dice.length; at += 8) {
    const left = tokens[dice.readUInt32LE(at) % tokens.length] as string;
    const right = tokens[dice.readUInt32LE(at + 4) % Math.min(tokens.length, 200)] as string;
    if (known.has(left + right) || left.length + right.length > 16) continue;
    known.add(left + right);
    tokens.push(left + right);
    merges.push([left, right]);
  }
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: special.map((content, id) => ({ id, content, special: true })),
    normalizer: { type: "Lowercase" },
    pre_tokenizer: { type: "Whitespace" },
    post_processor: null,
    decoder: null,
    model: {
      type: "BPE",
      unk_token: "<unk>",
      vocab: Object.fromEntries([...special, ...tokens].map((token, id) => [token, id])),
      merges,
    },
  };
}

function readme(title: string, { hidden, layers }: Shape): string {
  return `---
license: apache-2.0
pipeline_tag: text-generation
---
# ${title}

Made for tests: the form of a language model (${layers} layers, ${hidden} wide), with noise for weights.
`;
}

function text(value: string): Content {
  return bytesContent(Buffer.from(value));
}

function json(value: unknown): Content {
  return text(`${JSON.stringify(value, null, 2)}\n`);
}
