/**
 * Keyed BLAKE3 from its insides: the hash of a chunk of which one holds only a part, and of the rest nothing but chaining values.
 *
 * BLAKE3 is itself a Merkle tree over leaves of 1,024 bytes. Who holds the bytes `[heldStart, heldEnd)` of a chunk can compute its hash
 * with the chaining values of the subtrees outside, and the up to 1,023 bytes on each side that share a leaf with held ones: at most
 * about 1.3 KB a side, whatever the size of the chunk. That is what {@link ChunkRest} is.
 *
 * In: bytes of one chunk. Out: rests and hashes. Never: a word about whether a hash is the right one.
 */
import { CHUNK_BYTES_MAX } from "./chunker.js";
import { BYTES_AT, createXetWasm, KEY_AT, PARENT_AT, VALUES_AT } from "./xet-wasm.js";

/** What a holder of a part of a chunk needs to know of the rest, to compute the hash of the whole. */
export interface ChunkRest {
  /** 32 bytes for each greatest subtree that has no held byte, from left to right. */
  readonly values: Uint8Array;
  /** The bytes outside that lie in one leaf with held ones: those before, then those behind. */
  readonly bytes: Uint8Array;
}

/** A chunk of `sizeBytes`, of which `[heldStart, heldEnd)` is at hand. At least one byte is. */
export interface HeldPart {
  readonly sizeBytes: number;
  readonly heldStart: number;
  readonly heldEnd: number;
}

export const VALUE_BYTES = 32;
const LEAF_BYTES = 1024;
const BLOCK_BYTES = 64;
const LEAVES_MAX = CHUNK_BYTES_MAX / LEAF_BYTES;
/** From the BLAKE3 paper. */
const FLAG = { chunkStart: 1, chunkEnd: 2, parent: 4, root: 8, keyed: 16 } as const;

interface Shape {
  readonly leaves: number;
  /** The leaves that have a held byte. */
  readonly heldFirst: number;
  readonly heldEnd: number;
  /** First byte of the first of them, and the end of the last. */
  readonly startBytes: number;
  readonly endBytes: number;
}

function shapeOf({ sizeBytes, heldStart, heldEnd }: HeldPart): Shape {
  const heldFirst = Math.floor(heldStart / LEAF_BYTES);
  const last = Math.ceil(heldEnd / LEAF_BYTES);
  return {
    leaves: Math.ceil(sizeBytes / LEAF_BYTES),
    heldFirst,
    heldEnd: last,
    startBytes: heldFirst * LEAF_BYTES,
    endBytes: Math.min(last * LEAF_BYTES, sizeBytes),
  };
}

/** Leaves in the left subtree: the greatest power of two that leaves something for the right one. */
function leftLeaves(leaves: number): number {
  return 2 ** (31 - Math.clz32(leaves - 1));
}

/** How long the two parts of a rest must be. Follows from the sizes alone, so a rest on the wire needs no counts. */
export function measureRest(part: HeldPart): { readonly valueBytes: number; readonly bytes: number } {
  const shape = shapeOf(part);
  const count = (first: number, end: number): number => {
    if (end <= shape.heldFirst || first >= shape.heldEnd) return 1;
    if (end - first === 1) return 0;
    const middle = first + leftLeaves(end - first);
    return count(first, middle) + count(middle, end);
  };
  return {
    valueBytes: VALUE_BYTES * count(0, shape.leaves),
    bytes: part.heldStart - shape.startBytes + (shape.endBytes - part.heldEnd),
  };
}

/** BLAKE3 with one key. Not for two at a time: it works in one memory. */
export class Blake3Tree {
  // The last four inputs may begin with the last leaf: three more are read behind it.
  readonly #wasm = createXetWasm(CHUNK_BYTES_MAX + 3 * LEAF_BYTES);
  readonly #memory = this.#wasm.memory;

  /** @param key 32 bytes. */
  constructor(key: Uint8Array) {
    this.#memory.set(key, KEY_AT);
  }

  /** Of at most 128 KiB. The same as any keyed BLAKE3. */
  hash(bytes: Uint8Array): Uint8Array {
    if (bytes.length === 0) return this.#hashNothing();
    const part = { sizeBytes: bytes.length, heldStart: 0, heldEnd: bytes.length };
    return this.hashWithRest(bytes, part, { values: new Uint8Array(0), bytes: new Uint8Array(0) });
  }

