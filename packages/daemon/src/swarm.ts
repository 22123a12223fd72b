/**
 * The half of a node that deals with peers: network, lanes and serving, joined to the pump. A node with `--no-peer` has none of it.
 */
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { type BlobId, type NodeId, SwarmError, toSwarmError, VERSION } from "@swarmd/protocol";
import type { BannedPeer, PeerStatus } from "@swarmd/protocol/api";
import {
  COPIES_PROTOCOL,
  type CopiesRequest,
  type CopiesResponse,
  LIBP2P_LINK,
  MEMBER_PROTOCOL,
  type MemberRequest,
  type MemberResponse,
  OPEN_CLUSTER,
  SHARD_PROTOCOL,
  type ShelfNews,
} from "@swarmd/protocol/wire";
import { fromWire, toWire } from "./announce/wire-form.js";
import type { ClusterKey, MemberAnswer } from "./cluster/ports.js";
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
import { CopiesTalk } from "./transport/copies-talk.js";
import { DirectLaneClient } from "./transport/lanes/direct-lane-client.js";
import { LaneChoice } from "./transport/lanes/lane-choice.js";
import { LaneHost } from "./transport/lanes/lane-host.js";
import { LIBP2P_LANE_DEFAULTS, Libp2pLane } from "./transport/lanes/libp2p-lane.js";
import { RateLimit } from "./transport/lanes/rate-limit.js";
import { LinkTraffic } from "./transport/links/link-traffic.js";
import { MemberTalk } from "./transport/member-talk.js";
import { PeerNetwork } from "./transport/peer-network.js";
import type { ShelfDesk, ShelfTalk } from "./transport/shelf-talk.js";

export interface SwarmDeps {
  readonly store: BlobStore;
  readonly logger: Logger;
  /** The engine decides who is served. */
  readonly admit: Admit;
  /** Tells peers what shards rest on. */
  readonly desk: EvidenceDesk;
  /** What happens among the peers goes to the engine. */
  readonly push: (input: Input) => void;
  /** Whether a blob is for members only; undefined for one that this node has nothing to do with. */
  readonly isPrivate: (blob: BlobId) => boolean | undefined;
  /** Whether this node's own token opens a private blob that it is pulling. */
  readonly hasAccess: (blob: BlobId) => boolean;
  /** Answers members of the cluster. */
  readonly answer: (peer: NodeId, request: MemberRequest) => Promise<MemberAnswer>;
  /** Answers any peer about copies. */
  readonly answerAboutCopies: (peer: NodeId, request: CopiesRequest) => Promise<CopiesResponse>;
  /** Hears of other nodes' repos, and answers for this node's. */
  readonly shelf: ShelfDesk;
}

export class Swarm implements LaneOpener, PeerList {
  readonly name = "swarm";
  readonly uploadLimit: RateLimit;
  readonly downloadLimit: RateLimit;
  readonly #deps: SwarmDeps;
  readonly #config: NodeConfig;
  readonly #traffic = new LinkTraffic();
  #serve!: Serve;
  #host!: LaneHost;
  /** For peers whose direct lane can't be reached: over the connection that there is. */
  #libp2pLane!: Libp2pLane;
  #talk!: MemberTalk;
  #copiesTalk!: CopiesTalk;
  /** The cluster it belongs to; `undefined` in open mode. */
  #cluster: ClusterKey | undefined;
  #firstRequest = 1;
  /** A free port that was picked once is kept: others remember it. */
  #ports: { readonly p2p: number; readonly lane: number };
  #network: PeerNetwork | undefined;
  #client: DirectLaneClient | undefined;
  #lanes: LaneOpener | undefined;

  constructor(config: NodeConfig, cluster: ClusterKey | undefined, deps: SwarmDeps) {
    this.#config = config;
    this.#cluster = cluster;
    this.#deps = deps;
    this.#ports = { p2p: config.p2pPort, lane: config.lanePort };
    this.uploadLimit = RateLimit.of(config.maxUploadBytesPerS);
    this.downloadLimit = RateLimit.of(config.maxDownloadBytesPerS);
    this.#makeParts();
  }

