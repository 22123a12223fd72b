/** Eight nodes with a cache each: alone, sharing but each for itself, and looking after the copies of the whole LAN. */
import { SimCache } from "./sim-cache.js";
import type { Trace } from "./traces.js";

/** `separate`: nobody knows of anybody. `blind`: a miss is looked for at the others, but each evicts by its own use. */
export type Togetherness = "separate" | "blind" | "aware";

export interface LanReplayed {
  readonly requests: number;
  /** In the node's own cache. */
  readonly localHits: number;
  /** In another node's. */
  readonly lanHits: number;
}

export interface LanOptions {
  readonly nodes: number;
  readonly models: number;
  readonly slots: number;
  readonly requestsPerNode: number;
  readonly seed: number;
}

export function replayLan(trace: Trace, togetherness: Togetherness, options: LanOptions): LanReplayed {
  const { nodes, models, slots, requestsPerNode, seed } = options;
  const caches: SimCache[] = [];
  const copiesBeside = (self: number) => (model: number) =>
    caches.reduce((sum, cache, node) => sum + Number(node !== self && cache.has(model)), 0);
  for (let node = 0; node < nodes; node += 1) {
    caches.push(
      new SimCache({
        policy: "lru",
        bounds: { maxBytes: slots },
        sizeOf: () => 1,
        ...(togetherness === "aware" ? { copiesElsewhere: copiesBeside(node) } : {}),
      }),
    );
  }
  // What is popular is the same for all; who asks for what when is not.
  const streams = caches.map((_, node) =>
    trace.make({ seed: seed + 7 * node, tasteSeed: seed, requests: requestsPerNode, models }),
  );
  let [localHits, lanHits] = [0, 0];
  for (let at = 0; at < requestsPerNode; at += 1) {
    for (const [node, cache] of caches.entries()) {
      const request = streams[node]?.[at];
      if (request === undefined) continue;
      const { model } = request;
      if (cache.has(model)) {
        localHits += 1;
        cache.touch(model, request.atMs);
        continue;
      }
      if (togetherness !== "separate" && copiesBeside(node)(model) > 0) lanHits += 1;
      cache.admit(model, request.atMs);
    }
  }
  return { requests: nodes * requestsPerNode, localHits, lanHits };
}
