/** The libp2p node: listens, connects, stays connected, and stops promptly. Knows peers and streams, not what is said on them. */
import "./promise-with-resolvers.js";
import { type GossipSub, type GossipSubComponents, gossipsub } from "@chainsafe/libp2p-gossipsub";
import { noise } from "@chainsafe/libp2p-noise";
import { yamux } from "@chainsafe/libp2p-yamux";
import { type Identify, identify } from "@libp2p/identify";
import type { Connection, Libp2p, PeerDiscovery, PeerId, PeerInfo, PrivateKey, Stream } from "@libp2p/interface";
import type { MulticastDNSComponents } from "@libp2p/mdns";
import { type Ping, ping } from "@libp2p/ping";
import { preSharedKey } from "@libp2p/pnet";
import { tcp } from "@libp2p/tcp";
import type { Multiaddr } from "@multiformats/multiaddr";
import { type NodeId, parseNodeId, SwarmError } from "@swarmd/protocol";
import { GOSSIP_BYTES_MAX } from "@swarmd/protocol/wire";
import { createLibp2p } from "libp2p";
import type { Logger } from "../observe/logger.js";
import { Dialer, type DialerOptions } from "./dialer.js";
import { findHost } from "./peer-address.js";
import { PEER_PULSE, PeerPulse, type PeerPulseOptions } from "./peer-pulse.js";
import { isReachable } from "./reachability.js";

export interface P2pNodeOptions {
  /** TCP port; 0 for any. */
  readonly port: number;
  /** Addresses to listen on; default all, IPv4 and IPv6. */
  readonly hosts?: readonly string[];
  /** Addresses that are dialled as long as the node runs. */
  readonly peers: readonly Multiaddr[];
  /** Contents of a libp2p swarm key: who lacks it can't even shake hands. */
  readonly swarmKey?: Uint8Array;
  readonly dialer: DialerOptions;
  readonly pulse?: PeerPulseOptions;
}

/** Finds peers on the LAN; made by the discovery room. */
export interface LanDiscovery extends PeerDiscovery {
  /** Tells everybody that this node is there, and asks who else is. Called once, when it can be reached. */
  begin(): void;
  /** Asks where these peers are, which were there before. */
  seek(peers: readonly string[]): void;
  /** Asks again at once, over the interfaces that there are now. */
  refresh(): Promise<void>;
}

export type DiscoveryFactory = (components: MulticastDNSComponents) => LanDiscovery;

export interface P2pNodeDeps {
  readonly key: PrivateKey;
  readonly logger: Logger;
  readonly discovery?: DiscoveryFactory;
  /** A connection to a peer is open; there may be others, which the peer may hold for dead. */
  readonly onConnected: (peer: NodeId) => void;
  /** The last connection to a peer is closed. */
  readonly onDisconnected: (peer: NodeId) => void;
  /** Whether there is to be no connection with a peer. */
  readonly isBanned: (peer: NodeId) => boolean;
  /** Best first: which of a peer's hosts to dial. */
  readonly sortHosts: (hosts: readonly string[]) => readonly string[];
  /** A port of a peer at which a connection may be tried at little cost to it. */
  readonly findDoor: (peer: NodeId) => number | undefined;
  /** Whether a host is on a LAN of ours; undefined is a name. */
  readonly isNear: (host: string | undefined) => boolean;
}

/** Takes a stream that a peer opened. Whatever it throws cuts the stream. */
export type PeerStreamHandler = (peer: NodeId, stream: Stream) => Promise<void>;

/** More than any LAN has; two connections to a peer happen when both dial. */
const CONNECTIONS_MAX = 1_024;
/** When a whole rack is switched on, everybody comes at once; more of them than this wait for TCP to try again. */
const PENDING_MAX = 128;
/** New connections a second from one address: several nodes may share a host. */
const PER_HOST_PER_SECOND = 50;
/** Somebody who connects and says nothing is dropped after this. */
const HANDSHAKE_MS = 10_000;
const STREAM_OPEN_MS = 5_000;
/**
 * A program that hangs is noticed a timeout after this; a machine that is gone, much earlier: see `PeerPulse`. Every ping opens a stream, so
 * with many peers they are most of what a node at rest does.
 */
