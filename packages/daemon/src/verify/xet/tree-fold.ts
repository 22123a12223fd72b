/**
 * The tree over a file's chunks, built from left to right: a chunk goes in, and every node that is full comes out.
 *
 * Nodes of a level are grouped by their hashes: a group ends behind its third or a later node whose hash is divisible by four, or
 * behind its ninth. So a group depends only on the nodes in it, and the tree over a changed file keeps most of its nodes.
 * All chunks lie at the same depth: where one node is left over at the end of a level, it becomes a group of its own.
 */
import type { HashedRange, XetHasher } from "./xet-hash.js";

/** A group ends behind its third node at the earliest, unless the level ends. */
export const GROUP_MIN = 3;
export const GROUP_MAX = 9;
/** The byte of a hash that holds the lowest bits of its last word. */
const CUT_BYTE = 24;

/** Level 0 are the chunks. */
export type NodeSink = (level: number, node: HashedRange, children: number) => void;

function endsGroup(hash: Uint8Array, size: number): boolean {
  return size === GROUP_MAX || (size >= GROUP_MIN && ((hash[CUT_BYTE] as number) & 3) === 0);
}

interface Level {
  /** The group in progress. */
  group: HashedRange[];
  nodes: number;
}

/** Holds less than nine nodes per level: some forty at a hundred gigabytes. */
export class TreeFold {
  readonly #hasher: XetHasher;
  readonly #sink: NodeSink;
  readonly #levels: Level[] = [];

  /** @param sink gets every node as soon as it is known, those of a level in order. */
  constructor(hasher: XetHasher, sink: NodeSink = () => {}) {
    this.#hasher = hasher;
    this.#sink = sink;
  }

  push(chunk: HashedRange): void {
    this.#add(0, chunk, 0);
  }

  /** The root over all chunks, and its level; nothing if there was none. */
  finish(): { readonly root: HashedRange; readonly level: number } | undefined {
    for (let level = 0; level < this.#levels.length; level += 1) {
      const { group, nodes } = this.#levels[level] as Level;
      if (nodes === 1) return { root: group[0] as HashedRange, level };
      if (group.length > 0) this.#close(level);
    }
    return undefined;
  }

  #add(level: number, node: HashedRange, children: number): void {
    this.#sink(level, node, children);
    this.#levels[level] ??= { group: [], nodes: 0 };
    const state = this.#levels[level] as Level;
    state.group.push(node);
    state.nodes += 1;
    // A level that has only one group may be the last one; finish() sees to that.
    if (endsGroup(node.hash, state.group.length)) this.#close(level);
  }

  #close(level: number): void {
    const state = this.#levels[level] as Level;
    const group = state.group;
    state.group = [];
    this.#add(level + 1, this.#hasher.hashNode(group), group.length);
  }
}
