/**
 * Peers of the same cluster on the same LAN, by multicast DNS, with nothing to configure.
 *
 * *purpose:* find peers. *in:* datagrams to 224.0.0.251:5353, on every interface of the LAN. *out:* `peer` events with a peer's id and
 * addresses; whether they are true, the handshake shows. *never:* connects.
 *
 * What questions and answers say is libp2p's; when they are sent and by which interfaces is ours. A node that comes up says so once and asks;
 * a question names those who need not answer (RFC 6762, 7.1), and many questions get one answer. So a rack that is switched on causes about as many
 * datagrams as it has nodes, not their cube.
 */
import { randomBytes } from "node:crypto";
import { type PeerDiscoveryEvents, type PeerInfo, TypedEventEmitter } from "@libp2p/interface";
import { type MulticastDNSComponents, mdns } from "@libp2p/mdns";
import { serviceTag } from "@swarmd/protocol/wire";
import { type Answer, AUTHORITATIVE_ANSWER, type DecodedPacket, decode, encode } from "dns-packet";
import { KnownPeers } from "./known-peers.js";
import { MulticastSocket } from "./multicast-socket.js";

export interface MdnsOptions {
  /** Name of the cluster; each has a service of its own, so that strangers don't answer each other. */
  readonly cluster: string;
  /** When to ask after the beginning, in ms from then. Datagrams get lost. */
  readonly askAtMs: readonly number[];
  /** How often to ask from then on. Newcomers announce themselves, so seldom. */
  readonly intervalMs: number;
  /** Between two answers of this node: who asks meanwhile gets the next one. */
  readonly answerGapMs: number;
  /** Of all who want to hear each other; 5353 if left out. Tests have one of their own. */
  readonly port?: number;
}

export const MDNS_DEFAULTS: Omit<MdnsOptions, "cluster"> = {
  askAtMs: [0, 400, 1_500, 5_000],
  intervalMs: 300_000,
  answerGapMs: 200,
};

const GROUP = "224.0.0.251";
const PORT = 5_353;
/** Bytes of names in a question, so that it stays one Ethernet frame. Whoever is not named answers once more than it had to. */
const KNOWN_BYTES_MAX = 1_200;
/** Of a node that has more addresses than these, the rest is not tried. */
const ADDRESSES_MAX = 32;
/** What a record holds beside its two names. */
const RECORD_BYTES = 14;
/** Not everybody answers in the same instant: RFC 6762, 6. */
const ANSWER_SPREAD_MS = 50;
/** For how long what was said holds, as libp2p says it. */
const TTL_S = 120;

/** What of `@libp2p/mdns` is used: it makes answers and reads them; sending and receiving is done here. */
interface MdnsLibrary {
  mdns: { respond(answers: Answer[]): void } | undefined;
  _onMdnsQuery(packet: DecodedPacket): void;
  _onMdnsResponse(packet: DecodedPacket): void;
  addEventListener(type: "peer", listener: (event: CustomEvent<PeerInfo>) => void): void;
}

/** One IPv4 address of each interface to look on, as of now. */
export type LanHosts = () => readonly string[];

/** For libp2p's `services`: it is started and stopped with the node. */
export function mdnsDiscovery(
  options: MdnsOptions,
): (components: MulticastDNSComponents, hosts: LanHosts) => MdnsDiscovery {
  return (components, hosts) => new MdnsDiscovery(options, { components, hosts });
}

export interface MdnsDeps {
  readonly components: MulticastDNSComponents;
  readonly hosts: LanHosts;
}

export class MdnsDiscovery extends TypedEventEmitter<PeerDiscoveryEvents> {
  readonly [Symbol.toStringTag] = "@swarmd/mdns-discovery";
  readonly #options: MdnsOptions;
  readonly #tag: string;
  /** Another one after each start, so that who knows the last run is answered. */
  readonly #instance: string;
  readonly #library: MdnsLibrary;
  readonly #socket: MulticastSocket;
  readonly #known = new KnownPeers<PeerInfo>();
  #found: PeerInfo | undefined;
  #timers: NodeJS.Timeout[] = [];
  #answer: NodeJS.Timeout | undefined;
  #answeredMs = Number.NEGATIVE_INFINITY;
  #isRunning = false;
  /** Starts and stops happen one after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: MdnsOptions, { components, hosts }: MdnsDeps) {
    super();
    this.#options = options;
    this.#tag = serviceTag(options.cluster);
    const peerName = randomBytes(8).toString("hex");
    this.#instance = `${peerName}.${this.#tag}`;
    this.#library = mdns({ serviceTag: this.#tag, peerName })(components) as unknown as MdnsLibrary;
    this.#library.mdns = { respond: (answers) => this.#send({ type: "response", answers }) };
    this.#library.addEventListener("peer", ({ detail }) => {
      this.#found = detail;
    });
    const log = components.logger.forComponent("swarmd:mdns");
    this.#socket = new MulticastSocket(
      { group: GROUP, port: options.port ?? PORT },
      { hosts, onDatagram: (datagram) => this.#take(datagram), onFailure: (error) => log.error(error.message) },
    );
  }

  /** Listens. The node has no address yet, so there is nothing to say. */
  async start(): Promise<void> {
    this.#isRunning = true;
    await this.#inTurn(() => this.#socket.open());
  }

