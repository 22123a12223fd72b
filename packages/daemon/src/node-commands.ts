/** What people and programs can order of a node, and ask of it: the ports of the local API, carried out by the rooms. */
import { type NodeId, parseNodeId, SwarmError, VERSION } from "@swarmd/protocol";
import type { Commands, Views } from "./api/ports.js";
import type { Cluster } from "./cluster/cluster.js";
import type { NodeConfig } from "./config.js";
import type { Health } from "./health.js";
import type { NodeBackground } from "./node-background.js";
import type { NodeFaces } from "./node-faces.js";
import { annotate, keeperCommands, keeperCounts, type NodeKeeper } from "./node-keeper.js";
import { changeLimits, type Rates } from "./node-limits.js";
import type { Proofs } from "./proofs.js";
import type { Pulls } from "./pull/pulls.js";
import { auditCache } from "./store/audit.js";
import type { BlobStore } from "./store/blob-store.js";
import { listCache } from "./store/listing.js";
import { removeFromCache } from "./store/removal.js";
import type { PeerList } from "./swarm-views.js";
import type { Verifier } from "./verify/verifier.js";

export interface NodeRooms {
  readonly pulls: Pulls;
  readonly store: BlobStore;
  readonly verifier: Verifier;
  readonly proofs: Proofs;
  readonly faces: NodeFaces;
  readonly rates: Rates;
  readonly cluster: Cluster;
  readonly swarm: (PeerList & { unban(peer: NodeId): void }) | undefined;
  readonly kept: NodeKeeper;
  readonly health: Health;
  readonly unattended: NodeBackground;
}

export function nodeCommands({
  pulls,
  store,
  verifier,
  faces,
  proofs,
  rates,
  cluster,
  swarm,
  kept,
  health,
  unattended,
}: NodeRooms): Commands {
  const { background } = unattended;
  return {
    cluster,
    ...keeperCommands(kept),
    collect: ({ dryRun = false }, { signal }) => kept.keeper.collect({ dryRun, isFresh: true, signal }),
    limit: (request) => changeLimits(rates, request),
    unban: ({ node }) => {
      if (swarm === undefined) throw new SwarmError("USAGE", "this node goes without peers, so it has banned nobody");
      swarm.unban(parseNodeId(node));
      return { banned: swarm.banned };
    },
    diff: (request, { signal }) => pulls.diff(request, signal),
    pull: (request, onEvent, { signal }) => {
      const run = () => pulls.run(request, onEvent, signal);
      return request.dryRun === true ? run() : unattended.attended(run);
    },
    pullLater: (request) => background.add(request),
    cancel: (request) => background.cancel(request),
    prefetch: (request) => background.prefetch(request),
    stopPrefetch: (request) => background.stopPrefetch(request),
    watch: (request, onEvent, { signal }) => background.watch(request, onEvent, signal),
    add: (request, onEvent, options) => faces.add(request, onEvent, options),
    register: (request) => faces.register(request),
    async remove(request, options) {
      const result = await removeFromCache(store, request, options);
      if (request.dryRun !== true) await faces.removed(result);
      return result;
    },
    verify: (request, onEvent, { signal }) =>
      auditCache(store, (path, blob, options) => verifier.verifyBlobOnDisk(path, blob, options), {
        ...request,
        onEvent,
        mendFile: (file) => health.mend(file, signal),
        canProve: (blob) => proofs.canProve(blob),
        signal,
      }),
  };
}

export function nodeViews(
  config: NodeConfig,
  {
    pulls,
    store,
    faces,
    swarm,
    gateway,
    kept,
    unattended,
  }: Pick<NodeRooms, "pulls" | "store" | "faces" | "swarm" | "kept" | "unattended"> & {
    readonly gateway: { readonly host: string; readonly port: number } | undefined;
  },
): Views {
  const startedAt = new Date().toISOString();
  const { cacheDir, stateDir, endpoint, workers } = config;
  return {
    pins: () => ({ pins: kept.pins.pins }),
    list: async (options) => faces.withPublishers(annotate(await listCache(store, options), kept.keeper)),
    manifest: (request, options) => faces.manifest(request, options),
    locate: (request) => faces.locate(request),
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
      gateway: gateway === undefined ? null : urlOf(gateway),
      peers: swarm?.peers ?? [],
      banned: swarm?.banned ?? [],
      ...pulls.totals,
      background: unattended.background.status,
      cacheDecisions: keeperCounts(kept.keeper),
    }),
  };
}

/** How programs of this machine reach it; the wildcard is no address. */
function urlOf({ host, port }: { readonly host: string; readonly port: number }): string {
  const name = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `http://${name.includes(":") ? `[${name}]` : name}:${port}`;
}
