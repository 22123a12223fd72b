/**
 * The half of a node that deals with peers: network, lanes and serving, joined to the pump. A node with `--no-peer` has none of it.
 */
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { type NodeId, SwarmError, VERSION } from "@swarmd/protocol";
import type { BannedPeer, PeerStatus } from "@swarmd/protocol/api";
import { LIBP2P_LINK, OPEN_CLUSTER, SHARD_PROTOCOL } from "@swarmd/protocol/wire";
import { fromWire, toWire } from "./announce/wire-form.js";
import type { NodeConfig } from "./config.js";
import type { Announcement } from "./core/catalog/announcement.js";
import type { Input } from "./core/messages.js";
import { MDNS_DEFAULTS, mdnsDiscovery } from "./discovery/mdns-discovery.js";
import type { Logger } from "./observe/logger.js";
import type { EvidenceDesk } from "./serve/evidence-desk.js";
import type { Admit } from "./serve/ports.js";
import { Serve } from "./serve/serve.js";
import type { BlobStore } from "./store/blob-store.js";
import { type PeerList, viewPeer } from "./swarm-views.js";
import { countSource } from "./transfer/counted-source.js";
import { limitSource } from "./transfer/limited-source.js";
import type { FileSource, LaneOpener, RangeSource } from "./transfer/ports.js";
import { DirectLaneClient } from "./transport/lanes/direct-lane-client.js";
import { LaneChoice } from "./transport/lanes/lane-choice.js";
import { LaneHost } from "./transport/lanes/lane-host.js";
import { LIBP2P_LANE_DEFAULTS, Libp2pLane } from "./transport/lanes/libp2p-lane.js";
import { RateLimit } from "./transport/lanes/rate-limit.js";
import { LinkTraffic } from "./transport/links/link-traffic.js";
import { PeerNetwork } from "./transport/peer-network.js";

export interface SwarmDeps {
  readonly store: BlobStore;
  readonly logger: Logger;
  /** The engine decides who is served. */
  readonly admit: Admit;
  /** Tells peers what shards rest on. */
  readonly desk: EvidenceDesk;
  /** What happens among the peers goes to the engine. */
  readonly push: (input: Input) => void;
}

export class Swarm implements LaneOpener, PeerList {
  readonly name = "swarm";
  readonly uploadLimit: RateLimit;
  readonly downloadLimit: RateLimit;
  readonly #deps: SwarmDeps;
  readonly #serve: Serve;
  readonly #host: LaneHost;
  /** For peers whose direct lane can't be reached: over the connection that there is. */
  readonly #libp2pLane: Libp2pLane;
  readonly #config: NodeConfig;
  readonly #traffic = new LinkTraffic();
  #network: PeerNetwork | undefined;
  #client: DirectLaneClient | undefined;
  #lanes: LaneOpener | undefined;

