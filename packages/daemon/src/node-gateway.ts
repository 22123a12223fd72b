/** The gateway of a node, joined to the rooms that it speaks for. */
import { performance } from "node:perf_hooks";
import type { NodeConfig } from "./config.js";
import { makeGateway } from "./gateway/gateway.js";
import type { GatewayServer } from "./gateway/gateway-server.js";
import { ResponseOutlets } from "./gateway-outlets.js";
import type { NodeFaces } from "./node-faces.js";
import type { Logger } from "./observe/logger.js";
import type { Origin } from "./origin/origin.js";
import { FileDemands } from "./pull/file-demands.js";
import type { Anchors, CacheKeeper, RepoMembers } from "./pull/ports.js";
import type { Pulls } from "./pull/pulls.js";
import type { Pump } from "./pump.js";
import type { BlobStore } from "./store/blob-store.js";
import type { VisibilityRecords } from "./store/visibility-records.js";

export interface GatewayRooms {
  readonly origin: Origin;
  readonly store: BlobStore;
  readonly visibility: VisibilityRecords;
  readonly members: RepoMembers;
  readonly proofs: Anchors;
  readonly pump: Pump;
  readonly pulls: Pulls;
  readonly keeper: CacheKeeper;
  readonly faces: NodeFaces;
  readonly logger: Logger;
  /** Somebody waits from now on, until the returned function is called. */
  readonly onWait: () => () => void;
}

export interface NodeGateway {
  /** Where it listens. */
  readonly host: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** @returns `undefined` where the gateway is switched off. @throws SwarmError ADDRESS_IN_USE */
export async function openGateway(config: NodeConfig, rooms: GatewayRooms): Promise<NodeGateway | undefined> {
  const { gateway: where, endpoint, offline, token, workers, noPeer } = config;
  if (where === undefined) return undefined;
  const { origin, store, visibility, members, proofs, pump, pulls, keeper, faces, logger, onWait } = rooms;
  const demands = new FileDemands(
    { workers, noPeer, offline },
    {
      store,
      locators: origin.sources,
      anchors: proofs,
      wants: pump,
      keeper,
      newPull: () => pulls.newId(),
      onWait,
      onFetched: (sources) => pulls.count(sources),
    },
  );
  const server: GatewayServer = makeGateway(
    { ...where, endpoint, isOffline: offline, hubToken: token },
    {
      upstream: origin.relay,
      lists: {
        tree: (repo, commit, callerToken, options) =>
          (callerToken === undefined ? origin.hub : origin.hubFor(callerToken)).tree(repo, commit, options),
      },
      visibility,
      members,
      store,
      demands: {
        take: (wanted) => {
          const isPrivate = wanted.isOwn ? faces.isForMembers(wanted.repo) : wanted.isPrivate;
          // Whoever brings the node's own token needs no other.
          return demands.take({ ...wanted, isPrivate, token: wanted.token === token ? undefined : wanted.token });
        },
      },
      faces: faces.plain(pump),
      own: { find: (repo, revision) => faces.findOwn(repo, revision) },
      focus: pump,
      uses: keeper,
      outlets: await ResponseOutlets.make(),
      logger,
      nowMs: () => performance.now(),
    },
  );
  await server.start();
  return {
    host: where.host,
    port: server.port,
    async stop() {
      await server.stop();
      demands.stop();
    },
  };
}
