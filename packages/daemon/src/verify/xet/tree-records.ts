/**
 * A whole tree as fixed-size records, level by level: how it is built up in memory, and how it lies in its file.
 *
 * A record is a node: hash (32 bytes), where it ends in the file (6), its first child's number in the level below (4), how many children
 * (1), all numbers little-endian. With the chunks' records and those of the nodes above, a tree takes some 0.08 % of its file.
 */
import { TreeFold } from "./tree-fold.js";
import { HASH_BYTES, type HashedRange, type XetHasher } from "./xet-hash.js";

export const RECORD_BYTES = HASH_BYTES + 6 + 4 + 1;
const END_AT = HASH_BYTES;
const FIRST_AT = END_AT + 6;
const COUNT_AT = FIRST_AT + 4;

export interface TreeRecord {
  readonly hash: Uint8Array;
  readonly endBytes: number;
  readonly firstChild: number;
  readonly children: number;
}

/** Reads the record that begins at `at`. The hash is a view. */
export function readRecord(bytes: Buffer, at: number): TreeRecord {
  return {
    hash: bytes.subarray(at, at + HASH_BYTES),
    endBytes: bytes.readUIntLE(at + END_AT, 6),
    firstChild: bytes.readUInt32LE(at + FIRST_AT),
    children: bytes[at + COUNT_AT] as number,
  };
}

/** 176 KiB: a list that grows never copies what it has. */
const BLOCK_RECORDS = 4096;

/** One level, growing. */
export class RecordList {
  readonly #blocks: Buffer[] = [];
  #count = 0;
  #endBytes = 0;
  #nextChild = 0;

  get count(): number {
    return this.#count;
  }

  get endBytes(): number {
    return this.#endBytes;
  }

  push({ hash, sizeBytes }: HashedRange, children: number): void {
    const at = (this.#count % BLOCK_RECORDS) * RECORD_BYTES;
    if (at === 0) this.#blocks.push(Buffer.alloc(BLOCK_RECORDS * RECORD_BYTES));
    const block = this.#blocks.at(-1) as Buffer;
    this.#endBytes += sizeBytes;
    block.set(hash, at);
    block.writeUIntLE(this.#endBytes, at + END_AT, 6);
    block.writeUInt32LE(this.#nextChild, at + FIRST_AT);
    block[at + COUNT_AT] = children;
    this.#nextChild += children;
    this.#count += 1;
  }

  get(index: number): TreeRecord {
    const block = this.#blocks[Math.floor(index / BLOCK_RECORDS)] as Buffer;
    return readRecord(block, (index % BLOCK_RECORDS) * RECORD_BYTES);
  }

  /** All records, in pieces. */
  *pieces(): Generator<Buffer> {
    for (const [index, block] of this.#blocks.entries()) {
      yield block.subarray(0, Math.min(BLOCK_RECORDS, this.#count - index * BLOCK_RECORDS) * RECORD_BYTES);
    }
  }
}

/** A tree in the making: chunks go in, in order. */
export class TreeRecords {
  /** Level 0 are the chunks; the last has only the root once the tree is finished. */
  readonly levels: RecordList[] = [];
  readonly #fold: TreeFold;

  constructor(hasher: XetHasher) {
    this.#fold = new TreeFold(hasher, (level, node, children) => {
      this.levels[level] ??= new RecordList();
      this.levels[level].push(node, children);
    });
  }

  push(chunk: HashedRange): void {
    this.#fold.push(chunk);
  }

  /** The hash of the root; undefined when no chunk came. */
  finish(): Uint8Array | undefined {
    return this.#fold.finish()?.root.hash;
  }
}