  constructor(config: NodeConfig, deps: SwarmDeps) {
    const { admit, store } = deps;
    this.#config = config;
    this.#deps = deps;
    this.uploadLimit = RateLimit.of(config.maxUploadBytesPerS);
    this.downloadLimit = RateLimit.of(config.maxDownloadBytesPerS);
    const reader = { open: (blob: Parameters<BlobStore["openBlob"]>[0]) => store.openBlob(blob) };
    this.#serve = new Serve({}, { admit, reader, limit: this.uploadLimit });
    this.#host = new LaneHost(
      { port: config.lanePort, encrypt: "auto" },
      { handler: this.#serve, nowMs: () => performance.now() },
    );
    this.#libp2pLane = new Libp2pLane(LIBP2P_LANE_DEFAULTS, {
      handler: this.#serve,
      openStream: (...args) => this.#started.openStream(...args),
    });
  }

  /** Serves, listens and looks for peers. @throws SwarmError ADDRESS_IN_USE, STORE_FAULT, USAGE */
  async start(): Promise<void> {
    await this.#host.start();
    try {
      this.#network = this.#makeNetwork(this.#host.port);
      await this.#network.start();
    } catch (error) {
      await this.#host.stop();
      throw error;
    }
    const { tickets, routes } = this.#network;
    const direct = new DirectLaneClient(
      {},
      {
        tickets,
        routes,
        downloadLimit: this.downloadLimit,
        nowMs: () => performance.now(),
        onDelivery: (delivery) => this.#traffic.note(delivery),
      },
    );
    this.#client = direct;
    this.#lanes = new LaneChoice({ direct, stream: (peer) => this.#stream(peer) });
  }

  /** Says goodbye; what is being sent breaks off. */
  async stop(): Promise<void> {
    this.#serve.stop();
    await this.#libp2pLane.stop();
    await this.#network?.stop();
    await this.#client?.stop();
    await this.#host.stop();
  }

  get id(): NodeId {
    return this.#started.id;
  }

  /** Multiaddresses, ending in the node's id: what others name with `--peer`. */
  get addresses(): readonly string[] {
    return this.#started.addresses;
  }

  /** Those that are up. */
  get peers(): readonly PeerStatus[] {
    return this.#started.peers.map((peer) => viewPeer(peer, this.#traffic, (id) => this.#serve.sentBytesTo(id)));
  }

  /** Those that this node has nothing to do with any more. */
  get banned(): readonly BannedPeer[] {
    return this.#started.banned.map(({ id, why, times, untilMs }) => {
      return { id, why, times, leftMs: Math.max(0, untilMs - Date.now()) };
    });
  }

  /** Bytes per second of the best interface; what nobody knows counts as a gigabit. */
  get capacityBytesPerS(): number {
    return Math.max(...this.#started.lanes.map(({ speedBytesPerS }) => speedBytesPerS), GIGABIT);
  }

  open(peer: NodeId, link: string): RangeSource | FileSource {
    if (this.#lanes === undefined) throw new SwarmError("INTERNAL", "the swarm has not started");
    return this.#lanes.open(peer, link);
  }

  announce(record: Announcement): void {
    this.#started.announce(toWire(record));
  }

  tell(peer: NodeId, record: Announcement): void {
    this.#started.tell(peer, toWire(record));
  }

  /** Lifts a ban. @throws SwarmError USAGE when there is none */
  unban(peer: NodeId): void {
    if (this.#started.unban(peer)) return;
    throw new SwarmError("USAGE", `${peer} is not banned`, { hint: "swarm peers shows who is." });
  }

  /** Asks a peer what a shard rests on. @throws SwarmError PEER_* or INTERRUPTED */
  ask(...args: Parameters<PeerNetwork["askEvidence"]>): ReturnType<PeerNetwork["askEvidence"]> {
    return this.#started.askEvidence(...args);
  }

  /** Signs as this node. */
  readonly sign = (bytes: Uint8Array): Promise<Uint8Array> => this.#started.sign(bytes);

  isBanned(peer: NodeId): boolean {
    return this.#started.isBanned(peer);
  }

  ban(peer: NodeId, why: string): void {
    void this.#host.revoke(peer);
    this.#started.ban(peer, why);
  }

  stopServing(request: number): void {
    this.#serve.stopServing(request);
  }

  /** What a peer sends over its libp2p connection: limited and counted as on the direct lane. */
  #stream(peer: NodeId): RangeSource {
    const source = limitSource(this.#libp2pLane.source(peer), this.downloadLimit);
    return countSource(source, ({ bytes, elapsedMs }) => {
      const endedMs = performance.now();
      this.#traffic.note({ peer, link: LIBP2P_LINK, bytes, startedMs: endedMs - elapsedMs, endedMs });
    });
  }

  #makeNetwork(lanePort: number): PeerNetwork {
    const { stateDir, p2pPort, peers, mdns, links } = this.#config;
    const { logger, push } = this.#deps;
    const cluster = OPEN_CLUSTER;
    return new PeerNetwork(
      {
        keyPath: join(stateDir, "node.key"),
        port: p2pPort,
        peers,
        cluster,
        lanePort,
        linkOverrides: links,
        agent: `swarmd/${VERSION}`,
      },
      {
        logger,
        desk: this.#deps.desk,
        handlers: { [SHARD_PROTOCOL]: this.#libp2pLane.take },
        ...(mdns ? { discovery: mdnsDiscovery({ ...MDNS_DEFAULTS, cluster }) } : {}),
        onAddressesGone: (hosts) => this.#client?.addressesGone(hosts),
        // Only public blobs are announced and served; private ones wait for clusters.
        tickets: { issue: (peer, blob) => this.#host.grant(peer, blob, { isPrivate: false }) },
        events: {
          peerUp: (peer, routes) => push({ type: "peer-up", peer, links: routes }),
          peerDown: (peer) => push({ type: "peer-down", peer }),
          pardoned: (peer) => push({ type: "pardon", peer }),
          heard: (peer, record) => push({ type: "heard", peer, record: fromWire(record) }),
        },
      },
    );
  }

  get #started(): PeerNetwork {
    if (this.#network === undefined) throw new SwarmError("INTERNAL", "the swarm has not started");
    return this.#network;
  }
}

const GIGABIT = 125_000_000;