  #makeParts(): void {
    const { admit, store, answer } = this.#deps;
    const config = this.#config;
    const reader = { open: (blob: Parameters<BlobStore["openBlob"]>[0]) => store.openBlob(blob) };
    this.#serve = new Serve({ firstRequest: this.#firstRequest }, { admit, reader, limit: this.uploadLimit });
    this.#host = new LaneHost(
      { port: this.#ports.lane, encrypt: config.encrypt },
      { handler: this.#serve, nowMs: () => performance.now() },
    );
    this.#libp2pLane = new Libp2pLane(LIBP2P_LANE_DEFAULTS, {
      handler: this.#serve,
      openStream: (...args) => this.#started.openStream(...args),
    });
    const openStream: PeerNetwork["openStream"] = (...args) => this.#started.openStream(...args);
    this.#talk = new MemberTalk({ answer, openStream });
    this.#copiesTalk = new CopiesTalk({ answer: this.#deps.answerAboutCopies, openStream });
  }

  /**
   * Leaves all peers, and starts anew among those who have this key, or in open mode. What was under way with peers breaks off; the
   * engine goes on with others, or with the origin.
   *
   * @throws SwarmError ADDRESS_IN_USE, STORE_FAULT, USAGE: then this node is without peers
   */
  async switchTo(cluster: ClusterKey | undefined): Promise<void> {
    const { push } = this.#deps;
    const before = this.connected;
    await this.stop();
    for (const peer of before) push({ type: "peer-down", peer });
    push({ type: "sharing", sharing: cluster?.shareGated ?? "nobody" });
    this.#cluster = cluster;
    this.#firstRequest += REQUESTS_PER_START;
    this.#makeParts();
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.start();
      } catch (error) {
        // The ports were ours a moment ago.
        if (tries === BIND_TRIES || toSwarmError(error).code !== "ADDRESS_IN_USE") throw error;
        await delay(BIND_AGAIN_MS);
        if (tries === BIND_TRIES - 1) this.#ports = { p2p: this.#config.p2pPort, lane: this.#config.lanePort };
        this.#makeParts();
      }
    }
  }

  /** Serves, listens and looks for peers. @throws SwarmError ADDRESS_IN_USE, STORE_FAULT, USAGE */
  async start(): Promise<void> {
    await this.#host.start();
    if (this.#cluster !== undefined) this.#host.prepareEncrypted();
    try {
      this.#network = this.#makeNetwork(this.#host.port);
      await this.#network.start();
    } catch (error) {
      await this.#host.stop();
      throw error;
    }
    this.#ports = { p2p: portOf(this.addresses[0]) ?? this.#ports.p2p, lane: this.#host.port };
    const { tickets, routes } = this.#network;
    const direct = new DirectLaneClient(
      {},
      {
        tickets,
        routes,
        downloadLimit: this.downloadLimit,
        nowMs: () => performance.now(),
        onDelivery: (delivery) => this.#traffic.note(delivery),
        onDeadHost: (host) => this.#network?.hostDied(host),
      },
    );
    this.#client = direct;
    this.#lanes = new LaneChoice({ direct, stream: (peer) => this.#stream(peer) });
  }

  /** Starts what a transfer needs, before there is one. */
  prepare(): void {
    this.#client?.prepare();
  }

  /** Says goodbye; what is being sent breaks off. */
  async stop(): Promise<void> {
    this.#serve.stop();
    await this.#libp2pLane.stop();
    this.#talk.stop();
    this.#copiesTalk.stop();
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

  /** Public name of the cluster among whose nodes it is now. */
  get runsWith(): string | undefined {
    return this.#cluster?.publicName;
  }

  /** Who can be reached now. */
  get connected(): readonly NodeId[] {
    return this.#started.peers.map(({ id }) => id);
  }

  /** Dials a peer where it is said to be. */
  find(peer: NodeId, addresses: readonly string[]): void {
    this.#started.find(peer, addresses);
  }

  /** Asks a member of the cluster. @throws SwarmError PEER_*, INTERRUPTED */
  askMember(peer: NodeId, request: MemberRequest, options: { readonly signal: AbortSignal }): Promise<MemberResponse> {
    return this.#talk.ask(peer, request, options);
  }

  /** Asks any peer about copies. @throws SwarmError PEER_*, INTERRUPTED */
  askAboutCopies(
    peer: NodeId,
    request: CopiesRequest,
    options: { readonly signal: AbortSignal },
  ): Promise<CopiesResponse> {
    return this.#copiesTalk.ask(peer, request, options);
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

  /** Asks a peer for the proofs that it has of several shards. @throws SwarmError PEER_* or INTERRUPTED */
  askProofs(...args: Parameters<PeerNetwork["askProofs"]>): Promise<void> {
    return this.#started.askProofs(...args);
  }

  /** Signs as this node. */
  readonly sign = (bytes: Uint8Array): Promise<Uint8Array> => this.#started.sign(bytes);

  isBanned(peer: NodeId): boolean {
    return this.#started.isBanned(peer);
  }

  /** Among whom it is now: the public name of the cluster's present key, or of the open swarm. */
  get place(): string {
    return this.#cluster?.publicName ?? OPEN_CLUSTER;
  }

  /** Tells everybody of repos that came or went here. */
  announceShelf(news: ShelfNews): void {
    this.#network?.shelf?.announce(news);
  }

  /** Tells one peer which repos this node has. */
  tellShelf(peer: NodeId, news: readonly ShelfNews[]): void {
    void this.#network?.shelf?.tell(peer, news);
  }

  /** Asks a peer for the file list of a publication. @throws SwarmError PEER_*, INTERRUPTED */
  askFileList(...args: Parameters<ShelfTalk["askList"]>): Promise<Uint8Array> {
    const { shelf } = this.#started;
    if (shelf === undefined) throw new SwarmError("INTERNAL", "this node keeps no shelf");
    return shelf.askList(...args);
  }

  /** Small ranges from a peer, straight into memory, checked by nobody. */
  rangesOf(peer: NodeId): RangeSource {
    return this.#stream(peer);
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
    const { stateDir, peers, mdns, links, encrypt } = this.#config;
    const { logger, push, isPrivate, hasAccess, shelf } = this.#deps;
    const cluster = this.#cluster?.publicName ?? OPEN_CLUSTER;
    const isOpen = this.#cluster === undefined;
    return new PeerNetwork(
      {
        keyPath: join(stateDir, "node.key"),
        port: this.#ports.p2p,
        peers,
        cluster,
        ...(this.#cluster === undefined ? {} : { swarmKey: this.#cluster.swarmKey }),
        lanePort,
        linkOverrides: links,
        agent: `swarmd/${VERSION}`,
      },
      {
        logger,
        desk: this.#deps.desk,
        shelf,
        handlers: {
          [SHARD_PROTOCOL]: this.#libp2pLane.take,
          [COPIES_PROTOCOL]: this.#copiesTalk.take,
          ...(isOpen ? {} : { [MEMBER_PROTOCOL]: this.#talk.take }),
        },
        ...(mdns ? { discovery: mdnsDiscovery({ ...MDNS_DEFAULTS, cluster }) } : {}),
        onAddressesGone: (hosts) => this.#client?.addressesGone(hosts),
        // In open mode nothing private is served. In a cluster, what nobody can tell is private.
        tickets: {
          issue: (peer, blob, { encrypted, hasAccess }) => {
            if (hasAccess) push({ type: "claim", peer, blob });
            return this.#host.grant(peer, blob, { isPrivate: encrypted || (!isOpen && isPrivate(blob) !== false) });
          },
        },
        terms: (blob) => ({
          encrypted: encrypt === "always" || isPrivate(blob) === true,
          hasAccess: !isOpen && hasAccess(blob),
        }),
        events: {
          peerUp: (peer, routes) => push({ type: "peer-up", peer, links: routes }),
          peerDown: (peer) => push({ type: "peer-down", peer }),
          pardoned: (peer) => push({ type: "pardon", peer }),
          heard: (peer, record) => this.#heard(peer, fromWire(record)),
        },
      },
    );
  }

  #heard(peer: NodeId, record: Announcement): void {
    const { logger, push } = this.#deps;
    push({ type: "heard", peer, record });
    if (record.blobs.length === 0 || !logger.isLevelEnabled("debug")) return;
    const blobs = record.blobs.slice(0, LOGGED_BLOBS).map(({ blob, holds }) => `${blob} ${holds.kind}`);
    logger.debug({ peer, blobs, count: record.blobs.length }, "a peer said what it has");
  }

  get #started(): PeerNetwork {
    if (this.#network === undefined) throw new SwarmError("INTERNAL", "the swarm has not started");
    return this.#network;
  }
}

/** Of a multiaddr. */
function portOf(address: string | undefined): number | undefined {
  const port = /\/tcp\/(\d+)/.exec(address ?? "")?.[1];
  return port === undefined ? undefined : Number(port);
}

/** A log is read by people. */
const LOGGED_BLOBS = 16;
const GIGABIT = 125_000_000;
/** More than one start ever answers: requests of different starts have different names. */
const REQUESTS_PER_START = 2 ** 40;
const BIND_TRIES = 10;
const BIND_AGAIN_MS = 200;
