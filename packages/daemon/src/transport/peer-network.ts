/**
 * All of a node's dealings with its peers, behind one face.
 *
 * *purpose:* joins libp2p node, gossip, state exchange, control and links. *in:* announcements to publish, tickets to ask for.
 * *out:* {@link PeerEvents}. *never:* decides; touches blobs.
 */
import { networkInterfaces } from "node:os";
import { dirname, join } from "node:path";
import type { PrivateKey, Stream } from "@libp2p/interface";
import type { MulticastDNSComponents } from "@libp2p/mdns";
import { type BlobId, type NodeId, SwarmError } from "@swarmd/protocol";
import {
  type EvidenceAnswer,
  type Hello,
  type LaneAddress,
  LIBP2P_LINK,
  type LinkClass,
  type PeerNews,
  PROTOCOL_VERSION,
  STATE_PROTOCOL,
  TALK_PROTOCOL,
  type WireAnnouncement,
} from "@swarmd/protocol/wire";
import type { Logger } from "../observe/logger.js";
import { type Ban, BanList } from "./ban-list.js";
import { Control } from "./control.js";
import { DIALER_OPTIONS } from "./dialer.js";
import { type EvidenceDesk, EvidenceExchange } from "./evidence-exchange.js";
import { GATHER_MS, Gossip } from "./gossip.js";
import type { LaneRoutes, TicketSource } from "./lanes/ports.js";
import { InterfaceWatch, POLL_MS } from "./links/interface-watch.js";
import { readInterfaces } from "./links/interfaces.js";
import type { LocalInterface } from "./links/link-class.js";
import { multicastHosts } from "./links/multicast-hosts.js";
import { findNear, sortHosts } from "./links/routes.js";
import { loadNodeKey } from "./node-key.js";
import { type LanDiscovery, P2pNode, type PeerStreamHandler } from "./p2p-node.js";
import { parsePeerAddress } from "./peer-address.js";
import { type BookedPeer, PeerBook } from "./peer-book.js";
import type { PeerEvents, TicketOffice, TicketTerms } from "./ports.js";
import { type ShelfDesk, ShelfTalk } from "./shelf-talk.js";
import { StateExchange } from "./state-exchange.js";
import { Talks } from "./talks.js";

export interface PeerNetworkOptions {
  /** File of the node's key, in the state folder. The bans lie beside it. */
  readonly keyPath: string;
  readonly port: number;
  /** Addresses to listen on; default all. */
  readonly hosts?: readonly string[];
  /** `--peer`, as typed. */
  readonly peers: readonly string[];
  /** Name of the cluster, {@link OPEN_CLUSTER} without one. */
  readonly cluster: string;
  readonly swarmKey?: Uint8Array;
  /** Port of this node's direct lane; undefined when it serves nobody on it. */
  readonly lanePort: number | undefined;
  /** `--link`. */
  readonly linkOverrides: ReadonlyMap<string, LinkClass>;
  /** Name and version of the program. */
  readonly agent: string;
  /** How often interfaces are looked at, in ms. */
  readonly pollMs?: number;
}

export interface PeerNetworkDeps {
  readonly events: PeerEvents;
  readonly tickets: TicketOffice;
  /** Tells peers what shards rest on; without one, nobody is told. */
  readonly desk?: EvidenceDesk;
  /** What this node says when it asks for a ticket; by itself, nothing. */
  readonly terms?: (blob: BlobId) => TicketTerms;
  /** Makes what finds peers on the LAN. `hosts`: one IPv4 address of each interface to look on, as of now. */
  readonly discovery?: (components: MulticastDNSComponents, hosts: () => readonly string[]) => LanDiscovery;
  /** Addresses, this node's or a peer's, went away: whoever talks over them would not notice for a long time. */
  readonly onAddressesGone?: (hosts: readonly string[]) => void;
  /** Takes streams of further protocols: the libp2p lane. */
  readonly handlers?: Readonly<Record<string, PeerStreamHandler>>;
  /** Says which repos this node has, and hears of others'. */
  readonly shelf?: ShelfDesk;
  readonly logger: Logger;
}

/** A peer, for `swarm peers`. */
export interface PeerView extends BookedPeer {
  /** Remote addresses of the libp2p connections to it. */
  readonly connections: readonly string[];
}

/** Goodbyes have so long to leave before everything is closed. */
const BYE_MS = 500;

const BANS_NAME = "bans.json";
const NO_DESK: EvidenceDesk = {
  // biome-ignore lint/correctness/useYield: there is nothing to tell.
  async *answers() {
    throw new SwarmError("PEER_DENIED", "this node tells nobody");
  },
};

