/**
 * Proofs as bytes. Decoding is checking: what comes out leads to the file's hash, or nothing comes out.
 *
 * Layout: version (1), height (1), start and end of the range (varints), then the tree, root first, children in order:
 *
 * - a node with children: two bytes, little-endian: the lowest four bits count them (1 to 9), each bit above, from bit 4 on, says that
 *   this child has children of its own;
 * - any other: its hash (32) and its size (varint);
 *
 * then, for each chunk that the range cuts, its rest: chaining values, then bytes. How many follows from sizes and range.
 * A file of one chunk has height 0 and no node with children. There is only one way to write a proof.
 */
import { SwarmError } from "@swarmd/protocol";
import { type ChunkRest, measureRest } from "./blake3-tree.js";
import { CHUNK_BYTES_MAX } from "./chunker.js";
import { findChunks, heldPart, isCut, type ProofNode, type RangeProof } from "./proof.js";
import { GROUP_MAX, GROUP_MIN } from "./tree-fold.js";
import { formatXetHash, HASH_BYTES, type XetHash, type XetHasher } from "./xet-hash.js";

/** Twice 16 MiB cut into chunks of the least size, and more. A proof of 16 MiB of usual chunks has 12 KiB. */
export const PROOF_BYTES_MAX = 192 * 1024;
/** Enough for any file: groups of three or more, and 2^48 bytes. */
export const HEIGHT_MAX = 32;
/** No file is larger. Six bytes of a stored tree, seven of a varint. */
export const FILE_BYTES_MAX = 2 ** 48 - 1;

const VERSION = 1;

/** What the receiver knows without the sender. */
export interface Anchor {
  /** From Hugging Face. */
  readonly file: XetHash;
  readonly sizeBytes: number;
}

/** What was asked for, where that is known: a proof of another range is then refused. */
export interface Expected extends Anchor {
  readonly startBytes?: number;
  readonly endBytes?: number;
}

export function encodeProof(proof: RangeProof): Uint8Array {
  const parts: Uint8Array[] = [Uint8Array.of(VERSION, proof.height)];
  parts.push(encodeVarint(proof.startBytes), encodeVarint(proof.endBytes));
  const write = ({ hash, sizeBytes, children }: ProofNode): void => {
    if (children === undefined) return void parts.push(hash, encodeVarint(sizeBytes));
    let head = children.length;
    for (const [index, child] of children.entries()) if (child.children !== undefined) head |= 1 << (4 + index);
    parts.push(Uint8Array.of(head & 255, head >> 8));
    children.forEach(write);
  };
  write(proof.root);
  for (const rest of [proof.headRest, proof.tailRest]) if (rest !== undefined) parts.push(rest.values, rest.bytes);
  return Buffer.concat(parts);
}

/**
 * Reads and checks a proof: its tree leads to the file's hash, is as large as the file, and knows every chunk of its range.
 * The rests of cut chunks can't be checked before the bytes are there.
 *
 * @throws SwarmError PEER_FAULT for anything that is no proof, PEER_CORRUPT for one of something else.
 */
export function decodeProof(bytes: Uint8Array, expected: Expected, hasher: XetHasher): RangeProof {
  if (bytes.length > PROOF_BYTES_MAX) throw malformed(`${bytes.length} bytes are too many`);
  const { startBytes, endBytes } = expected;
  const proof = new ProofReader(bytes, expected, hasher).read();
  const isAsked =
    proof.startBytes === (startBytes ?? proof.startBytes) && proof.endBytes === (endBytes ?? proof.endBytes);
  if (!isAsked) throw malformed("it is of another range");
  return proof;
}

/** How many bytes {@link peekRange} needs at most. */
export const RANGE_HEAD_BYTES = 2 + 2 * 7;

/** The range that a proof says it is of, from its first bytes; undefined when they are no such thing. Nothing of it is checked. */
export function peekRange(head: Uint8Array): { readonly startBytes: number; readonly endBytes: number } | undefined {
  const [version, , ...rest] = head;
  if (version !== VERSION) return undefined;
  const numbers: number[] = [];
  let [value, factor] = [0, 1];
  for (const byte of rest) {
    value += (byte & 127) * factor;
    factor *= 128;
    if (byte < 128) {
      numbers.push(value);
      [value, factor] = [0, 1];
    }
  }
  const [startBytes, endBytes] = numbers;
  return startBytes === undefined || endBytes === undefined ? undefined : { startBytes, endBytes };
}

class ProofReader {
  readonly #bytes: Uint8Array;
  readonly #anchor: Anchor;
  readonly #hasher: XetHasher;
  #at = 0;
  #height = 0;
  #startBytes = 0;
  #endBytes = 0;
  /** Where in the file the next node begins. */
  #positionBytes = 0;

  constructor(bytes: Uint8Array, anchor: Anchor, hasher: XetHasher) {
    // A copy: the proof outlives the message, and all hashes are views of it.
    this.#bytes = new Uint8Array(bytes);
    this.#anchor = anchor;
    this.#hasher = hasher;
  }

