/** Classes of links and what they are called, best first. */
import { SwarmError } from "@swarmd/protocol";
import { LINK_CLASSES, type LinkClass } from "@swarmd/protocol/wire";

/** A network interface of this machine that has an address. */
export interface LocalInterface {
  /** As the system calls it: `en0`, `eth0`. */
  readonly name: string;
  readonly class: LinkClass;
  /** 0 when nobody knows. */
  readonly speedBytesPerS: number;
  /** Why it has this class, for people. */
  readonly why: string;
  readonly addresses: readonly InterfaceAddress[];
}

export interface InterfaceAddress {
  readonly host: string;
  /** Leading bits that name the subnet. */
  readonly prefixBits: number;
}

/** What an interface is; the system says, or its name gives a hint. */
export interface InterfaceKind {
  readonly class: LinkClass;
  readonly speedBytesPerS: number;
  readonly why: string;
}

/** Lower is better. */
export function rankOf(linkClass: LinkClass): number {
  return LINK_CLASSES.indexOf(linkClass);
}

/** `en5=thunderbolt`, as given to `--link`. @throws SwarmError USAGE */
export function parseLinkOverride(text: string): readonly [string, LinkClass] {
  const [name = "", word = ""] = text.split("=", 2).map((part) => part.trim());
  const linkClass = LINK_CLASSES.find((known) => known === word.toLowerCase());
  if (name !== "" && linkClass !== undefined) return [name, linkClass];
  throw new SwarmError("USAGE", `not a link: ${JSON.stringify(text)}`, {
    hint: `Write IFACE=CLASS, for example en5=thunderbolt. Classes: ${LINK_CLASSES.join(", ")}.`,
  });
}

/** Names that tell what nothing else tells: tunnels, bridges of containers, virtual machines. */
const ROUTED_NAME =
  /^(?:tailscale|ts\d|wg|zt|tun|tap|utun|ipsec|ppp|docker|br-|veth|virbr|vmnet|vboxnet|vnic|cni|flannel|cali|podman|lxc|lxdbr|bridge1\d\d|ham\d|nebula|awdl|llw|anpi)/;

/** The class that a name alone suggests. */
export function kindByName(name: string): InterfaceKind {
  if (ROUTED_NAME.test(name)) return { class: "routed", speedBytesPerS: 0, why: `${name} is a tunnel or virtual` };
  if (/^(?:wl|ath|ra\d|wifi)/.test(name)) return { class: "wifi", speedBytesPerS: 0, why: `${name} is named as Wi-Fi` };
  if (/^(?:thunderbolt|tb)\d/.test(name)) {
    return { class: "thunderbolt", speedBytesPerS: 0, why: `${name} is named as Thunderbolt` };
  }
  if (/^(?:ib|rdma)\w*\d/.test(name))
    return { class: "rdma", speedBytesPerS: 0, why: `${name} is named as InfiniBand` };
  return { class: "ethernet", speedBytesPerS: 0, why: "nothing says that it is anything else" };
}