export class PeerNetwork {
  readonly name = "peer-network";
  readonly #options: PeerNetworkOptions;
  readonly #deps: PeerNetworkDeps;
  readonly #book = new PeerBook();
  readonly #watch: InterfaceWatch;
  readonly #state: StateExchange;
  readonly #control: Control;
  readonly #evidence: EvidenceExchange;
  readonly #talks: Talks;
  #key: PrivateKey | undefined;
  /** Absent on a node that keeps no shelf. */
  readonly shelf: ShelfTalk | undefined;
  #node: P2pNode | undefined;
  #gossip: Gossip | undefined;
  /** By the clock on the wall, so that it rises over restarts too. */
  #revision = Date.now();
  #bans: BanList | undefined;
  #banTimer: NodeJS.Timeout | undefined;
  #isStopping = false;

  constructor(options: PeerNetworkOptions, deps: PeerNetworkDeps) {
    this.#options = options;
    this.#deps = deps;
    const openStream: P2pNode["openStream"] = (peer, protocol, opts) => this.#p2p.openStream(peer, protocol, opts);
    this.#state = new StateExchange({
      openStream,
      heard: (peer, news) => this.#heard(peer, news),
      logger: deps.logger,
    });
    this.#talks = new Talks({
      openStream,
      routeTo: (peer) => this.#p2p.routeTo(peer),
      desks: {
        ticket: (...question) => this.#control.answer(...question),
        evidence: (...question) => this.#evidence.answer(...question),
      },
    });
    this.#control = new Control({ talks: this.#talks, tickets: deps.tickets });
    this.#evidence = new EvidenceExchange({ talks: this.#talks, desk: deps.desk ?? NO_DESK });
    const { shelf: desk, logger } = deps;
    const isBanned = (peer: NodeId) => this.#p2p.isBanned(peer);
    if (desk !== undefined) {
      this.shelf = new ShelfTalk({ cluster: options.cluster }, { openStream, desk, isBanned, logger });
    }
    this.#watch = new InterfaceWatch(
      { pollMs: options.pollMs ?? POLL_MS },
      {
        peek: () => JSON.stringify(networkInterfaces()),
        read: () => readInterfaces({ overrides: options.linkOverrides }),
        onChange: (now, before) => this.#networkChanged(now, before),
        onFailure: (err) => deps.logger.warn({ err }, "the network interfaces can't be read"),
      },
    );
  }

  /** Listens and looks for peers. @throws SwarmError ADDRESS_IN_USE, STORE_FAULT, USAGE */
  async start(): Promise<void> {
    const { keyPath, port, hosts, peers, cluster, swarmKey } = this.#options;
    const { logger, discovery, handlers = {}, events } = this.#deps;
    await this.#watch.start();
    this.#book.setInterfaces(this.#watch.interfaces);
    this.#key = await loadNodeKey(keyPath);
    const bans = await BanList.load(join(dirname(keyPath), BANS_NAME), {
      wallMs: () => Date.now(),
      onFault: (err) => logger.warn({ err }, "the list of banned peers can't be written"),
    });
    this.#bans = bans;
    this.#awaitBanEnd();
    const node = new P2pNode(
      {
        port,
        ...(hosts === undefined ? {} : { hosts }),
        peers: peers.map(parsePeerAddress),
        ...(swarmKey === undefined ? {} : { swarmKey }),
        dialer: DIALER_OPTIONS,
      },
      {
        key: this.#key,
        logger,
        ...(discovery === undefined ? {} : { discovery: (components) => discovery(components, this.#lanHosts) }),
        onConnected: (peer) => void this.#state.tell(peer, this.#news()),
        onDisconnected: (peer) => this.#drop(peer),
        isBanned: (peer) => bans.isBanned(peer),
        sortHosts: (all) => sortHosts(this.#watch.interfaces, all),
        findDoor: (peer) => this.#book.find(peer)?.hello.lanes[0]?.port,
        isNear: (host) => host !== undefined && findNear(this.#watch.interfaces, host) !== undefined,
      },
    );
    this.#node = node;
    await node.start({
      [STATE_PROTOCOL]: (peer, stream) => this.#state.take(peer, stream),
      [TALK_PROTOCOL]: (peer, stream) => this.#talks.take(peer, stream),
      ...this.shelf?.handlers,
      ...handlers,
    });
    this.shelf?.start(node.pubsub, node.id);
    this.#gossip = new Gossip(
      { cluster, gatherMs: GATHER_MS },
      {
        pubsub: node.pubsub,
        self: node.id,
        peers: () => node.peers,
        tell: (peer, records) => void this.#state.tell(peer, { records, bye: false }),
        heard: (peer, record) => {
          node.heard(peer);
          events.heard(peer, record);
        },
        isBanned: (peer) => node.isBanned(peer),
        logger,
      },
    );
    this.#gossip.start();
  }

  /** Says goodbye and closes everything. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#watch.stop();
    clearTimeout(this.#banTimer);
    await this.#bans?.flush();
    if (this.#node === undefined) return;
    this.#gossip?.stop();
    const goodbyes = Promise.all(this.#node.peers.map((peer) => this.#state.tell(peer, { records: [], bye: true })));
    await withDeadline(goodbyes, BYE_MS);
    this.#state.stop();
    this.#control.stop();
    this.#evidence.stop();
    this.#talks.stop();
    this.shelf?.stop();
    await this.#node.stop();
  }

  /** This node's name. @throws SwarmError INTERNAL before {@link start} */
  get id(): NodeId {
    return this.#p2p.id;
  }

  /** Where others reach this node's libp2p, as multiaddrs. */
  get addresses(): readonly string[] {
    return this.#p2p.addresses;
  }

  get interfaces(): readonly LocalInterface[] {
    return this.#watch.interfaces;
  }

  /** The lane addresses that this node tells others. */
  get lanes(): readonly LaneAddress[] {
    const { lanePort } = this.#options;
    if (lanePort === undefined) return [];
    return this.#watch.interfaces.flatMap((one) =>
      one.addresses.map(({ host, prefixBits }) => {
        return { host, port: lanePort, class: one.class, speedBytesPerS: one.speedBytesPerS, prefixBits };
      }),
    );
  }

  /** Peers that are up. */
  get peers(): readonly PeerView[] {
    return this.#book.peers.map((peer) => ({ ...peer, connections: this.#p2p.connectionsOf(peer.id) }));
  }

  /** Dials an address for as long as the node runs, as `--peer` does. @throws SwarmError USAGE */
  reach(address: string): void {
    this.#p2p.reach(parsePeerAddress(address));
  }

  /** Dials a peer where it is said to be, as if it had been found there. */
  find(peer: NodeId, addresses: readonly string[]): void {
    if (!this.#isStopping) this.#p2p.find(peer, addresses.map(parsePeerAddress));
  }

  /** To all peers, soon. */
  announce(record: WireAnnouncement): void {
    if (!this.#isStopping) this.#gossip?.announce(record);
  }

  /** To one peer, over a stream. */
  tell(peer: NodeId, record: WireAnnouncement): void {
    if (!this.#isStopping) void this.#state.tell(peer, { records: [record], bye: false });
  }

  /** Have nothing more to do with a peer for a while. */
  ban(peer: NodeId, why: string): void {
    const ban = this.#bans?.add(peer, why);
    this.#deps.logger.warn({ peer, why, until: ban && new Date(ban.untilMs).toISOString() }, "banned a peer");
    this.#p2p.cut(peer);
    this.#drop(peer);
    this.#awaitBanEnd();
  }

  /** Lifts a ban. @returns whether there was one */
  unban(peer: NodeId): boolean {
    if (this.#bans?.lift(peer) !== true) return false;
    this.#deps.logger.info({ peer }, "a ban was lifted");
    this.#pardon([peer]);
    return true;
  }

  /** Peers that are banned now. */
  get banned(): readonly Ban[] {
    return this.#bans?.inForce ?? [];
  }

  #pardon(peers: readonly NodeId[]): void {
    for (const peer of peers) this.#deps.events.pardoned?.(peer);
    void this.#p2p.lookAgain().catch((err: unknown) => this.#deps.logger.debug({ err }, "could not look for peers"));
    this.#awaitBanEnd();
  }

  /** Whose ban has ended may come back. */
  #awaitBanEnd(): void {
    clearTimeout(this.#banTimer);
    const next = this.#bans?.inForce[0];
    if (next === undefined || this.#isStopping) return;
    const over = () => this.#pardon([next.id]);
    this.#banTimer = setTimeout(over, Math.max(0, next.untilMs - Date.now()) + 1).unref();
  }

  isBanned(peer: NodeId): boolean {
    return this.#bans?.isBanned(peer) ?? false;
  }

  /** Signs as this node. */
  async sign(bytes: Uint8Array): Promise<Uint8Array> {
    if (this.#key === undefined) throw new SwarmError("INTERNAL", "the peer network has not started");
    return this.#key.sign(bytes);
  }

  /** Asks a peer what a shard rests on. @throws SwarmError PEER_UNREACHABLE, PEER_STALLED, PEER_FAULT, INTERRUPTED */
  askEvidence(...args: Parameters<EvidenceExchange["ask"]>): Promise<EvidenceAnswer> {
    return this.#evidence.ask(...args);
  }

  /** Asks a peer for the proofs that it has of several shards. @throws SwarmError as {@link askEvidence} does */
  askProofs(...args: Parameters<EvidenceExchange["askMany"]>): Promise<void> {
    return this.#evidence.askMany(...args);
  }

  /** Asks peers for tickets to their direct lanes. */
  get tickets(): TicketSource {
    const { terms = () => ({ encrypted: false, hasAccess: false }) } = this.#deps;
    return { get: (peer, blob, { signal }) => this.#control.ticket(peer, blob, { signal, ...terms(blob) }) };
  }

  /** Knows where the direct lanes of peers are. The libp2p lane has no address: it is the connection that there is. */
  get routes(): LaneRoutes {
    return {
      addresses: (peer, link) => {
        const routes = (this.#book.find(peer)?.routes ?? []).filter((route) => route.link !== LIBP2P_LINK);
        if (link === LIBP2P_LINK) return [];
        return [...routes.filter((route) => route.link === link), ...routes.filter((route) => route.link !== link)];
      },
    };
  }

  /** Opens a stream to a connected peer. @throws SwarmError PEER_UNREACHABLE */
  openStream(peer: NodeId, protocol: string, options: { readonly signal: AbortSignal }): Promise<Stream> {
    return this.#p2p.openStream(peer, protocol, options);
  }

  /** Packets to this host of a peer vanish, while others of its addresses answer. */
  hostDied(host: string): void {
    if (!this.#isStopping) void this.#node?.hostDied(host);
  }

  readonly #lanHosts = () => multicastHosts(this.#watch.interfaces);

  #news(): PeerNews {
    return { hello: this.#hello(), records: [], bye: false };
  }

  #hello(): Hello {
    const { agent } = this.#options;
    return { protocolVersion: PROTOCOL_VERSION, revision: this.#revision, agent, lanes: this.lanes };
  }

  #heard(peer: NodeId, { hello, records, bye }: PeerNews): void {
    if (this.#isStopping || this.#p2p.isBanned(peer)) return;
    this.#p2p.heard(peer);
    if (hello !== undefined) this.#meet(peer, hello);
    for (const record of records) this.#deps.events.heard(peer, record);
    if (!bye) return;
    this.#drop(peer);
    this.#p2p.forget(peer);
  }

  #meet(peer: NodeId, hello: Hello): void {
    if (hello.protocolVersion !== PROTOCOL_VERSION) {
      const { protocolVersion, agent } = hello;
      this.#deps.logger.warn(
        { peer, agent, protocolVersion },
        "a peer speaks another version of the protocol; ignored",
      );
      this.#p2p.forget(peer);
      return;
    }
    // A stream may outlive its connection by a moment.
    if (!this.#p2p.isConnected(peer)) return;
    const before = this.#book.find(peer)?.hello.lanes ?? [];
    const booked = this.#book.note(peer, hello);
    if (booked !== undefined) this.#tellGone(before, hello.lanes);
    if (booked !== undefined) this.#deps.events.peerUp(peer, booked.routes);
  }

  #tellGone(before: readonly { readonly host: string }[], now: readonly { readonly host: string }[]): void {
    const there = new Set(now.map(({ host }) => host));
    const gone = before.map(({ host }) => host).filter((host) => !there.has(host));
    if (gone.length > 0) this.#deps.onAddressesGone?.(gone);
  }

  #drop(peer: NodeId): void {
    this.#state.dropped(peer);
    if (this.#book.drop(peer) && !this.#isStopping) this.#deps.events.peerDown(peer);
  }

  /** Everybody hears of our new addresses; connections over lost ones are cut and made anew. */
  async #networkChanged(now: readonly LocalInterface[], before: readonly LocalInterface[]): Promise<void> {
    const names = (all: readonly LocalInterface[]) => all.map(({ name }) => name).join(", ") || "none";
    this.#deps.logger.info(`network interfaces changed: ${names(before)} -> ${names(now)}`);
    this.#revision = Math.max(Date.now(), this.#revision + 1);
    for (const { id, routes } of this.#book.setInterfaces(now)) this.#deps.events.peerUp(id, routes);
    const hosts = (all: readonly LocalInterface[]) => all.flatMap(({ addresses }) => addresses);
    this.#tellGone(hosts(before), hosts(now));
    if (this.#node === undefined || this.#isStopping) return;
    const isCut = (host: string) => findNear(before, host) !== undefined && findNear(now, host) === undefined;
    await this.#node.networkChanged(isCut);
    for (const peer of this.#node.peers) void this.#state.tell(peer, this.#news());
  }

  get #p2p(): P2pNode {
    if (this.#node === undefined) throw new SwarmError("INTERNAL", "the peer network has not started");
    return this.#node;
  }
}

function withDeadline(work: Promise<unknown>, deadlineMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, deadlineMs);
    void work.finally(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
