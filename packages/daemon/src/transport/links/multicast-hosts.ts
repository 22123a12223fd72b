/** Which interfaces peers are looked for on. Pure. */
import { isIPv4 } from "node:net";
import type { LocalInterface } from "./link-class.js";

/**
 * One IPv4 address of each interface of the LAN. Tunnels and what leads to containers are left out, unless there is nothing else: the LAN
 * is not behind them, and who pays for a tunnel by the byte did not ask for this.
 */
export function multicastHosts(interfaces: readonly LocalInterface[]): readonly string[] {
  const near = interfaces.filter((one) => one.class !== "routed").flatMap(findIpv4);
  return near.length > 0 ? near : interfaces.flatMap(findIpv4);
}

function findIpv4({ addresses }: LocalInterface): readonly string[] {
  return addresses
    .map(({ host }) => host)
    .filter((host) => isIPv4(host))
    .slice(0, 1);
}