  /** Of a whole chunk: what one who holds only the part needs besides. */
  restOf(chunk: Uint8Array, part: HeldPart): ChunkRest {
    const shape = shapeOf(part);
    this.#memory.set(chunk, BYTES_AT);
    this.#hashLeaves(0, shape.leaves, chunk.length);
    const values: Uint8Array[] = [];
    const collect = (first: number, end: number): void => {
      if (end <= shape.heldFirst || first >= shape.heldEnd) {
        this.#fold(first, end, shape.leaves);
        values.push(this.#value(first).slice());
      } else if (end - first > 1) {
        const middle = first + leftLeaves(end - first);
        collect(first, middle);
        collect(middle, end);
      }
    };
    collect(0, shape.leaves);
    const before = chunk.subarray(shape.startBytes, part.heldStart);
    const behind = chunk.subarray(part.heldEnd, shape.endBytes);
    return { values: Buffer.concat(values), bytes: Buffer.concat([before, behind]) };
  }

  /** The hash of the whole chunk. The rest must have the lengths that {@link measureRest} says. */
  hashWithRest(held: Uint8Array, part: HeldPart, rest: ChunkRest): Uint8Array {
    const shape = shapeOf(part);
    const beforeBytes = part.heldStart - shape.startBytes;
    const at = BYTES_AT + shape.startBytes;
    this.#memory.set(rest.bytes.subarray(0, beforeBytes), at);
    this.#memory.set(held, at + beforeBytes);
    this.#memory.set(rest.bytes.subarray(beforeBytes), BYTES_AT + part.heldEnd);
    this.#hashLeaves(shape.heldFirst, shape.heldEnd, part.sizeBytes);
    let next = 0;
    const place = (first: number, end: number): void => {
      if (end <= shape.heldFirst || first >= shape.heldEnd) {
        this.#value(first).set(rest.values.subarray(next, next + VALUE_BYTES));
        next += VALUE_BYTES;
      } else if (end - first > 1) {
        const middle = first + leftLeaves(end - first);
        place(first, middle);
        place(middle, end);
        this.#join(first, middle, first === 0 && end === shape.leaves);
      }
    };
    place(0, shape.leaves);
    return this.#value(0).slice();
  }

  #value(leaf: number): Uint8Array {
    return this.#memory.subarray(VALUES_AT + leaf * VALUE_BYTES, VALUES_AT + (leaf + 1) * VALUE_BYTES);
  }

  /** The value of a subtree, in the place of its first leaf. */
  #fold(first: number, end: number, leaves: number): void {
    if (end - first === 1) return;
    const middle = first + leftLeaves(end - first);
    this.#fold(first, middle, leaves);
    this.#fold(middle, end, leaves);
    this.#join(first, middle, first === 0 && end === leaves);
  }

  #join(left: number, right: number, isRoot: boolean): void {
    this.#memory.set(this.#value(left), PARENT_AT);
    this.#memory.set(this.#value(right), PARENT_AT + VALUE_BYTES);
    const flags = FLAG.keyed | FLAG.parent | (isRoot ? FLAG.root : 0);
    this.#hash4(PARENT_AT, 0, BLOCK_BYTES, 0, flags, 0, 0, left);
  }

  /** The values of the leaves `[first, end)` of a chunk whose bytes lie in place. */
  #hashLeaves(first: number, end: number, sizeBytes: number): void {
    const whole = Math.min(end, Math.floor(sizeBytes / LEAF_BYTES));
    const root = sizeBytes <= LEAF_BYTES ? FLAG.root : 0;
    for (let leaf = first; leaf < whole; leaf += 4) {
      // Lanes behind the last leaf hash what lies there; their values are overwritten or never read.
      this.#hash4(
        BYTES_AT + leaf * LEAF_BYTES,
        LEAF_BYTES,
        LEAF_BYTES,
        leaf,
        FLAG.keyed,
        FLAG.chunkStart,
        FLAG.chunkEnd | root,
        leaf,
      );
    }
    if (whole === end) return;
    const at = BYTES_AT + whole * LEAF_BYTES;
    const shortBytes = sizeBytes - whole * LEAF_BYTES;
    this.#memory.fill(0, at + shortBytes, at + LEAF_BYTES);
    this.#hash4(at, 0, shortBytes, whole, FLAG.keyed, FLAG.chunkStart, FLAG.chunkEnd | root, whole);
  }

  /** Four inputs `strideBytes` apart; their values go to the places of four leaves from `leaf` on. */
  #hash4(
    at: number,
    strideBytes: number,
    bytes: number,
    counter: number,
    flags: number,
    first: number,
    last: number,
    leaf: number,
  ): void {
    const out = VALUES_AT + leaf * VALUE_BYTES;
    // One input alone must not write over the three values behind it.
    const isAlone = strideBytes === 0;
    const target = isAlone ? VALUES_AT + LEAVES_MAX * VALUE_BYTES + 4 * VALUE_BYTES : out;
    const [p1, p2, p3] = [at + strideBytes, at + 2 * strideBytes, at + 3 * strideBytes];
    this.#wasm.hash4(at, p1, p2, p3, bytes, counter, isAlone ? 0 : 1, flags, first, last, KEY_AT, target);
    if (isAlone) this.#memory.copyWithin(out, target, target + VALUE_BYTES);
  }

  /** One leaf of no bytes: a block of zeros that says it is empty. */
  #hashNothing(): Uint8Array {
    this.#memory.fill(0, BYTES_AT, BYTES_AT + BLOCK_BYTES);
    this.#hash4(BYTES_AT, 0, 0, 0, FLAG.keyed, FLAG.chunkStart, FLAG.chunkEnd | FLAG.root, 0);
    return this.#value(0).slice();
  }
}