const PING_INTERVAL_MS = 60_000;
/** A peer under full load still answers in this time. */
const PING_TIMEOUT_MS = 10_000;
/** For a quiet peer's machine: a first packet that is lost is sent again after a second. */
const MACHINE_ANSWER_MS = 1_500;
/** For its program, if the machine said nothing: there are firewalls that leave us without an answer. */
const PROGRAM_ANSWER_MS = 2_000;
/** For one other address of a peer that is known to be there. */
const ELSEWHERE_MS = 3_000;
const PING_PROTOCOL = "/ipfs/ping/1.0.0";
/** How often peers are looked for that were lost; with many peers less often, for an answer to one is heard by all. */
const SEEK_MS = 3_000;
const SEEK_PER_PEER_MS = 300;
const STOP_MS = 3_000;
/** The node that has the greater id lets the other dial, for so long: else both do. */
const DIAL_COURTESY_MS = 1_000;
/** Streams of one kind that a peer may have open at a time. */
const STREAMS_PER_PROTOCOL = 32;

/**
 * How the gossip is tuned: the publisher sends to all it is connected to, over connections that lose nothing, and who is not connected to
 * it can't ask it for anything. So there is no mesh: in it every message would only be passed on to nodes that have it.
 */
const GOSSIP_OPTIONS = {
  globalSignaturePolicy: "StrictSign",
  allowPublishToZeroTopicPeers: true,
  floodPublish: true,
  // Would repair the mesh; nothing waits for it.
  heartbeatInterval: 10_000,
  mcacheLength: 3,
  mcacheGossip: 1,
  gossipFactor: 0,
  fallbackToFloodsub: false,
  D: 0,
  Dlo: 0,
  Dhi: 0,
  Dout: 0,
  Dscore: 0,
  Dlazy: 0,
  // A frame may carry several messages that were asked for.
  maxInboundDataLength: 8 * GOSSIP_BYTES_MAX,
  // A reader that is too slow loses messages, not our memory.
  maxOutboundBufferSize: 8 * GOSSIP_BYTES_MAX,
  // Several nodes on one machine are no attack, and a busy one no cheat; who cheats is banned by the engine.
  scoreParams: { IPColocationFactorWeight: 0, behaviourPenaltyWeight: 0 },
} as const;

type Services = { identify: Identify; ping: Ping; pubsub: GossipSub };

export class P2pNode {
  readonly #options: P2pNodeOptions;
  readonly #deps: P2pNodeDeps;
  readonly #dialer: Dialer;
  readonly #connected = new Map<NodeId, PeerId>();
  #libp2p: Libp2p<Services> | undefined;
  #discovery: LanDiscovery | undefined;
  readonly #pulse: PeerPulse<Connection>;
  #seeking: NodeJS.Timeout | undefined;
  /** Hosts whose connections are being moved. */
  readonly #dying = new Set<string>();

