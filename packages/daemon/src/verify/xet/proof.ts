/**
 * A proof that a range of a file belongs to it: the part of the xet tree that leads from the file's hash to every chunk of the range.
 *
 * Of a node that the range touches, all children are there; of everything else only hash and size. Hashes of inner nodes are always
 * computed, never taken from anybody, so a proof can't say anything that its root does not cover. Sizes are part of what is hashed:
 * a chunk that is proven is proven at its place.
 *
 * A range seldom begins and ends with a chunk. For the two chunks that it cuts, the proof has their `rest` (see `blake3-tree.ts`), so
 * every shard can be checked by itself, with no byte of its neighbours.
 */
import { SwarmError } from "@swarmd/protocol";
import type { ChunkRest, HeldPart } from "./blake3-tree.js";
import type { HashedRange, XetHash } from "./xet-hash.js";

/** A subtree: with its children where they are known. */
export interface ProofNode extends HashedRange {
  readonly children?: readonly ProofNode[];
}

/** As much of a file's tree as somebody knows. Whoever makes one has computed its root and compared it with the file's hash. */
export interface KnownTree {
  readonly file: XetHash;
  readonly root: ProofNode;
  /** How deep below the root the chunks lie: all equally. */
  readonly height: number;
}

export interface RangeProof extends KnownTree {
  /** `[startBytes, endBytes)`: not empty, and every chunk that it touches is known. */
  readonly startBytes: number;
  readonly endBytes: number;
  /** Of the chunk in which the range begins, unless it begins with the chunk; the range may end in it as well. */
  readonly headRest: ChunkRest | undefined;
  /** Of another chunk, in which the range ends, unless it ends with the chunk. */
  readonly tailRest: ChunkRest | undefined;
}

/** A chunk at its place in the file. */
export interface PlacedChunk extends HashedRange {
  readonly startBytes: number;
}

/** The chunks a range touches, in order; undefined when the tree does not know them all. */
export function findChunks(tree: KnownTree, startBytes: number, endBytes: number): PlacedChunk[] | undefined {
  const chunks: PlacedChunk[] = [];
  const visit = (node: ProofNode, at: number, depth: number): boolean => {
    if (at >= endBytes || at + node.sizeBytes <= startBytes) return true;
    if (depth === tree.height) {
      chunks.push({ hash: node.hash, sizeBytes: node.sizeBytes, startBytes: at });
      return true;
    }
    let childAt = at;
    for (const child of node.children ?? []) {
      if (!visit(child, childAt, depth + 1)) return false;
      childAt += child.sizeBytes;
    }
    return node.children !== undefined;
  };
  return visit(tree.root, 0, 0) ? chunks : undefined;
}

/** The part of a chunk that lies in a range. */
export function heldPart(chunk: PlacedChunk, startBytes: number, endBytes: number): HeldPart {
  return {
    sizeBytes: chunk.sizeBytes,
    heldStart: Math.max(0, startBytes - chunk.startBytes),
    heldEnd: Math.min(chunk.sizeBytes, endBytes - chunk.startBytes),
  };
}

export function isCut({ sizeBytes, heldStart, heldEnd }: HeldPart): boolean {
  return heldStart > 0 || heldEnd < sizeBytes;
}

/** The same tree with nothing in it that the range does not need. */
export function narrowTree(tree: KnownTree, startBytes: number, endBytes: number): KnownTree {
  const visit = (node: ProofNode, at: number): ProofNode => {
    const { hash, sizeBytes, children } = node;
    if (children === undefined || at >= endBytes || at + sizeBytes <= startBytes) return { hash, sizeBytes };
    let childAt = at;
    const narrowed = children.map((child) => {
      const kept = visit(child, childAt);
      childAt += child.sizeBytes;
      return kept;
    });
    return { hash, sizeBytes, children: narrowed };
  };
  return { file: tree.file, height: tree.height, root: visit(tree.root, 0) };
}

/**
 * What two together know. Equal hashes mean equal children, so there is nothing to decide.
 *
 * @throws SwarmError INTERNAL when they are of different files, or say different things about how deep the chunks lie: one is a lie.
 */
export function mergeTrees(one: KnownTree, other: KnownTree): KnownTree {
  if (one.file !== other.file || one.height !== other.height) {
    throw new SwarmError("INTERNAL", `proofs of ${one.file} and ${other.file} do not fit together`);
  }
  const merge = (a: ProofNode, b: ProofNode): ProofNode => {
    const { hash, sizeBytes } = a;
    const [left, right] = [a.children, b.children];
    if (left === undefined) return b;
    if (right === undefined) return a;
    return { hash, sizeBytes, children: left.map((child, index) => merge(child, right[index] as ProofNode)) };
  };
  return { file: one.file, height: one.height, root: merge(one.root, other.root) };
}

/** Finds the rest of a chunk that a range cuts: computes it from the chunk's bytes, or has it from a proof that cuts equally. */
export type FindRest = (chunk: PlacedChunk, part: HeldPart) => Promise<ChunkRest>;

/**
 * The proof of a range, from a tree that knows its chunks. Asks for at most two rests.
 *
 * @throws SwarmError PEER_LACKS when the tree does not know them all, and what `findRest` throws.
 */
export async function proveRange(
  tree: KnownTree,
  startBytes: number,
  endBytes: number,
  findRest: FindRest,
): Promise<RangeProof> {
  const chunks = findChunks(tree, startBytes, endBytes);
  const [head, tail] = [chunks?.[0], chunks?.at(-1)];
  if (head === undefined || tail === undefined) {
    throw new SwarmError("PEER_LACKS", `no proof of bytes ${startBytes} to ${endBytes} of ${tree.file}`);
  }
  const restOf = async (chunk: PlacedChunk): Promise<ChunkRest | undefined> => {
    const part = heldPart(chunk, startBytes, endBytes);
    return isCut(part) ? findRest(chunk, part) : undefined;
  };
  const headRest = await restOf(head);
  const tailRest = head === tail ? undefined : await restOf(tail);
  return { ...narrowTree(tree, startBytes, endBytes), startBytes, endBytes, headRest, tailRest };
}

/** The rest that a proof has for this part of this chunk, if the proof's range cuts it in the same place. */
export function restIn(proof: RangeProof, chunk: PlacedChunk, part: HeldPart): ChunkRest | undefined {
  const same = heldPart(chunk, proof.startBytes, proof.endBytes);
  if (same.heldStart !== part.heldStart || same.heldEnd !== part.heldEnd) return undefined;
  const isHead = chunk.startBytes <= proof.startBytes;
  return isHead ? proof.headRest : proof.tailRest;
}
