/** What people and programs can order of a node and ask of it: the ports of the local API, carried out by the rooms. */
import { SwarmError, VERSION } from "@swarmd/protocol";
import type { NodeStatus } from "@swarmd/protocol/api";
import type { Commands, Views } from "./api/ports.js";
import type { NodeConfig } from "./config.js";
import type { Pulls } from "./pull/pulls.js";
import type { BlobStore } from "./store/blob-store.js";
import type { Verifier } from "./verify/verifier.js";

export function nodeCommands(deps: {
  readonly pulls: Pulls;
  readonly store: BlobStore;
  readonly verifier: Verifier;
}): Commands {
  return {
    pull: (request, onEvent, { signal }) => deps.pulls.run(request, onEvent, signal),
    remove: async () => {
      throw new SwarmError("INTERNAL", "x");
    },
    verify: async () => {
      throw new SwarmError("INTERNAL", "x");
    },
  };
}

export function nodeViews(config: NodeConfig, deps: { readonly pulls: Pulls; readonly store: BlobStore }): Views {
  const startedAt = new Date().toISOString();
  return {
    list: async () => {
      throw new SwarmError("INTERNAL", "x");
    },
    status: (): NodeStatus => ({
      version: VERSION,
      pid: process.pid,
      startedAt,
      cacheDir: config.cacheDir,
      stateDir: config.stateDir,
      endpoint: config.endpoint,
      workers: config.workers,
      rssBytes: process.memoryUsage.rss(),
      freeBytes: 0,
      pulls: deps.pulls.active,
      ...deps.pulls.totals,
    }),
  };
}