  constructor(options: P2pNodeOptions, deps: P2pNodeDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#dialer = new Dialer(options.dialer, {
      dial: (address, { signal }) => this.#dial(address, signal),
      isConnected: (peer) => this.#connected.has(peer),
      sort: (addresses) => this.#sort(addresses),
      isNear: (address) => deps.isNear(findHost(address)),
      logger: deps.logger,
    });
    this.#pulse = new PeerPulse(options.pulse ?? PEER_PULSE, {
      connections: () => this.#allConnections(),
      answers: (connection) => this.#answers(connection),
      cut: (connection) => connection.abort(new Error("nothing answers there any more")),
      nowMs: () => performance.now(),
    });
  }

  /** This node's name. @throws SwarmError INTERNAL before {@link start} */
  get id(): NodeId {
    return toNodeId(this.#node.peerId);
  }

  /** Where others can reach it, loopback only if there is nothing else. */
  get addresses(): readonly string[] {
    return this.#node.getMultiaddrs().map((address) => address.toString());
  }

  get pubsub(): GossipSub {
    return this.#node.services.pubsub;
  }

  /** Peers with an open connection. */
  get peers(): readonly NodeId[] {
    return [...this.#connected.keys()];
  }

  /** Listens, looks for peers and dials them. @throws SwarmError ADDRESS_IN_USE */
  async start(handlers: Readonly<Record<string, PeerStreamHandler>>): Promise<void> {
    this.#libp2p = await this.#create();
    this.#libp2p.addEventListener("connection:open", ({ detail }) => this.#onConnect(detail.remotePeer));
    this.#libp2p.addEventListener("peer:disconnect", ({ detail }) => this.#onDisconnect(detail));
    for (const [protocol, handler] of Object.entries(handlers)) await this.#handle(protocol, handler);
    try {
      await this.#libp2p.start();
    } catch (cause) {
      throw listenError(cause, this.#options.port);
    }
    this.#discovery?.begin();
    this.#pulse.start();
    this.#seekLater();
    for (const address of this.#options.peers) this.#dialer.name(address);
  }

  /** Closes everything within a few seconds, whatever hangs. */
  async stop(): Promise<void> {
    this.#dialer.stop();
    this.#pulse.stop();
    clearTimeout(this.#seeking);
    const libp2p = this.#libp2p;
    if (libp2p === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        this.#deps.logger.warn("connections to peers did not close in time; cutting them");
        for (const connection of libp2p.getConnections()) connection.abort(new Error("the node stops"));
        resolve();
      }, STOP_MS);
    });
    const clearLeftovers = leftoversOf(libp2p);
    await Promise.race([libp2p.stop(), deadline]);
    clearTimeout(timer);
    clearLeftovers();
  }

  isConnected(peer: NodeId): boolean {
    return this.#connected.has(peer);
  }

  /** How a peer is connected: remote addresses, for people. */
  connectionsOf(peer: NodeId): readonly string[] {
    return this.#connectionsOf(peer).map(({ remoteAddr }) => remoteAddr.toString());
  }

  /** Opens a stream on the connection there is. @throws SwarmError PEER_UNREACHABLE when there is none */
  async openStream(peer: NodeId, protocol: string, options: { readonly signal: AbortSignal }): Promise<Stream> {
    const connection = this.#newestTo(peer);
    if (connection === undefined) throw new SwarmError("PEER_UNREACHABLE", `there is no connection to ${peer}`);
    const signal = AbortSignal.any([options.signal, AbortSignal.timeout(STREAM_OPEN_MS)]);
    return connection.newStream(protocol, { signal, maxOutboundStreams: STREAMS_PER_PROTOCOL });
  }

  /** Names the connection on which {@link openStream} would open one now. */
  routeTo(peer: NodeId): string | undefined {
    return this.#newestTo(peer)?.id;
  }

  /** After a cut, an older one may be dead without knowing it. */
  #newestTo(peer: NodeId): Connection | undefined {
    const open = this.#connectionsOf(peer).filter(({ status }) => status === "open");
    return open.sort((a, b) => b.timeline.open - a.timeline.open)[0];
  }

  /** Dials an address for as long as the node runs. */
  reach(address: Multiaddr): void {
    this.#dialer.name(address);
  }

  /** Dials a peer where it is said to be, and gives up after a while. */
  find(peer: NodeId, addresses: readonly Multiaddr[]): void {
    if (peer === this.id || this.isBanned(peer)) return;
    this.#dialer.found(
      peer,
      addresses.map((address) => address.encapsulate(`/p2p/${peer}`)),
      0,
    );
  }

  /** Cuts what there is with a peer that was banned. */
  cut(peer: NodeId): void {
    this.#dialer.forget(peer);
    for (const connection of this.#connectionsOf(peer)) connection.abort(new Error("banned"));
  }

  isBanned(peer: NodeId): boolean {
    return this.#deps.isBanned(peer);
  }

  /** Whoever is not connected is looked for at once. */
  async lookAgain(): Promise<void> {
    this.#dialer.retryAll();
    await this.#discovery?.refresh();
  }

  /** A peer said goodbye: it is not dialled until it is found again. */
  forget(peer: NodeId): void {
    this.#dialer.forget(peer);
    for (const connection of this.#connectionsOf(peer)) void connection.close().catch(() => undefined);
  }

  /** A peer said something, so it is there. */
  heard(peer: NodeId): void {
    if (this.#connected.has(peer)) this.#pulse.heard(peer);
  }

  /**
   * Packets to this host vanish, though other addresses of the same peer answer. Its connections move to these: the new one is open before
   * the old one is cut, so that the peer is not lost meanwhile. Never rejects.
   */
  async hostDied(host: string): Promise<void> {
    // Each lane thread finds out by itself.
    if (this.#dying.has(host)) return;
    this.#dying.add(host);
    const dead = this.#allConnections().filter(({ connection }) => findHost(connection.remoteAddr) === host);
    await Promise.all(
      dead.map(async ({ peer, connection }) => {
        await this.#dialElsewhere(peer, host);
        connection.abort(new Error("its link is dead"));
      }),
    );
    this.#dying.delete(host);
  }

  /** Local addresses came or went: connections that lost theirs are cut, and everybody is looked for again. */
  async networkChanged(isCut: (remoteHost: string) => boolean): Promise<void> {
    for (const connection of this.#node.getConnections()) {
      const host = findHost(connection.remoteAddr);
      if (host !== undefined && isCut(host)) connection.abort(new Error("its network is gone"));
    }
    this.#dialer.retryAll();
    await this.#discovery?.refresh();
  }

  get #node(): Libp2p<Services> {
    if (this.#libp2p === undefined) throw new SwarmError("INTERNAL", "the libp2p node has not started");
    return this.#libp2p;
  }

  #create(): Promise<Libp2p<Services>> {
    const { key, discovery } = this.#deps;
    const { swarmKey } = this.#options;
    const isBanned = (peer: PeerId) => this.isBanned(toNodeId(peer));
    return createLibp2p<Services>({
      start: false,
      privateKey: key,
      addresses: { listen: listenAddresses(this.#options), announceFilter: dropLoopback },
      transports: [tcp({ inboundSocketInactivityTimeout: 4 * PING_INTERVAL_MS, socketCloseTimeout: 500 })],
      connectionEncrypters: [noise()],
      // Connections are pinged already, see below.
      streamMuxers: [yamux({ maxInboundStreams: 256, maxOutboundStreams: 256, enableKeepAlive: false })],
      ...(swarmKey === undefined
        ? {}
        : { connectionProtector: preSharedKey({ psk: swarmKey, timeout: HANDSHAKE_MS }) }),
      connectionManager: {
        maxConnections: CONNECTIONS_MAX,
        maxIncomingPendingConnections: PENDING_MAX,
        inboundConnectionThreshold: PER_HOST_PER_SECOND,
        inboundUpgradeTimeout: HANDSHAKE_MS,
        inboundStreamProtocolNegotiationTimeout: HANDSHAKE_MS,
        outboundStreamProtocolNegotiationTimeout: HANDSHAKE_MS,
        // Our own dialer does this, with patience.
        reconnectRetries: 0,
      },
      connectionMonitor: { pingInterval: PING_INTERVAL_MS, pingTimeout: { minTimeout: PING_TIMEOUT_MS } },
      connectionGater: { denyDialPeer: isBanned, denyInboundEncryptedConnection: isBanned },
      services: {
        identify: identify(),
        ping: ping(),
        pubsub: gossipsub(GOSSIP_OPTIONS) as (components: GossipSubComponents) => GossipSub,
        ...(discovery === undefined
          ? {}
          : { discovery: (components: MulticastDNSComponents) => this.#attach(discovery(components)) }),
      },
    });
  }

  #attach(discovery: LanDiscovery): LanDiscovery {
    this.#discovery = discovery;
    discovery.addEventListener("peer", ({ detail }) => this.#onFound(detail));
    return discovery;
  }

  #handle(protocol: string, handler: PeerStreamHandler): Promise<void> {
    return this.#node.handle(
      protocol,
      ({ stream, connection }) => {
        const peer = toNodeId(connection.remotePeer);
        handler(peer, stream).catch((error: Error) => {
          this.#deps.logger.debug({ peer, protocol, why: error.message }, "a peer's stream was cut");
          stream.abort(error);
        });
      },
      { maxInboundStreams: STREAMS_PER_PROTOCOL, maxOutboundStreams: STREAMS_PER_PROTOCOL },
    );
  }

  async #dial(address: Multiaddr, signal: AbortSignal): Promise<NodeId> {
    const { remotePeer } = await this.#node.dial(address, { signal });
    return toNodeId(remotePeer);
  }

  async #dialElsewhere(peer: NodeId, deadHost: string): Promise<void> {
    const others = this.#dialer.addressesOf(peer).filter((address) => findHost(address) !== deadHost);
    for (const address of this.#sort(others)) {
      try {
        await this.#node.dial(address, { signal: AbortSignal.timeout(ELSEWHERE_MS), force: true });
        return;
      } catch (error) {
        this.#deps.logger.debug({ peer, address: address.toString(), why: (error as Error).message }, "no answer");
      }
    }
  }

  /** Names, which have no IP address yet, go first: the user gave them. */
  #sort(addresses: readonly Multiaddr[]): readonly Multiaddr[] {
    const hosts = this.#deps.sortHosts(addresses.flatMap((address) => findHost(address) ?? []));
    const rank = (address: Multiaddr) => hosts.indexOf(findHost(address) ?? "");
    return [...addresses].sort((a, b) => rank(a) - rank(b));
  }

  /** Its addresses are kept even while it is connected: the connection may be lost. */
  #onFound({ id, multiaddrs }: PeerInfo): void {
    const peer = toNodeId(id);
    if (peer === this.id || this.isBanned(peer)) return;
    const addresses = multiaddrs.map((address) => address.encapsulate(`/p2p/${peer}`));
    this.#dialer.found(peer, addresses, this.id < peer ? 0 : DIAL_COURTESY_MS);
  }

  #onConnect(id: PeerId): void {
    const peer = toNodeId(id);
    this.#connected.set(peer, id);
    this.#pulse.heard(peer);
    this.#deps.onConnected(peer);
  }

  #onDisconnect(id: PeerId): void {
    const peer = toNodeId(id);
    if (!this.#connected.delete(peer)) return;
    this.#pulse.gone(peer);
    this.#deps.onDisconnected(peer);
    this.#dialer.lost(peer);
  }

  #allConnections() {
    return this.peers.flatMap((peer) => this.#connectionsOf(peer).map((connection) => ({ peer, connection })));
  }

  /** Its machine takes or refuses a TCP connection, which costs next to nothing; or else its program opens a stream. */
  async #answers(connection: Connection): Promise<boolean> {
    const { host, port } = connection.remoteAddr.toOptions();
    const door = this.#deps.findDoor(toNodeId(connection.remotePeer)) ?? port;
    if (await isReachable(host, door, MACHINE_ANSWER_MS)) return true;
    try {
      const stream = await connection.newStream(PING_PROTOCOL, { signal: AbortSignal.timeout(PROGRAM_ANSWER_MS) });
      await stream.close({ signal: AbortSignal.timeout(PROGRAM_ANSWER_MS) });
      return true;
    } catch {
      return false;
    }
  }

  /** Who was lost may be back, and may have waited long before it dials again: asking the LAN costs next to nothing. */
  #seekLater(): void {
    const afterMs = Math.max(SEEK_MS, SEEK_PER_PEER_MS * this.#connected.size) * (0.75 + Math.random() / 2);
    this.#seeking = setTimeout(() => {
      const lost = this.#dialer.lostPeers;
      if (lost.length > 0) this.#discovery?.seek(lost);
      this.#seekLater();
    }, afterMs);
    this.#seeking.unref();
  }

  #connectionsOf(peer: NodeId): readonly Connection[] {
    const id = this.#connected.get(peer);
    return id === undefined ? [] : this.#node.getConnections(id);
  }
}

