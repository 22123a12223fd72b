/** Addresses of peers as people write them, and the order in which they are tried. */
import { isIPv4, isIPv6 } from "node:net";
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr";
import { SwarmError } from "@swarmd/protocol";
import { LANES } from "@swarmd/protocol/wire";

const HINT = "Write HOST, HOST:PORT, [IPV6]:PORT or a multiaddr such as /ip4/192.168.1.7/tcp/7482.";

/** `HOST`, `HOST:PORT`, `[IPV6]:PORT` or a TCP multiaddr → a multiaddr. @throws SwarmError USAGE */
export function parsePeerAddress(text: string): Multiaddr {
  const trimmed = text.trim();
  if (trimmed.startsWith("/")) return parseMultiaddr(trimmed);
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(trimmed);
  const host = match?.[1] ?? match?.[2] ?? (isIPv6(trimmed) ? trimmed : undefined);
  const port = match?.[3] === undefined ? LANES.libp2p.defaultPort : Number(match[3]);
  if (host === undefined || port < 1 || port > 65_535) {
    throw new SwarmError("USAGE", `not a peer's address: ${JSON.stringify(text)}`, { hint: HINT });
  }
  const kind = isIPv4(host) ? "ip4" : isIPv6(host) ? "ip6" : "dns";
  return parseMultiaddr(`/${kind}/${host}/tcp/${port}`);
}

function parseMultiaddr(text: string): Multiaddr {
  try {
    const address = multiaddr(text);
    const names = address.protoNames();
    if (names.includes("tcp") && !names.includes("ws") && !names.includes("p2p-circuit")) return address;
  } catch (cause) {
    throw new SwarmError("USAGE", `not a peer's address: ${JSON.stringify(text)}`, { cause, hint: HINT });
  }
  throw new SwarmError("USAGE", `a peer's address that is not TCP: ${JSON.stringify(text)}`, { hint: HINT });
}

/** The IP address in it, or undefined for a name. */
export function findHost(address: Multiaddr): string | undefined {
  const { address: host } = address.nodeAddress();
  return isIPv4(host) || isIPv6(host) ? host : undefined;
}
