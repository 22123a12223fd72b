/**
 * The tree of a finished file: reads it once, cuts and hashes, and compares the root with what Hugging Face says.
 *
 * Nothing says by which rule a file was cut when it was uploaded. The specification's rule is tried first. Where it passes over a cut
 * that the legacy rule would have made, that is noted; if the root is another, only the stretches behind these places are cut again,
 * up to where both rules meet. So the second try costs a few reads, not a second pass.
 *
 * In: an open file. Out: its tree, or nothing when neither rule gives the root. Never: a tree with another root.
 */
import { readSync } from "node:fs";
import { type ChunkRule, CutFinder } from "./chunker.js";
import { TreeRecords } from "./tree-records.js";
import { bytesOfXetHash, type XetHash, type XetHasher } from "./xet-hash.js";

export interface TreeOrder {
  /** Open for reading; stays open. */
  readonly fd: number;
  readonly sizeBytes: number;
  readonly file: XetHash;
}

export interface BuiltTree {
  readonly rule: ChunkRule;
  readonly records: TreeRecords;
}

/** Fits the second-level cache: what was read is cut and hashed while it is near. */
const READ_BYTES = 512 * 1024;
/** So often others get their turn. */
const STEP_BYTES = 16 * 1024 * 1024;

/**
 * Reads with blocking calls, for a thread of its own. Yields the bytes done, every 16 MiB.
 *
 * @throws when the file can't be read or is shorter than said.
 */
export function* buildTree(order: TreeOrder, hasher: XetHasher): Generator<number, BuiltTree | undefined> {
  const { records, earlyCuts } = yield* cutFile(order, hasher);
  if (hasRoot(records, order, hasher)) return { rule: "spec", records };
  if (earlyCuts.length === 0) return undefined;
  const legacy = yield* recut(order, records, earlyCuts, hasher);
  return hasRoot(legacy, order, hasher) ? { rule: "legacy", records: legacy } : undefined;
}

export interface CutFile {
  readonly records: TreeRecords;
  /** The chunks that the legacy rule cuts earlier, each by its number. */
  readonly earlyCuts: readonly number[];
}

/** The tree of a file by the specification's rule, whatever its hash is. */
export function* cutFile(order: Omit<TreeOrder, "file">, hasher: XetHasher): Generator<number, CutFile> {
  const records = new TreeRecords(hasher);
  const earlyCuts: number[] = [];
  const cutter = new FileCutter(order, "spec", hasher);
  for (let chunk = 0; cutter.positionBytes < order.sizeBytes; chunk += 1) {
    if (cutter.next(records) !== 0) earlyCuts.push(chunk);
    if (cutter.stepped()) yield cutter.positionBytes;
  }
  return { records, earlyCuts };
}

function hasRoot(tree: TreeRecords, order: TreeOrder, hasher: XetHasher): boolean {
  const root = tree.finish();
  return root !== undefined && Buffer.compare(hasher.hashFile(root), bytesOfXetHash(order.file)) === 0;
}

/** The tree by the legacy rule, from the one by the specification's. */
function* recut(
  order: TreeOrder,
  spec: TreeRecords,
  earlyCuts: readonly number[],
  hasher: XetHasher,
): Generator<number, TreeRecords> {
  const chunks = spec.levels[0];
  const legacy = new TreeRecords(hasher);
  const cutter = new FileCutter(order, "legacy", hasher);
  const early = new Set(earlyCuts);
  let position = 0;
  for (let index = 0; chunks !== undefined && index < chunks.count; ) {
    if (!early.has(index)) {
      const { hash, endBytes } = chunks.get(index);
      legacy.push({ hash, sizeBytes: endBytes - position });
      position = endBytes;
      index += 1;
      continue;
    }
    cutter.seek(position);
    do {
      cutter.next(legacy);
      while (chunks.get(index).endBytes < cutter.positionBytes) index += 1;
    } while (chunks.get(index).endBytes !== cutter.positionBytes);
    index += 1;
    position = cutter.positionBytes;
    yield position;
  }
  return legacy;
}

/** Goes through a file chunk by chunk, over one buffer in which it is cut and hashed. */
class FileCutter {
  readonly #order: Omit<TreeOrder, "file">;
  readonly #finder: CutFinder;
  readonly #buffer: Buffer;
  readonly #chunkHasher;
  /** End of the chunk before. */
  #positionBytes = 0;
  #steppedBytes = 0;
  /** What of the buffer is not yet cut. */
  #at = 0;
  #end = 0;
  #readBytes = 0;

  constructor(order: Omit<TreeOrder, "file">, rule: ChunkRule, hasher: XetHasher) {
    this.#order = order;
    this.#chunkHasher = hasher.createChunkHasher();
    this.#finder = new CutFinder({ rule, windowBytes: READ_BYTES });
    const { buffer, byteOffset, length } = this.#finder.window;
    this.#buffer = Buffer.from(buffer, byteOffset, length);
  }

  get positionBytes(): number {
    return this.#positionBytes;
  }

  seek(positionBytes: number): void {
    this.#positionBytes = positionBytes;
    this.#readBytes = positionBytes;
    this.#at = 0;
    this.#end = 0;
    this.#finder.startChunk();
  }

  /** True once every 16 MiB. */
  stepped(): boolean {
    if (this.#positionBytes - this.#steppedBytes < STEP_BYTES) return false;
    this.#steppedBytes = this.#positionBytes;
    return true;
  }

  /** Adds the next chunk to the tree. Returns its size at the first cut that the specification's rule passed over, or 0. */
  next(tree: TreeRecords): number {
    for (;;) {
      if (this.#at === this.#end) this.#fill();
      const cut = this.#finder.find(this.#at, this.#end);
      const stop = cut ?? this.#end;
      this.#chunkHasher.update(this.#buffer.subarray(this.#at, stop));
      this.#at = stop;
      const isLast = stop === this.#end && this.#readBytes === this.#order.sizeBytes;
      if (cut === undefined && !isLast) continue;
      const sizeBytes = this.#finder.sizeBytes;
      const earlyCutBytes = this.#finder.earlyCutBytes;
      tree.push({ hash: this.#chunkHasher.digest(), sizeBytes });
      this.#positionBytes += sizeBytes;
      this.#finder.startChunk();
      return earlyCutBytes;
    }
  }

  #fill(): void {
    const { fd, sizeBytes } = this.#order;
    const wanted = Math.min(this.#buffer.length, sizeBytes - this.#readBytes);
    const got = readSync(fd, this.#buffer, 0, wanted, this.#readBytes);
    if (got === 0) throw new Error(`the file ends at byte ${this.#readBytes}, before byte ${sizeBytes}`);
    this.#readBytes += got;
    this.#at = 0;
    this.#end = got;
  }
}
