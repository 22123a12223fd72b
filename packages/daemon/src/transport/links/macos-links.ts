/** What a network interface is on macOS, from what `networksetup` and `ibv_devices` print. Pure: the text is given. */
import type { LinkClass } from "@swarmd/protocol/wire";
import { type InterfaceKind, kindByName } from "./link-class.js";

/** Thunderbolt 4 and 5 on a bridge; both ends measure what it really is. */
const THUNDERBOLT_BYTES_PER_S = 2_500_000_000;

/** `networksetup -listallhardwareports` → interface name → what it is. */
export function parseHardwarePorts(text: string): ReadonlyMap<string, InterfaceKind> {
  const kinds = new Map<string, InterfaceKind>();
  for (const block of text.split(/\n\s*\n/)) {
    const port = /^Hardware Port:\s*(.+?)\s*$/m.exec(block)?.[1];
    const device = /^Device:\s*(\S+)\s*$/m.exec(block)?.[1];
    if (port === undefined || device === undefined) continue;
    kinds.set(device, { ...classOfPort(port, device), why: `hardware port ${port}` });
  }
  return kinds;
}

/** The RDMA devices that `ibv_devices` lists, as interface names: `rdma_en3` belongs to `en3`. */
export function parseRdmaDevices(text: string): ReadonlySet<string> {
  return new Set([...text.matchAll(/^\s*rdma_(\w+)\s/gm)].map((match) => match[1] as string));
}

/** @param rdma interfaces with an RDMA device; one of a bridge's ports makes no RDMA bridge, so the bridge stays what it is */
export function macosKind(
  name: string,
  ports: ReadonlyMap<string, InterfaceKind>,
  rdma: ReadonlySet<string>,
): InterfaceKind {
  const known = ports.get(name);
  if (rdma.has(name)) {
    return { class: "rdma", speedBytesPerS: known?.speedBytesPerS ?? 0, why: `RDMA device rdma_${name}` };
  }
  return known ?? kindByName(name);
}

function classOfPort(port: string, device: string): { readonly class: LinkClass; readonly speedBytesPerS: number } {
  const lower = port.toLowerCase();
  if (lower.includes("thunderbolt ethernet")) return { class: "ethernet", speedBytesPerS: 0 };
  if (lower.includes("thunderbolt")) return { class: "thunderbolt", speedBytesPerS: THUNDERBOLT_BYTES_PER_S };
  if (lower.includes("wi-fi") || lower.includes("airport")) return { class: "wifi", speedBytesPerS: 0 };
  if (lower.includes("bluetooth") || lower.includes("iphone")) return { class: "routed", speedBytesPerS: 0 };
  if (lower.includes("10g")) return { class: "ethernet", speedBytesPerS: 1_250_000_000 };
  const { class: byName } = kindByName(device);
  return { class: byName, speedBytesPerS: 0 };
}