  read(): RangeProof {
    if (this.#byte() !== VERSION) throw malformed("its version is not known");
    this.#height = this.#byte();
    this.#startBytes = this.#varint();
    this.#endBytes = this.#varint();
    if (this.#height > HEIGHT_MAX) throw malformed("it is too high");
    if (this.#startBytes >= this.#endBytes || this.#endBytes > this.#anchor.sizeBytes) {
      throw malformed("its range is not in the file");
    }
    const root = this.#node(0, this.#height > 0);
    const { file, sizeBytes } = this.#anchor;
    if (root.sizeBytes !== sizeBytes) throw corrupt(`it is of ${root.sizeBytes} bytes instead of ${sizeBytes}`);
    if (formatXetHash(this.#hasher.hashFile(root.hash)) !== file) throw corrupt("it leads to another hash");
    const tree = { file, root, height: this.#height, startBytes: this.#startBytes, endBytes: this.#endBytes };
    return { ...tree, ...this.#rests(findChunks(tree, tree.startBytes, tree.endBytes) ?? []) };
  }

  #node(depth: number, hasChildren: boolean): ProofNode {
    return hasChildren ? this.#branch(depth) : this.#end(depth);
  }

  /** A node of which the children follow. */
  #branch(depth: number): ProofNode {
    const start = this.#positionBytes;
    const head = this.#byte() | (this.#byte() << 8);
    const count = head & 15;
    const mask = head >> 4;
    if (count < 1 || count > GROUP_MAX || mask >> count !== 0) throw malformed("a node has a wrong number of children");
    if (mask !== 0 && depth + 1 >= this.#height) throw malformed("a chunk has children");
    const children: ProofNode[] = [];
    for (let index = 0; index < count; index += 1) children.push(this.#node(depth + 1, ((mask >> index) & 1) === 1));
    const end = this.#positionBytes;
    // Only the last group of a level may be small. This also bounds how many nodes so many bytes can name.
    if (count < GROUP_MIN && end !== this.#anchor.sizeBytes) throw malformed("a node has too few children");
    if (!this.#isWanted(start, end)) throw malformed("it has nodes that are not needed");
    const { hash, sizeBytes } = this.#hasher.hashNode(children);
    return { hash, sizeBytes, children };
  }

  /** A chunk, or a node outside of the range. */
  #end(depth: number): ProofNode {
    const start = this.#positionBytes;
    const hash = this.#take(HASH_BYTES);
    const sizeBytes = this.#varint();
    this.#positionBytes += sizeBytes;
    if (sizeBytes === 0 || this.#positionBytes > this.#anchor.sizeBytes) throw malformed("its sizes do not add up");
    if (depth === this.#height && sizeBytes > CHUNK_BYTES_MAX) throw malformed("a chunk is too large");
    if (depth < this.#height && this.#isWanted(start, this.#positionBytes)) throw malformed("it leaves out chunks");
    return { hash, sizeBytes };
  }

  #isWanted(start: number, end: number): boolean {
    return start < this.#endBytes && end > this.#startBytes;
  }

  #rests(chunks: NonNullable<ReturnType<typeof findChunks>>): Pick<RangeProof, "headRest" | "tailRest"> {
    const [head, tail] = [chunks[0], chunks.at(-1)];
    if (head === undefined || tail === undefined) throw malformed("it has no chunks");
    const restOf = (chunk: typeof head): ChunkRest | undefined => {
      const part = heldPart(chunk, this.#startBytes, this.#endBytes);
      if (!isCut(part)) return undefined;
      const { valueBytes, bytes } = measureRest(part);
      return { values: this.#take(valueBytes), bytes: this.#take(bytes) };
    };
    const headRest = restOf(head);
    const tailRest = head === tail ? undefined : restOf(tail);
    if (this.#at !== this.#bytes.length) throw malformed("there is something behind it");
    return { headRest, tailRest };
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw malformed("it ends too early");
    this.#at += 1;
    return byte;
  }

  #take(length: number): Uint8Array {
    if (this.#at + length > this.#bytes.length) throw malformed("it ends too early");
    this.#at += length;
    // Made directly: several times faster than subarray().
    return new Uint8Array(this.#bytes.buffer, this.#at - length, length);
  }

  /** Seven bits a byte, the lowest first, as few bytes as can be. */
  #varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#byte();
      value += (byte & 127) * factor;
      if (value > FILE_BYTES_MAX || factor > FILE_BYTES_MAX) throw malformed("a number is too large");
      if (byte >= 128) continue;
      if (byte === 0 && factor > 1) throw malformed("a number is longer than it needs to be");
      return value;
    }
  }
}

function encodeVarint(value: number): Uint8Array {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) | 128);
  bytes.push(left);
  return Uint8Array.from(bytes);
}

function malformed(why: string): SwarmError {
  return new SwarmError("PEER_FAULT", `not a proof: ${why}`);
}

function corrupt(why: string): SwarmError {
  return new SwarmError("PEER_CORRUPT", `a wrong proof: ${why}`);
}
