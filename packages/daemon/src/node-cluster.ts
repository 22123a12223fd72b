/** The cluster room of a node, joined to the rest of it: the swarm's half, the store, the origin's word on what is private. */
import { stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { type CommitId, isCommitId, type NodeId, type RepoRef, SwarmError } from "@swarmd/protocol";
import { Cluster } from "./cluster/cluster.js";
import { MemberManifests } from "./cluster/member-manifests.js";
import type { ClusterNetwork, RepoShelf } from "./cluster/ports.js";
import type { NodeConfig } from "./config.js";
import type { Logger } from "./observe/logger.js";
import type { RepoMembers } from "./pull/ports.js";
import type { BlobStore } from "./store/blob-store.js";
import { refPath, repoPath } from "./store/cache-layout.js";
import type { VisibilityRecords } from "./store/visibility-records.js";
import type { Swarm } from "./swarm.js";

export interface NodeClusterDeps {
  readonly store: BlobStore;
  readonly logger: Logger;
  readonly visibility: VisibilityRecords;
  /** Absent on a node that goes without peers, and before it has started. */
  readonly swarm: () => Swarm | undefined;
  /** Whether a repo of the cache came from a node: that is told by its publisher's signature, not by a member's word. */
  readonly isPublished: (repo: RepoRef) => Promise<boolean>;
}

export interface NodeCluster {
  readonly cluster: Cluster;
  /** For pulls. */
  readonly members: RepoMembers;
}

/** Reads the membership of this node. @throws SwarmError STORE_FAULT */
export async function openCluster(config: NodeConfig, deps: NodeClusterDeps): Promise<NodeCluster> {
  const { stateDir } = config;
  const network = networkOf(deps.swarm);
  let self: Promise<NodeId> | undefined;
  const loadSelf = async () => {
    const { loadNodeId } = await import("./transport/node-key.js");
    return loadNodeId(join(stateDir, "node.key"));
  };
  const cluster = new Cluster(
    { stateDir, hostName: hostname(), hasPeers: !config.noPeer },
    {
      network,
      beacon: {
        announce: async (tag, port, id) => {
          if (!config.mdns) return async () => undefined;
          const { announcePairing } = await import("./discovery/pairing-beacon.js");
          return announcePairing(tag, port, id);
        },
        look: async function* (tag, options) {
          const { lookForPairing } = await import("./discovery/pairing-beacon.js");
          yield* lookForPairing(tag, options);
        },
      },
      shelf: shelfOf(deps),
      self: () => {
        self ??= loadSelf();
        return self;
      },
      nowMs: () => Date.now(),
      logger: deps.logger,
    },
  );
  await cluster.load();
  const manifests = new MemberManifests({
    ask: network.ask,
    get connected() {
      return cluster.reachable;
    },
  });
  return {
    cluster,
    members: {
      get areThere() {
        return cluster.reachable.length > 0;
      },
      get shareGated() {
        return cluster.key?.shareGated === "members";
      },
      resolve: (repo, revision, options) => manifests.resolve(repo, revision, options),
      files: (repo, commit, options) => manifests.files(repo, commit, options),
    },
  };
}

function networkOf(swarm: () => Swarm | undefined): ClusterNetwork {
  const get = () => swarm();
  return {
    switchTo: async (key) => get()?.switchTo(key),
    get runsWith() {
      return get()?.runsWith;
    },
    get connected() {
      return get()?.connected ?? [];
    },
    get addresses() {
      return (get()?.addresses ?? []).map((address) => address.replace(/\/p2p\/.*$/, ""));
    },
    find: (member, addresses) => get()?.find(member, addresses),
    ask: async (member, request, options) => {
      const running = get();
      if (running !== undefined) return running.askMember(member, request, options);
      throw new SwarmError("PEER_UNREACHABLE", "this node goes without peers");
    },
  };
}

function shelfOf({ store, visibility, isPublished }: NodeClusterDeps): RepoShelf {
  /** By what the origin last said; where it said nothing, it is. */
  const isPrivate = async (repo: RepoRef) => {
    const known = await visibility.find(repo);
    return known === undefined || known.isPrivate || known.isGated;
  };
  return {
    isPrivate,
    files: (repo, commit) => store.readTree(repo, commit),
    resolve: async (repo, revision) => {
      if (await isPublished(repo)) return undefined;
      if (isCommitId(revision)) {
        const asked: CommitId = revision;
        const isKnown = (await store.readTree(repo, asked)) !== undefined;
        return isKnown ? { commit: asked, isPrivate: await isPrivate(repo), ageMs: 0 } : undefined;
      }
      const commit = await store.readRef(repo, revision);
      const written = await stat(refPath(repoPath(store.cacheDir, repo), revision)).catch(() => undefined);
      if (commit === undefined || written === undefined) return undefined;
      return { commit, isPrivate: await isPrivate(repo), ageMs: Math.max(0, Math.round(Date.now() - written.mtimeMs)) };
    },
  };
}
