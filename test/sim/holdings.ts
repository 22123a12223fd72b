/** What every node's store holds, in columns: millions of steps read it. */
import type { Plan } from "./scenario.js";

export class Holdings {
  /** Bytes from the start of a shard that are there, per node and shard; see {@link indexOf}. */
  readonly watermarks: Float64Array;
  readonly #plan: Plan;
  readonly #firstOf: readonly number[];
  readonly #perNode: number;
  readonly #isComplete: Uint8Array;

  constructor(plan: Plan) {
    this.#plan = plan;
    let shards = 0;
    this.#firstOf = plan.files.map((size) => {
      const first = shards;
      shards += Math.ceil(size / plan.shardBytes);
      return first;
    });
    this.#perNode = shards;
    this.watermarks = new Float64Array(shards * plan.nodes.length);
    this.#isComplete = new Uint8Array(plan.files.length * plan.nodes.length);
    for (const [index, node] of plan.nodes.entries()) {
      if (node.isSeed === true) for (const blob of plan.files.keys()) this.complete(index, blob);
    }
  }

  /** Of a shard's watermark. */
  indexOf(node: number, blob: number, shard: number): number {
    return node * this.#perNode + (this.#firstOf[blob] as number) + shard;
  }

  /** The blob is in the node's cache. */
  complete(node: number, blob: number): void {
    this.#isComplete[node * this.#plan.files.length + blob] = 1;
  }

  isComplete(node: number, blob: number): boolean {
    return this.#isComplete[node * this.#plan.files.length + blob] === 1;
  }
}
