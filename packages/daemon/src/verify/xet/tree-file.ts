/**
 * The tree of a finished file, on disk. A proof is read from it with one small read per level, so a tree of any size costs no memory.
 *
 * Layout: a head of 64 bytes (magic, version, rule, number of levels, size of the file, the file's hash), the number of records of each
 * level (4 bytes each, the root's level first), then the records, the root first and the chunks last.
 *
 * There is no checksum: whatever is read is proven against the file's hash before it is used, which finds more than a checksum would.
 * A file that is damaged, cut short or of another version is of no use; then the tree is built again.
 */
import { writeSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { SwarmError } from "@swarmd/protocol";
import type { ChunkRule } from "./chunker.js";
import type { KnownTree, ProofNode } from "./proof.js";
import { type Anchor, HEIGHT_MAX } from "./proof-codec.js";
import type { BuiltTree } from "./tree-build.js";
import { GROUP_MAX } from "./tree-fold.js";
import { RECORD_BYTES, readRecord, type TreeRecord } from "./tree-records.js";
import { bytesOfXetHash, formatXetHash, HASH_BYTES, type XetHasher } from "./xet-hash.js";

const MAGIC = Buffer.from("swarmxet", "latin1");
const VERSION = 1;
const RULES: readonly ChunkRule[] = ["spec", "legacy"];
const HEAD_BYTES = 64;
const VERSION_AT = 8;
const RULE_AT = 9;
const LEVELS_AT = 10;
const SIZE_AT = 16;
const HASH_AT = 32;
/** A range of 32 MiB has at most some 4,100 chunks; nine times that is no tree of ours. */
const RECORDS_READ_MAX = 40_000;

/** Writes all of a tree. Blocking, for a thread of its own. */
export function writeTree(fd: number, { rule, records }: BuiltTree, { file, sizeBytes }: Anchor): void {
  const levels = [...records.levels].reverse();
  const head = Buffer.alloc(HEAD_BYTES + 4 * levels.length);
  head.set(MAGIC);
  head[VERSION_AT] = VERSION;
  head[RULE_AT] = RULES.indexOf(rule);
  head[LEVELS_AT] = levels.length;
  head.writeBigUInt64LE(BigInt(sizeBytes), SIZE_AT);
  head.set(bytesOfXetHash(file), HASH_AT);
  levels.forEach(({ count }, index) => {
    head.writeUInt32LE(count, HEAD_BYTES + 4 * index);
  });
  writeAll(fd, head);
  for (const level of levels) for (const piece of level.pieces()) writeAll(fd, piece);
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

/** How many nodes a level has, and where its records begin. */
interface Level {
  readonly count: number;
  readonly startBytes: number;
}

/** Nodes of one level that lie side by side. */
interface Run {
  readonly first: number;
  readonly startBytes: number;
  readonly records: readonly TreeRecord[];
}

/** A tree that lies on the disk. */
export class TreeFile {
  readonly rule: ChunkRule;
  readonly #handle: FileHandle;
  readonly #anchor: Anchor;
  /** The root's first. */
  readonly #levels: readonly Level[];

  private constructor(handle: FileHandle, anchor: Anchor, rule: ChunkRule, levels: readonly Level[]) {
    this.#handle = handle;
    this.#anchor = anchor;
    this.rule = rule;
    this.#levels = levels;
  }

  /** @throws SwarmError STORE_FAULT when it is not the tree of this file, or is damaged. The handle stays the caller's. */
  static async open(handle: FileHandle, anchor: Anchor): Promise<TreeFile> {
    const head = await read(handle, 0, HEAD_BYTES);
    const [rule, count] = [RULES[head[RULE_AT] as number], head[LEVELS_AT] as number];
    const isOurs =
      head.subarray(0, MAGIC.length).equals(MAGIC) &&
      head[VERSION_AT] === VERSION &&
      head.readBigUInt64LE(SIZE_AT) === BigInt(anchor.sizeBytes) &&
      head.subarray(HASH_AT, HASH_AT + HASH_BYTES).equals(bytesOfXetHash(anchor.file));
    if (!isOurs || rule === undefined || count < 1 || count > HEIGHT_MAX + 1) throw damaged("its head is wrong");
    const counts = await read(handle, HEAD_BYTES, 4 * count);
    let startBytes = HEAD_BYTES + counts.length;
    const levels = Array.from({ length: count }, (_, index) => {
      const level = { count: counts.readUInt32LE(4 * index), startBytes };
      startBytes += level.count * RECORD_BYTES;
      return level;
    });
    if (levels[0]?.count !== 1) throw damaged("it has no root");
    if ((await handle.stat()).size !== startBytes) throw damaged("it has another length than it says");
    return new TreeFile(handle, anchor, rule, levels);
  }

  /**
   * What a proof of this range needs, proven against the file's hash.
   *
   * @throws SwarmError STORE_FAULT when the tree is damaged where it is needed.
   */
  async read(startBytes: number, endBytes: number, hasher: XetHasher): Promise<KnownTree> {
    const runs: Run[] = [{ first: 0, startBytes: 0, records: await this.#records(0, 0, 1) }];
    for (let level = 1; level < this.#levels.length; level += 1) {
      runs.push(await this.#childrenOf(runs.at(-1) as Run, level, startBytes, endBytes));
    }
    const top = runs[0]?.records[0] as TreeRecord;
    const root = assemble(runs, 0, 0, { start: 0, end: top.endBytes, startBytes, endBytes }, hasher);
    const { file, sizeBytes } = this.#anchor;
    if (root.sizeBytes !== sizeBytes || formatXetHash(hasher.hashFile(root.hash)) !== file) {
      throw damaged("it leads to another hash");
    }
    return { file, root, height: this.#levels.length - 1 };
  }

  /** All children of the nodes of a run that the range touches; they lie side by side. */
  async #childrenOf(run: Run, level: number, startBytes: number, endBytes: number): Promise<Run> {
    let nodeStart = run.startBytes;
    let childrenStart: number | undefined;
    let [first, end] = [0, 0];
    for (const record of run.records) {
      if (nodeStart < endBytes && record.endBytes > startBytes) {
        if (childrenStart === undefined) [childrenStart, first] = [nodeStart, record.firstChild];
        end = record.firstChild + record.children;
      }
      nodeStart = record.endBytes;
    }
    if (childrenStart === undefined) throw damaged("it does not cover its file");
    return { first, startBytes: childrenStart, records: await this.#records(level, first, end) };
  }

  async #records(level: number, first: number, end: number): Promise<TreeRecord[]> {
    const { count, startBytes } = this.#levels[level] as Level;
    if (first >= end || end > count || end - first > RECORDS_READ_MAX)
      throw damaged("it names nodes that are not there");
    const bytes = await read(this.#handle, startBytes + first * RECORD_BYTES, (end - first) * RECORD_BYTES);
    return Array.from({ length: end - first }, (_, index) => readRecord(bytes, index * RECORD_BYTES));
  }
}

interface Span {
  /** Of the node. */
  readonly start: number;
  readonly end: number;
  /** Of the range. */
  readonly startBytes: number;
  readonly endBytes: number;
}

/** The node with this number of its level's run, with all below it that the range touches. Hashes of nodes are computed anew. */
function assemble(runs: readonly Run[], level: number, index: number, span: Span, hasher: XetHasher): ProofNode {
  const run = runs[level] as Run;
  const record = run.records[index];
  const below = runs[level + 1];
  if (record === undefined || span.end <= span.start) throw damaged("its nodes do not fit together");
  const isTouched = span.start < span.endBytes && span.end > span.startBytes;
  if (below === undefined || !isTouched) return { hash: record.hash, sizeBytes: span.end - span.start };
  if (record.children < 1 || record.children > GROUP_MAX) throw damaged("a node has a wrong number of children");
  let start = span.start;
  const children = Array.from({ length: record.children }, (_, child) => {
    const childIndex = record.firstChild + child - below.first;
    const end = below.records[childIndex]?.endBytes ?? 0;
    const node = assemble(runs, level + 1, childIndex, { ...span, start, end }, hasher);
    start = end;
    return node;
  });
  return { ...hasher.hashNode(children), children };
}

async function read(handle: FileHandle, positionBytes: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(buffer, done, length - done, positionBytes + done);
    if (bytesRead === 0) throw damaged("it is cut short");
    done += bytesRead;
  }
  return buffer;
}

function damaged(why: string): SwarmError {
  return new SwarmError("STORE_FAULT", `the stored tree can't be used: ${why}`, {
    hint: "It is built again when its file is next checked.",
  });
}
