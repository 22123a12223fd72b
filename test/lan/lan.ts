/**
 * A LAN of network namespaces: hosts on a switch, an origin behind a slow uplink, and a second, faster network between some hosts.
 *
 * *purpose:* real daemons, real sockets, real multicast, with cables that can be pulled. *in:* how many hosts, how fast.
 * *out:* hosts in which processes run. *never:* sends anything outside of the namespaces it made; leaves any behind.
 *
 * ```ts
 * const lan = Lan.create({ hosts: 3, lanMbit: 1000, uplinkMbit: 200, fastHosts: 2 });
 * try { lan.hosts[0].node("script.js", []) } finally { lan.remove() }
 * ```
 */
import { ip } from "./commands.js";
import { LanHost } from "./lan-host.js";
import { findObstacle, namespaceOf, removeNamespace, sweep } from "./namespaces.js";
import { shape } from "./shaping.js";

export interface LanOptions {
  readonly hosts: number;
  /** Every cable, each way; not bounded when left out. */
  readonly lanMbit?: number;
  /** What the origin can send; not bounded when left out. */
  readonly uplinkMbit?: number;
  /** The first so many hosts have `thunderbolt0` as well. */
  readonly fastHosts?: number;
  readonly fastMbit?: number;
}

const LAN = "br0";
const FAST = "br1";
/** For hosts that are cut off from the rest. */
const ISLAND = "br2";
const LAN_NET = "10.77.0";
const FAST_NET = "10.78.0";
const ORIGIN_HOST = 1;
const FIRST_HOST = 11;

export class Lan {
  readonly hosts: readonly LanHost[];
  readonly origin: LanHost;
  readonly #switch: string;
  readonly #onExit = () => sweep(true);

  /** @throws Error when this machine can't: see {@link findObstacle} */
  static create(options: LanOptions): Lan {
    const obstacle = findObstacle();
    if (obstacle !== undefined) throw new Error(`no LAN can be made here: ${obstacle}`);
    sweep();
    try {
      return new Lan(options);
    } catch (error) {
      sweep(true);
      throw error;
    }
  }

  private constructor({ hosts, lanMbit, uplinkMbit, fastHosts = 0, fastMbit }: LanOptions) {
    process.once("exit", this.#onExit);
    this.#switch = namespaceOf("switch");
    ip(`netns add ${this.#switch}`);
    for (const bridge of [LAN, FAST, ISLAND]) {
      // Without snooping, multicast reaches everybody, as on a plain switch.
      ip(`link add ${bridge} type bridge mcast_snooping 0 forward_delay 0`, this.#switch);
      ip(`link set ${bridge} up`, this.#switch);
    }
    this.origin = this.#addHost("origin", ORIGIN_HOST);
    this.hosts = Array.from({ length: hosts }, (_, index) => this.#addHost(`h${index + 1}`, FIRST_HOST + index));
    for (const host of this.hosts) if (lanMbit !== undefined) host.shape("eth0", lanMbit);
    if (uplinkMbit !== undefined) shape(this.origin.namespace, "eth0", uplinkMbit);
    for (const [index, host] of this.hosts.slice(0, fastHosts).entries()) {
      host.plugIn("thunderbolt0", FAST, `${FAST_NET}.${FIRST_HOST + index}/24`);
      if (fastMbit !== undefined) host.shape("thunderbolt0", fastMbit);
    }
  }

  /** The hosts given can reach each other, the others each other, and no one of these one of those. */
  partition(apart: readonly LanHost[]): void {
    for (const host of apart) host.moveTo("eth0", ISLAND);
  }

  /** What a host sends over this cable vanishes, and what is sent to it; both ends still see their link up. */
  deaden(host: LanHost, iface: string): void {
    host.moveTo(iface, ISLAND);
  }

  heal(): void {
    for (const host of this.hosts) host.moveBack("eth0");
  }

  /** Ends all processes in it and removes everything. Once is enough; more do no harm. */
  remove(): void {
    process.off("exit", this.#onExit);
    for (const { namespace } of [...this.hosts, this.origin]) removeNamespace(namespace);
    removeNamespace(this.#switch);
  }

  #addHost(name: string, number: number): LanHost {
    const host = new LanHost({ name, namespace: namespaceOf(name), switchNamespace: this.#switch });
    host.plugIn("eth0", LAN, `${LAN_NET}.${number}/24`);
    host.routeAllTo("eth0");
    return host;
  }
}