  /** Tells everybody that this node is there, and asks who else is. To be called once it can be reached. */
  begin(): void {
    if (!this.#isRunning) return;
    this.#announce();
    this.#askOnAndOn();
  }

  /** Asks where these peers are, which were there before. */
  seek(peers: readonly string[]): void {
    const sought = new Set(peers);
    this.#known.forget(({ id }) => sought.has(id.toString()));
    this.#ask();
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    this.#askNoMore();
    clearTimeout(this.#answer);
    await this.#inTurn(() => this.#socket.close());
  }

  /** Tells everybody again, and asks everybody, over the interfaces that there are now. */
  async refresh(): Promise<void> {
    await this.#inTurn(async () => {
      if (!this.#isRunning) return;
      await this.#socket.close();
      if (!this.#isRunning) return;
      await this.#socket.open();
      // Who was known may be somewhere else now.
      this.#known.clear();
      this.#announce();
      this.#askOnAndOn();
    });
  }

  #askOnAndOn(): void {
    this.#askNoMore();
    const { askAtMs, intervalMs } = this.#options;
    this.#timers = askAtMs.map((ms) => setTimeout(() => this.#ask(), ms));
    this.#timers.push(setInterval(() => this.#ask(), intervalMs));
  }

  #askNoMore(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers = [];
  }

  #ask(): void {
    this.#send({ type: "query", questions: [{ name: this.#tag, type: "PTR" }], answers: this.#knownAnswers() });
  }

  #knownAnswers(): Answer[] {
    const recordBytes = this.#tag.length + this.#instance.length + RECORD_BYTES;
    const most = Math.floor(KNOWN_BYTES_MAX / recordBytes);
    return this.#known
      .fresh(performance.now())
      .slice(0, most)
      .map((instance) => ({ name: this.#tag, type: "PTR", class: "IN", ttl: TTL_S, data: instance }));
  }

  /** Says where this node is, as to somebody who asked. */
  #announce(): void {
    this.#answer = undefined;
    if (!this.#isRunning) return;
    this.#answeredMs = performance.now();
    const questions = [{ name: this.#tag, type: "PTR" as const }];
    this.#library._onMdnsQuery({ type: "query", questions } as DecodedPacket);
  }

  #answerSoon(): void {
    if (this.#answer !== undefined) return;
    const earliestMs = this.#answeredMs + this.#options.answerGapMs - performance.now();
    this.#answer = setTimeout(() => this.#announce(), Math.max(Math.random() * ANSWER_SPREAD_MS, earliestMs));
  }

  #send(packet: Parameters<typeof encode>[0]): void {
    const flags = packet.type === "response" ? AUTHORITATIVE_ANSWER : 0;
    void this.#socket.send(encode({ ...packet, flags }));
  }

  #take(datagram: Buffer): void {
    // Printers and televisions talk here, too.
    if (!this.#isRunning || !datagram.includes(this.#tag.slice(0, this.#tag.indexOf(".")))) return;
    const known = this.#known.find(datagram, performance.now());
    if (known !== undefined) {
      this.#tell(known);
      return;
    }
    try {
      const packet = decode(datagram);
      if (packet.type === "query") this.#takeQuestion(packet);
      else this.#takeAnswer(datagram, packet);
    } catch {
      // Not DNS, or broken: whoever it was will ask again.
    }
  }

  #takeQuestion({ questions = [], answers = [] }: DecodedPacket): void {
    const isForUs = questions.some(({ name }) => name === this.#tag);
    const isKnown = answers.some((answer) => answer.type === "PTR" && answer.data === this.#instance);
    if (isForUs && !isKnown) this.#answerSoon();
  }

  #takeAnswer(datagram: Buffer, packet: DecodedPacket): void {
    const name = packet.answers?.find((answer) => answer.type === "PTR" && answer.name === this.#tag);
    if (name?.type !== "PTR" || name.data === this.#instance || !isInstance(name.data, this.#tag)) return;
    this.#found = undefined;
    this.#library._onMdnsResponse(packet);
    const found = this.#found as PeerInfo | undefined;
    if (found === undefined) return;
    const peer = { ...found, multiaddrs: found.multiaddrs.slice(0, ADDRESSES_MAX) };
    this.#known.note(datagram, { instance: name.data, peer }, performance.now());
    this.#tell(peer);
  }

  #tell(detail: PeerInfo): void {
    this.dispatchEvent(new CustomEvent<PeerInfo>("peer", { detail }));
  }

  #inTurn(action: () => Promise<void>): Promise<void> {
    this.#turn = this.#turn.then(action, action);
    return this.#turn;
  }
}

/** It will be in our questions, so it must be one that fits there. */
function isInstance(name: string, tag: string): boolean {
  return name.endsWith(`.${tag}`) && /^[\w-]{1,63}$/.test(name.slice(0, -tag.length - 1));
}
