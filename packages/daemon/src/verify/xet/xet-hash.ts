/** The hashes of the xet tree: of chunks, of nodes, of files; as 32 bytes and as Hugging Face writes them. */
import { SwarmError } from "@swarmd/protocol";
import { Blake3Tree } from "./blake3-tree.js";
import { type KeyedBlake3, type KeyedHasher, loadKeyedBlake3 } from "./keyed-blake3.js";

declare const xetHash: unique symbol;

/** A file's root as Hugging Face gives it in `xetHash`: 64 hex digits, four little-endian words. */
export type XetHash = string & { readonly [xetHash]: true };

export const HASH_BYTES = 32;
const WORD_BYTES = 8;
const HEX = /^[0-9a-f]{64}$/;
/** The keys of the specification: a chunk can't pose as a node, nor a node as a chunk. */
const CHUNK_KEY = Buffer.from("6697f5775b9550de3135cbaca597181c9de421109beb2b58b4d0b04b93adf229", "hex");
const NODE_KEY = Buffer.from("017ec5c7a5472996fd946666b48a02e65ddd536f37c76dd2f86352e64a53713f", "hex");
/** Files that are no secret are salted with zeros. */
const NO_SALT = Buffer.alloc(HASH_BYTES);

export function isXetHash(text: string): text is XetHash {
  return HEX.test(text);
}

/** @throws SwarmError ORIGIN_FAULT; for gated repos, the Hub has been seen to send 64 asterisks. */
export function parseXetHash(text: string): XetHash {
  if (!isXetHash(text)) throw new SwarmError("ORIGIN_FAULT", `not a xet hash: ${JSON.stringify(text.slice(0, 80))}`);
  return text;
}

/** The 32 bytes behind the text. */
export function bytesOfXetHash(hash: XetHash): Uint8Array {
  return Buffer.from(hash, "hex").swap64();
}

export function formatXetHash(bytes: Uint8Array): XetHash {
  return Buffer.from(bytes).swap64().toString("hex") as XetHash;
}

/** A subtree by its hash: of a chunk, or of a node. */
export interface HashedRange {
  readonly hash: Uint8Array;
  readonly sizeBytes: number;
}

const HEX_DIGITS = Buffer.from("0123456789abcdef", "latin1");
/** A node has at most nine children; each line has 64 digits, ` : `, at most 16 digits and a line feed. */
const LINE_BYTES_MAX = 2 * HASH_BYTES + 3 + 16 + 1;
const CHILDREN_MAX = 9;

/** Makes all hashes of the tree. One per thread is enough; it does one thing at a time. */
export class XetHasher {
  readonly #blake3: KeyedBlake3;
  readonly #chunk: KeyedHasher;
  readonly #node: KeyedHasher;
  readonly #file: KeyedHasher;
  readonly #text = Buffer.alloc(CHILDREN_MAX * LINE_BYTES_MAX);
  #parts: Blake3Tree | undefined;

  constructor(blake3: KeyedBlake3) {
    this.#blake3 = blake3;
    this.#chunk = blake3.createHasher(CHUNK_KEY);
    this.#node = blake3.createHasher(NODE_KEY);
    this.#file = blake3.createHasher(NO_SALT);
  }

  static async load(): Promise<XetHasher> {
    return new XetHasher(await loadKeyedBlake3());
  }

  get implementation(): "native" | "wasm" {
    return this.#blake3.implementation;
  }

  /** For chunks whose bytes come in pieces; every caller that has a chunk in progress needs one of its own. */
  createChunkHasher(): KeyedHasher {
    return this.#blake3.createHasher(CHUNK_KEY);
  }

  /** For chunks of which only a part is held. */
  get chunkParts(): Blake3Tree {
    this.#parts ??= new Blake3Tree(CHUNK_KEY);
    return this.#parts;
  }

  hashChunk(bytes: Uint8Array): Uint8Array {
    this.#chunk.update(bytes);
    return this.#chunk.digest();
  }

  /** The node over one to nine children: its hash covers theirs and their sizes, so it fixes where each begins. */
  hashNode(children: readonly HashedRange[]): HashedRange {
    let at = 0;
    let sizeBytes = 0;
    for (const child of children) {
      at = this.#writeLine(child, at);
      sizeBytes += child.sizeBytes;
    }
    this.#node.update(this.#text.subarray(0, at));
    return { hash: this.#node.digest(), sizeBytes };
  }

  /** A file's hash from the hash of its root. A file without chunks has 32 zero bytes instead. */
  hashFile(root: Uint8Array, salt?: Uint8Array): Uint8Array {
    const hasher = salt === undefined ? this.#file : this.#blake3.createHasher(salt);
    hasher.update(root);
    return hasher.digest();
  }

  /** `<hash> : <size>\n`. */
  #writeLine({ hash, sizeBytes }: HashedRange, start: number): number {
    const text = this.#text;
    let at = start;
    for (let word = 0; word < HASH_BYTES; word += WORD_BYTES) {
      for (let index = word + WORD_BYTES - 1; index >= word; index -= 1) {
        const byte = hash[index] as number;
        text[at++] = HEX_DIGITS[byte >> 4] as number;
        text[at++] = HEX_DIGITS[byte & 15] as number;
      }
    }
    const tail = ` : ${sizeBytes}\n`;
    // Faster than Buffer's own write for so few.
    for (let index = 0; index < tail.length; index += 1) text[at++] = tail.charCodeAt(index);
    return at;
  }
}
