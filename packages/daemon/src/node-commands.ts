/** What people and programs can order of a node, and ask of it: the ports of the local API, carried out by the rooms. */
import { VERSION } from "@swarmd/protocol";
import type { Commands, Views } from "./api/ports.js";
import type { NodeConfig } from "./config.js";
import type { Pulls } from "./pull/pulls.js";
import { auditCache } from "./store/audit.js";
import type { BlobStore } from "./store/blob-store.js";
import { listCache } from "./store/listing.js";
import { removeFromCache } from "./store/removal.js";
import type { Verifier } from "./verify/verifier.js";

export interface NodeRooms {
  readonly pulls: Pulls;
  readonly store: BlobStore;
  readonly verifier: Verifier;
}

export function nodeCommands({ pulls, store, verifier }: NodeRooms): Commands {
  return {
    pull: (request, onEvent, { signal }) => pulls.run(request, onEvent, signal),
    remove: (request, options) => removeFromCache(store, request, options),
    verify: (request, onEvent, { signal }) =>
      auditCache(store, (path, blob, options) => verifier.verifyBlobOnDisk(path, blob, options), {
        ...request,
        onEvent,
        signal,
      }),
  };
}

/** Peers, for those who ask. */
export interface PeerList {
  readonly id: string;
  readonly addresses: readonly string[];
  readonly peers: readonly {
    readonly id: string;
    readonly routes: readonly { readonly link: string; readonly class: string; readonly why: string }[];
  }[];
}

export function nodeViews(
  config: NodeConfig,
  { pulls, store, swarm }: Pick<NodeRooms, "pulls" | "store"> & { readonly swarm: PeerList | undefined },
): Views {
  const startedAt = new Date().toISOString();
  const { cacheDir, stateDir, endpoint, workers } = config;
  return {
    list: (options) => listCache(store, options),
    status: async () => ({
      version: VERSION,
      pid: process.pid,
      startedAt,
      cacheDir,
      stateDir,
      endpoint,
      workers,
      rssBytes: process.memoryUsage.rss(),
      freeBytes: await store.freeBytes(),
      pulls: pulls.active,
      self: swarm === undefined ? null : { id: swarm.id, addresses: swarm.addresses },
      peers: (swarm?.peers ?? []).map(({ id, routes }) => ({
        id,
        links: routes.map(({ link, class: linkClass, why }) => ({ link, class: linkClass, why })),
      })),
      ...pulls.totals,
    }),
  };
}
