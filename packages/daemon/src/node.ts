/** One node: builds the rooms, joins them, starts them in order and stops them in reverse. */
import { performance } from "node:perf_hooks";
import { SHARD_BYTES, VERSION } from "@swarmd/protocol";
import type { NodeConfig } from "./config.js";
import { Engine } from "./core/engine.js";
import type { RunningNode } from "./host.js";
import { nodeCommands, nodeViews } from "./node-commands.js";
import type { EventLog } from "./observe/events.js";
import { Origin, type OriginOptions } from "./origin/origin.js";
import { Pulls } from "./pull/pulls.js";
import { type Clock, Pump } from "./pump.js";
import { BlobStore } from "./store/blob-store.js";
import { Transfers } from "./transfer/transfers.js";
import { FileDigests } from "./verify/file-digest.js";
import { loadBlake3 } from "./verify/shard-hasher.js";
import { Verifier } from "./verify/verifier.js";

export interface NodeOptions {
  readonly events: EventLog;
  /** Tests run time faster and lose patience sooner. */
  readonly clock?: Clock;
  readonly origin?: Partial<OriginOptions>;
}

const systemClock: Clock = {
  nowMs: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

/** Starts a node. @throws SwarmError STORE_FAULT, NO_SPACE when its folders can't be used */
export async function startNode(config: NodeConfig, options: NodeOptions): Promise<RunningNode> {
  const { events, clock = systemClock } = options;
  const { cacheDir, stateDir, endpoint, token, workers } = config;

  // verify: the only room that calls bytes right.
  const { createShardHasher } = await loadBlake3();
  const digests = new FileDigests();
  const verifier = new Verifier({ digests });

  // store: where bytes end up.
  const store = new BlobStore({ cacheDir, stateDir }, { createShardHasher, events });
  await store.start();

  // origin: where they come from.
  const origin = new Origin({ endpoint, token, workers, version: VERSION, ...options.origin }, { events });

  // core decides, the pump carries out, transfer moves.
  const engine = new Engine({ random: Math.random, shardBytes: SHARD_BYTES, originRequests: workers });
  const transfers = new Transfers({ newHasher: createShardHasher, report: (report) => pump.push(report) });
  const pump: Pump = new Pump({ engine, store, transfers, verifier, originSource: origin.sources, events, clock });

  // pull: what people ask for.
  const pulls = new Pulls(config, {
    origin: origin.hub,
    files: origin.urls,
    store,
    locators: origin.sources,
    wants: pump,
    nowMs: () => performance.now(),
  });

  const adopting = new AbortController();
  const adopted = store.adopt({ signal: adopting.signal }).catch(() => undefined);
  return {
    commands: nodeCommands({ pulls, store, verifier }),
    views: nodeViews(config, { pulls, store }),
    async stop() {
      adopting.abort();
      await pump.stop();
      await origin.stop();
      await adopted;
      await store.stop();
      await digests.stop();
    },
  };
}
