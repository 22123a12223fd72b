/**
 * Peers of the same cluster on the same LAN, by multicast DNS, with nothing to configure.
 *
 * *purpose:* find peers. *in:* answers on 224.0.0.251:5353. *out:* `peer` events with a peer's id and addresses; whether they are true,
 * the handshake shows. *never:* connects, remembers.
 */
import { type PeerDiscoveryEvents, type PeerInfo, TypedEventEmitter } from "@libp2p/interface";
import { type MulticastDNSComponents, mdns } from "@libp2p/mdns";
import { serviceTag } from "@swarmd/protocol/wire";

export interface MdnsOptions {
  /** Name of the cluster; each has a service of its own, so that strangers don't answer each other. */
  readonly cluster: string;
  /** When to ask after the start, in ms from then. Datagrams get lost. */
  readonly askAtMs: readonly number[];
  /** How often to ask from then on. Every node answers every question, and newcomers ask themselves, so seldom. */
  readonly intervalMs: number;
}

export const MDNS_DEFAULTS: Omit<MdnsOptions, "cluster"> = { askAtMs: [400, 1_500, 5_000], intervalMs: 300_000 };

type MulticastDns = ReturnType<ReturnType<typeof mdns>>;
type Startable = { start(): Promise<void>; stop(): Promise<void> };

/** For libp2p's `services`: it is started and stopped with the node. */
export function mdnsDiscovery(options: MdnsOptions): (components: MulticastDNSComponents) => MdnsDiscovery {
  return (components) => new MdnsDiscovery(options, components);
}

export class MdnsDiscovery extends TypedEventEmitter<PeerDiscoveryEvents> {
  readonly [Symbol.toStringTag] = "@swarmd/mdns-discovery";
  readonly #options: MdnsOptions;
  readonly #mdns: MulticastDns & Startable;
  #timers: NodeJS.Timeout[] = [];
  #isRunning = false;
  /** Starts and stops happen one after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: MdnsOptions, components: MulticastDNSComponents) {
    super();
    this.#options = options;
    const { cluster, intervalMs } = options;
    this.#mdns = mdns({ serviceTag: serviceTag(cluster), interval: intervalMs })(components) as MulticastDns &
      Startable;
    this.#mdns.addEventListener("peer", ({ detail }) => {
      this.dispatchEvent(new CustomEvent<PeerInfo>("peer", { detail }));
    });
  }

  async start(): Promise<void> {
    this.#isRunning = true;
    await this.#inTurn(() => this.#mdns.start());
    // A restart asks again; the library has no other way.
    this.#timers = this.#options.askAtMs.map((ms) => setTimeout(() => void this.refresh(), ms));
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#inTurn(() => this.#mdns.stop());
  }

  /** Asks again at once, over the interfaces that there are now. */
  async refresh(): Promise<void> {
    await this.#inTurn(async () => {
      if (!this.#isRunning) return;
      await this.#mdns.stop();
      if (this.#isRunning) await this.#mdns.start();
    });
  }

  #inTurn(action: () => Promise<void>): Promise<void> {
    this.#turn = this.#turn.then(action, action);
    return this.#turn;
  }
}
