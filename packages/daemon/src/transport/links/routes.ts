/** Which of a peer's addresses to use: every pair of a local interface and a remote address that share a subnet, best first. Pure. */
import { BlockList, isIPv6 } from "node:net";
import { type LaneAddress, type LinkClass, linkName } from "@swarmd/protocol/wire";
import { type LocalInterface, rankOf } from "./link-class.js";

/** One way to a peer's direct lane, as seen from here. */
export interface PeerRoute {
  /** Names it: `host:port` of the peer. */
  readonly link: string;
  readonly host: string;
  readonly port: number;
  /** The worse of both ends'; `routed` when no interface of ours is in its subnet. */
  readonly class: LinkClass;
  /** The lower of both ends'; 0 when neither knows. */
  readonly speedBytesPerS: number;
  /** Our interface in the same subnet. */
  readonly via: string | undefined;
  /** Why it has this class, for people. */
  readonly why: string;
}

/** All ways to a peer, best first: by class, then by speed, then in the order the peer gave. */
export function planRoutes(local: readonly LocalInterface[], remote: readonly LaneAddress[]): readonly PeerRoute[] {
  return remote
    .map((address) => planRoute(local, address))
    .sort((a, b) => rankOf(a.class) - rankOf(b.class) || b.speedBytesPerS - a.speedBytesPerS);
}

/** Hosts in the order in which to try them: those in a subnet of ours by the class of our interface, then the rest. */
export function sortHosts(local: readonly LocalInterface[], hosts: readonly string[]): readonly string[] {
  const rank = (host: string) => {
    const near = findNear(local, host);
    return near === undefined ? Number.POSITIVE_INFINITY : rankOf(near.class);
  };
  return [...hosts].sort((a, b) => rank(a) - rank(b) || 0);
}

/** The best of our interfaces that is in the same subnet as this address. */
export function findNear(local: readonly LocalInterface[], host: string): LocalInterface | undefined {
  return local
    .filter(({ addresses }) => addresses.some((own) => sharesSubnet(own.host, host, own.prefixBits)))
    .sort((a, b) => rankOf(a.class) - rankOf(b.class))[0];
}

function planRoute(local: readonly LocalInterface[], remote: LaneAddress): PeerRoute {
  const { host, port } = remote;
  const base = { link: linkName(remote), host, port };
  const near = findNear(local, host);
  if (near === undefined) {
    return { ...base, class: "routed", speedBytesPerS: 0, via: undefined, why: "in none of our subnets" };
  }
  const isOurs = rankOf(near.class) >= rankOf(remote.class);
  return {
    ...base,
    class: isOurs ? near.class : remote.class,
    speedBytesPerS: lowerKnown(near.speedBytesPerS, remote.speedBytesPerS),
    via: near.name,
    why: isOurs ? `our ${near.name}: ${near.why}` : `the peer says that its end is ${remote.class}`,
  };
}

function lowerKnown(a: number, b: number): number {
  return a === 0 ? b : b === 0 ? a : Math.min(a, b);
}

/** Whether two addresses are the same in their first `bits` bits. */
export function sharesSubnet(own: string, other: string, bits: number): boolean {
  const family = isIPv6(own) ? "ipv6" : "ipv4";
  if (isIPv6(other) !== (family === "ipv6")) return false;
  if (bits === 0) return own === other;
  try {
    const subnet = new BlockList();
    subnet.addSubnet(own, bits, family);
    return subnet.check(other, family);
  } catch {
    return false;
  }
}
