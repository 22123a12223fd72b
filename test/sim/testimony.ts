/**
 * Wrong bytes that somebody vouches for: a false witness sends other bytes of a shard than it took from the origin, and attests them. They
 * match their attestation wherever they go, so nobody notices before the whole file fails.
 */
import type { NodeId } from "@swarmd/protocol";
import { ORIGIN } from "./flows.js";
import type { Plan } from "./scenario.js";
import type { SimNode } from "./sim-node.js";

/** What a shard that is all there turns out to be. */
export type Weighed = "believed" | "corrupt" | "tainted";

/** Who vouches for what came: a false witness; the origin's own hash; nobody, as it is of both. */
type Word = NodeId | "right" | "mixed";

export class Testimony {
  /** Nobody bears false witness: nothing to keep books about. */
  readonly isNeeded: boolean;
  readonly #nodes: readonly SimNode[];
  /** Per node and blob: shards that a false witness took from the origin. */
  readonly #forged: readonly (readonly Set<number>[])[];
  /** Per node and blob: under whose word the bytes of each shard came. What counts is the word at that moment: the sender may drop it since. */
  readonly #came: readonly (readonly Map<number, Word>[])[];

  constructor(plan: Plan, nodes: readonly SimNode[]) {
    this.isNeeded = plan.nodes.some((node) => node.isFalseWitness === true);
    this.#nodes = nodes;
    this.#forged = plan.nodes.map(() => plan.files.map(() => new Set<number>()));
    this.#came = plan.nodes.map(() => plan.files.map(() => new Map<number, Word>()));
  }

  /** Bytes of a shard came to a node. */
  moved(from: number, to: number, blob: number, shard: number): void {
    const node = this.#nodes[to] as SimNode;
    if (from === ORIGIN && node.plan.isFalseWitness === true) this.#forged[to]?.[blob]?.add(shard);
    const signer = from === ORIGIN ? undefined : this.#signerOf(from, blob, shard);
    if (signer !== undefined) node.vouched[blob]?.set(shard, signer);
    const came = this.#came[to]?.[blob] as Map<number, Word>;
    const word: Word = signer ?? "right";
    const before = came.get(shard);
    came.set(shard, before === undefined || before === word ? word : "mixed");
  }

  /** Nothing of the shard is left. */
  wiped(node: SimNode, blob: number, shard: number): void {
    node.vouched[blob]?.delete(shard);
    this.#came[node.index]?.[blob]?.delete(shard);
  }

  /** All bytes of a shard are there. */
  weigh(to: number, blob: number, shard: number): Weighed {
    const node = this.#nodes[to] as SimNode;
    const word = this.#came[to]?.[blob]?.get(shard) ?? "right";
    // Right bytes after wrong ones, or the other way round, match nobody's word.
    if (word === "mixed") return "corrupt";
    if (word === "right") return "believed";
    if (node.banned.has(word)) return "tainted";
    node.deceivedBy.add(word);
    return "believed";
  }

  /** Whose word wrong shards of a whole blob rest on, and which shards. */
  suspects(node: SimNode, blob: number): ReadonlyMap<NodeId, readonly number[]> {
    const suspects = new Map<NodeId, number[]>();
    for (const [shard, signer] of node.vouched[blob] ?? []) {
      suspects.set(signer, [...(suspects.get(signer) ?? []), shard]);
    }
    return suspects;
  }

  #signerOf(from: number, blob: number, shard: number): NodeId | undefined {
    const source = this.#nodes[from] as SimNode;
    return this.#forged[from]?.[blob]?.has(shard) === true ? source.id : source.vouched[blob]?.get(shard);
  }
}
