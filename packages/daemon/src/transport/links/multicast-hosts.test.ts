import assert from "node:assert/strict";
import { it } from "node:test";
import type { LinkClass } from "@swarmd/protocol/wire";
import type { LocalInterface } from "./link-class.js";
import { multicastHosts } from "./multicast-hosts.js";

function local(name: string, linkClass: LinkClass, ...hosts: readonly string[]): LocalInterface {
  const addresses = hosts.map((host) => ({ host, prefixBits: 24 }));
  return { name, class: linkClass, speedBytesPerS: 0, why: "", addresses };
}

const CASES: readonly { id: string; interfaces: readonly LocalInterface[]; hosts: readonly string[] }[] = [
  { id: "nobody without an interface", interfaces: [], hosts: [] },
  {
    id: "each interface of the LAN once, not only the first",
    interfaces: [
      local("eth0", "ethernet", "10.0.0.1", "10.0.1.1"),
      local("thunderbolt0", "thunderbolt", "169.254.3.4"),
      local("wlan0", "wifi", "10.0.0.2"),
    ],
    hosts: ["10.0.0.1", "169.254.3.4", "10.0.0.2"],
  },
  {
    id: "no tunnel beside the LAN",
    interfaces: [local("utun3", "routed", "100.64.0.7"), local("en0", "ethernet", "192.168.1.7")],
    hosts: ["192.168.1.7"],
  },
  {
    id: "a tunnel where there is nothing else",
    interfaces: [local("tun0", "routed", "10.8.0.2")],
    hosts: ["10.8.0.2"],
  },
  {
    id: "no interface that has IPv6 alone",
    interfaces: [local("eth0", "ethernet", "fd00::1"), local("eth1", "ethernet", "fd00::2", "10.0.0.1")],
    hosts: ["10.0.0.1"],
  },
];

for (const { id, interfaces, hosts } of CASES) {
  it(`peers are looked for on: ${id}`, () => assert.deepEqual(multicastHosts(interfaces), hosts));
}
