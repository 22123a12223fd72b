/**
 * The head of a GGUF file: magic, version, counts, key-value pairs, then name, shape, type and place of every tensor.
 * Source: the format's own description (ggml-org/ggml, docs/gguf.md), versions 2 and 3, little-endian.
 */
import { ByteCursor, NeedsMore } from "./byte-cursor.js";
import { GGML_TYPES } from "./ggml-types.js";
import { elementsOf, invalid, METADATA_VALUE_MAX, type Reading, TENSORS_MAX, type Tensor } from "./tensor-file.js";

const MAGIC = 0x4655_4747;
/** A vocabulary of some hundred thousand words takes ten. */
const HEAD_BYTES_MAX = 128 * 1024 * 1024;
const PAIRS_MAX = 65_536;
const NAME_BYTES_MAX = 65_535;
const DIMENSIONS_MAX = 8;
/** Lists of lists of lists: nobody writes them deeper. */
const DEPTH_MAX = 4;
const ALIGNMENT_DEFAULT = 32;
const FIRST_BYTES = 64 * 1024;

const [STRING, LIST] = [8, 9];
const SCALARS: ReadonlyMap<number, (cursor: ByteCursor) => number | boolean> = new Map<
  number,
  (cursor: ByteCursor) => number | boolean
>([
  [0, (cursor) => cursor.u8()],
  [1, (cursor) => cursor.i8()],
  [2, (cursor) => cursor.u16()],
  [3, (cursor) => cursor.i16()],
  [4, (cursor) => cursor.u32()],
  [5, (cursor) => cursor.i32()],
  [6, (cursor) => cursor.f32()],
  [7, (cursor) => cursor.u8() !== 0],
  [10, (cursor) => cursor.u64()],
  [11, (cursor) => cursor.i64()],
  [12, (cursor) => cursor.f64()],
]);
/** Of one element, so that a list of numbers is skipped in one step. */
const SCALAR_BYTES: ReadonlyMap<number, number> = new Map([
  ...[0, 1, 7].map((type) => [type, 1] as const),
  ...[2, 3].map((type) => [type, 2] as const),
  ...[4, 5, 6].map((type) => [type, 4] as const),
  ...[10, 11, 12].map((type) => [type, 8] as const),
]);

interface Info {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: number;
  /** In the data part. */
  readonly offsetBytes: number;
}

/**
 * @param start of the file; however much is at hand
 * @param fileBytes length of the whole file
 * @throws SwarmError CONTENT_INVALID
 */
export function readGguf(start: Uint8Array, fileBytes: number): Reading {
  const mostBytes = Math.min(fileBytes, HEAD_BYTES_MAX);
  try {
    return readHead(new ByteCursor(start.subarray(0, mostBytes), mostBytes), fileBytes);
  } catch (error) {
    if (!(error instanceof NeedsMore)) throw error;
    // What lies behind is not known yet: in steps that double, all is read again only a few times.
    return { kind: "more", bytes: Math.min(mostBytes, Math.max(error.bytes, 2 * start.length, FIRST_BYTES)) };
  }
}

function readHead(cursor: ByteCursor, fileBytes: number): Reading {
  if (cursor.u32() !== MAGIC) throw invalid("it does not begin with GGUF");
  const version = cursor.u32();
  if (version !== 2 && version !== 3) throw invalid(`version ${version} of GGUF, or written on a big-endian machine`);
  const tensorCount = cursor.count();
  const pairCount = cursor.count();
  if (tensorCount > TENSORS_MAX || pairCount > PAIRS_MAX) {
    throw invalid(`it claims ${tensorCount} tensors and ${pairCount} keys`);
  }
  const metadata = new Map<string, string | number | boolean>();
  for (let index = 0; index < pairCount; index += 1) readPair(cursor, metadata);
  const infos: Info[] = [];
  for (let index = 0; index < tensorCount; index += 1) infos.push(readInfo(cursor));
  const alignment = alignmentOf(metadata);
  const dataBytes = Math.ceil(cursor.at / alignment) * alignment;
  const tensors = place(infos, dataBytes, fileBytes, alignment);
  return { kind: "head", file: { format: "gguf", headBytes: Math.min(dataBytes, fileBytes), metadata, tensors } };
}

