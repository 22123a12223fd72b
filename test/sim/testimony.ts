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

export class Testimony {
  /** Nobody bears false witness: nothing to keep books about. */
  readonly isNeeded: boolean;
  readonly #nodes: readonly SimNode[];
  /** Per node and blob: shards that a false witness took from the origin. */
  readonly #forged: readonly (readonly Set<number>[])[];

  constructor(plan: Plan, nodes: readonly SimNode[]) {
    this.isNeeded = plan.nodes.some((node) => node.isFalseWitness === true);
    this.#nodes = nodes;
    this.#forged = plan.nodes.map(() => plan.files.map(() => new Set<number>()));
  }

  /** Bytes of a shard came to a node. */
  moved(from: number, to: number, blob: number, shard: number): void {
    const node = this.#nodes[to] as SimNode;
    if (from === ORIGIN) {
      if (node.plan.isFalseWitness === true) this.#forged[to]?.[blob]?.add(shard);
      return;
    }
    const signer = this.#signerOf(from, blob, shard);
    if (signer !== undefined) node.vouched[blob]?.set(shard, signer);
  }

  /** All bytes of a shard are there, the last of them from this source. */
  weigh(from: number, to: number, blob: number, shard: number): Weighed {
    const node = this.#nodes[to] as SimNode;
    const signer = from === ORIGIN ? undefined : this.#signerOf(from, blob, shard);
    // Right bytes after wrong ones, or the other way round, match nobody's word.
    if (node.vouched[blob]?.get(shard) !== signer) return "corrupt";
    if (signer === undefined) return "believed";
    if (node.banned.has(signer)) return "tainted";
    node.deceivedBy.add(signer);
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