/** The name of a peer in the words of the project. */
export function toNodeId(peer: PeerId): NodeId {
  return parseNodeId(peer.toString());
}

/** Two timers that outlive `stop()` and would hold the process for a second: gossip's heartbeat and a debounce of the addresses. */
function leftoversOf(libp2p: Libp2p<Services>): () => void {
  const { status } = libp2p.services.pubsub as unknown as { status: { heartbeatTimeout?: NodeJS.Timeout } };
  const { components } = libp2p as unknown as {
    components: { addressManager: { _updatePeerStoreAddresses?: { stop?(): void } } };
  };
  return () => {
    clearTimeout(status.heartbeatTimeout);
    components.addressManager._updatePeerStoreAddresses?.stop?.();
  };
}

function listenAddresses({ hosts, port }: P2pNodeOptions): string[] {
  // Where IPv6 is off, libp2p goes on with IPv4 alone.
  return (hosts ?? ["0.0.0.0", "::"]).map((host) => `/${host.includes(":") ? "ip6" : "ip4"}/${host}/tcp/${port}`);
}

/** On another machine, our loopback address leads to that machine itself. */
function dropLoopback(addresses: Multiaddr[]): Multiaddr[] {
  const others = addresses.filter((address) => !/^(?:127\.|::1$)/.test(address.nodeAddress().address));
  return others.length > 0 ? others : addresses;
}

function listenError(cause: unknown, port: number): SwarmError {
  const text =
    cause instanceof Error ? `${cause.message} ${JSON.stringify((cause as AggregateError).errors ?? "")}` : "";
  if (/EADDRINUSE/.test(text)) {
    return new SwarmError("ADDRESS_IN_USE", `libp2p can't listen: port ${port} is taken`, {
      cause,
      hint: "Choose another with --p2p-port, or 0 for any free one.",
    });
  }
  return new SwarmError("INTERNAL", `libp2p can't start: ${(cause as Error).message}`, { cause });
}