function readPair(cursor: ByteCursor, metadata: Map<string, string | number | boolean>): void {
  const key = readText(cursor, NAME_BYTES_MAX);
  const value = readValue(cursor, cursor.u32(), 0);
  if (typeof value !== "string" || value.length <= METADATA_VALUE_MAX) metadata.set(key, value);
}

/** A list is read over; what is given for it is its length. */
function readValue(cursor: ByteCursor, type: number, depth: number): string | number | boolean {
  if (type === STRING) return readText(cursor, HEAD_BYTES_MAX);
  if (type === LIST) return skipList(cursor, depth + 1);
  const read = SCALARS.get(type);
  if (read === undefined) throw invalid(`a value of type ${type}`);
  return read(cursor);
}

function skipList(cursor: ByteCursor, depth: number): string {
  if (depth > DEPTH_MAX) throw invalid(`lists in lists, ${depth} deep`);
  const type = cursor.u32();
  const length = cursor.count();
  const elementBytes = SCALAR_BYTES.get(type);
  if (elementBytes !== undefined) cursor.skip(length * elementBytes);
  else for (let index = 0; index < length; index += 1) skipElement(cursor, type, depth);
  return `[${length} values]`;
}

function skipElement(cursor: ByteCursor, type: number, depth: number): void {
  if (type === STRING) cursor.skip(cursor.count());
  else if (type === LIST) skipList(cursor, depth + 1);
  else throw invalid(`a list of type ${type}`);
}

function readText(cursor: ByteCursor, mostBytes: number): string {
  const bytes = cursor.count();
  if (bytes > mostBytes) throw invalid(`a text of ${bytes} bytes`);
  return cursor.text(bytes);
}

function readInfo(cursor: ByteCursor): Info {
  const name = readText(cursor, NAME_BYTES_MAX);
  const dimensions = cursor.u32();
  if (dimensions > DIMENSIONS_MAX) throw invalid(`a tensor of ${dimensions} dimensions`);
  const shape = Array.from({ length: dimensions }, () => cursor.count());
  return { name, shape, type: cursor.u32(), offsetBytes: cursor.count() };
}

function alignmentOf(metadata: ReadonlyMap<string, string | number | boolean>): number {
  const alignment = metadata.get("general.alignment") ?? ALIGNMENT_DEFAULT;
  if (typeof alignment !== "number" || !Number.isSafeInteger(alignment) || alignment < 1 || alignment > 1_048_576) {
    throw invalid(`an alignment of ${alignment}`);
  }
  return alignment;
}

function place(infos: readonly Info[], dataBytes: number, fileBytes: number, alignment: number): Tensor[] {
  const sorted = [...infos].sort((a, b) => a.offsetBytes - b.offsetBytes);
  return sorted.map(({ name, shape, type, offsetBytes }, index) => {
    const startBytes = dataBytes + offsetBytes;
    const nextBytes = index + 1 < sorted.length ? dataBytes + (sorted[index + 1] as Info).offsetBytes : fileBytes;
    const known = GGML_TYPES.get(type);
    // Of a type that came later than this program nobody here knows the size: it ends where the next begins.
    const endBytes = known === undefined ? nextBytes : startBytes + sizeOf(shape, known.perBlock, known.blockBytes);
    if (offsetBytes % alignment !== 0) throw invalid(`tensor ${show(name)} is not aligned`);
    if (endBytes > nextBytes || endBytes < startBytes) throw invalid(`tensor ${show(name)} ends behind its place`);
    return { name, dtype: known?.name ?? `type ${type}`, shape, startBytes, endBytes };
  });
}

function sizeOf(shape: readonly number[], perBlock: number, blockBytes: number): number {
  const elements = elementsOf(shape);
  if ((shape[0] ?? 1) % perBlock !== 0) throw invalid(`rows of ${shape[0]} elements, in blocks of ${perBlock}`);
  return (elements / perBlock) * blockBytes;
}

function show(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);
}
