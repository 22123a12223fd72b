/**
 * The head of a safetensors file: eight bytes with the length of a JSON object, the object, then the tensors without a gap.
 * Source: the format's own description (huggingface/safetensors, README, "Format").
 */
import { elementsOf, invalid, METADATA_VALUE_MAX, type Reading, TENSORS_MAX, type Tensor } from "./tensor-file.js";

/** The format's own bound. */
const JSON_BYTES_MAX = 100_000_000;
const LENGTH_BYTES = 8;

/** Bits per element. A type that is not here is taken at its word about its length. */
const BITS: ReadonlyMap<string, number> = new Map([
  ...["BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"].map((name) => [name, 8] as const),
  ...["I16", "U16", "F16", "BF16"].map((name) => [name, 16] as const),
  ...["I32", "U32", "F32"].map((name) => [name, 32] as const),
  ...["I64", "U64", "F64", "C64"].map((name) => [name, 64] as const),
  ["F4", 4],
  ["F6_E2M3", 6],
  ["F6_E3M2", 6],
]);

/**
 * @param start of the file; however much is at hand
 * @param fileBytes length of the whole file
 * @throws SwarmError CONTENT_INVALID
 */
export function readSafetensors(start: Uint8Array, fileBytes: number): Reading {
  if (fileBytes < LENGTH_BYTES) throw invalid(`a file of ${fileBytes} bytes`);
  if (start.length < LENGTH_BYTES) return { kind: "more", bytes: LENGTH_BYTES };
  const jsonBytes = lengthOf(start);
  const headBytes = LENGTH_BYTES + jsonBytes;
  if (jsonBytes > JSON_BYTES_MAX || headBytes > fileBytes) throw invalid(`it claims to be ${jsonBytes} bytes long`);
  if (start.length < headBytes) return { kind: "more", bytes: headBytes };
  const header = parseObject(start.subarray(LENGTH_BYTES, headBytes));
  const metadata = new Map<string, string>();
  const tensors: Tensor[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") takeMetadata(value, metadata);
    else tensors.push(tensorOf(name, value, headBytes));
  }
  if (tensors.length > TENSORS_MAX) throw invalid(`${tensors.length} tensors`);
  tensors.sort((a, b) => a.startBytes - b.startBytes || a.endBytes - b.endBytes);
  checkNoGap(tensors, headBytes, fileBytes);
  return { kind: "head", file: { format: "safetensors", headBytes, metadata, tensors } };
}

function lengthOf(start: Uint8Array): number {
  const view = new DataView(start.buffer, start.byteOffset, LENGTH_BYTES);
  const length = view.getBigUint64(0, true);
  return length > BigInt(JSON_BYTES_MAX) ? Number.MAX_SAFE_INTEGER : Number(length);
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalid(`it is no JSON (${(cause as Error).message})`);
  }
  if (!isObject(value)) throw invalid("it is no JSON object");
  return value;
}

function takeMetadata(value: unknown, metadata: Map<string, string>): void {
  if (!isObject(value)) throw invalid("its metadata are no object");
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") throw invalid("its metadata hold something that is no text");
    if (text.length <= METADATA_VALUE_MAX) metadata.set(key, text);
  }
}

function tensorOf(name: string, value: unknown, headBytes: number): Tensor {
  if (!isObject(value)) throw invalid(`tensor ${show(name)} is not described`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== "string" || dtype.length > 32) throw invalid(`tensor ${show(name)} has no type`);
  if (!isNumbers(shape) || shape.length > 64) throw invalid(`tensor ${show(name)} has no shape`);
  if (!isNumbers(offsets) || offsets.length !== 2) throw invalid(`tensor ${show(name)} has no place`);
  const [from, to] = offsets as [number, number];
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 0 || to < from) {
    throw invalid(`tensor ${show(name)} lies at [${from}, ${to})`);
  }
  const elements = elementsOf(shape);
  const bits = BITS.get(dtype);
  if (bits !== undefined && Math.ceil((elements * bits) / 8) !== to - from) {
    throw invalid(`tensor ${show(name)} of type ${dtype} and shape [${shape}] has ${to - from} bytes`);
  }
  return { name, dtype, shape, startBytes: headBytes + from, endBytes: headBytes + to };
}

/** The format allows no holes and no overlaps, so that no byte of a file goes unnamed or has two names. */
function checkNoGap(tensors: readonly Tensor[], headBytes: number, fileBytes: number): void {
  let at = headBytes;
  for (const { name, startBytes, endBytes } of tensors) {
    if (startBytes !== at) throw invalid(`tensor ${show(name)} begins at byte ${startBytes}, not ${at}`);
    at = endBytes;
  }
  if (at !== fileBytes) throw invalid(`its tensors end at byte ${at} of ${fileBytes}`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isNumbers(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((one) => typeof one === "number");
}

function show(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);
}
