/** The network interfaces of this machine, each with its class: asked of the system, corrected by the user. */
import { execFile } from "node:child_process";
import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";
import { promisify } from "node:util";
import type { LinkClass } from "@swarmd/protocol/wire";
import { type InterfaceKind, kindByName, type LocalInterface } from "./link-class.js";
import { linuxKind, SYS_CLASS_NET } from "./linux-links.js";
import { macosKind, parseHardwarePorts, parseRdmaDevices } from "./macos-links.js";

export interface InterfacesOptions {
  /** `--link IFACE=CLASS`. */
  readonly overrides: ReadonlyMap<string, LinkClass>;
  /** Tests bring their own. */
  readonly platform?: NodeJS.Platform;
  readonly sysClassNet?: string;
  readonly list?: () => NodeJS.Dict<NetworkInterfaceInfo[]>;
}

const RUN_MS = 5_000;

/** Interfaces that have an address others may reach; the loopback only when there is no other. */
export async function readInterfaces(options: InterfacesOptions): Promise<readonly LocalInterface[]> {
  const { list = networkInterfaces, overrides } = options;
  const kindOf = await kindReader(options);
  const all = Object.entries(list()).flatMap(([name, infos = []]): (LocalInterface & { isInternal: boolean })[] => {
    const addresses = infos
      .filter(isUsable)
      .map(({ address, cidr }) => ({ host: address, prefixBits: prefixOf(cidr) }));
    if (addresses.length === 0) return [];
    const isInternal = infos.some(({ internal }) => internal);
    return [{ name, ...overridden(kindOf(name), overrides.get(name)), addresses, isInternal }];
  });
  const external = all.filter(({ isInternal }) => !isInternal);
  return (external.length > 0 ? external : all).map(({ isInternal: _, ...rest }) => rest);
}

async function kindReader({
  platform = process.platform,
  sysClassNet = SYS_CLASS_NET,
}: InterfacesOptions): Promise<(name: string) => InterfaceKind> {
  if (platform === "linux") return (name) => linuxKind(name, sysClassNet);
  if (platform !== "darwin") return kindByName;
  const [ports, rdma] = await Promise.all([
    outputOf("/usr/sbin/networksetup", ["-listallhardwareports"]),
    outputOf("/usr/bin/ibv_devices", []),
  ]);
  const portKinds = parseHardwarePorts(ports);
  const rdmaNames = parseRdmaDevices(rdma);
  return (name) => macosKind(name, portKinds, rdmaNames);
}

/** What a program prints; nothing if it is not there. */
async function outputOf(program: string, args: readonly string[]): Promise<string> {
  try {
    return (await promisify(execFile)(program, args, { timeout: RUN_MS, maxBuffer: 1024 * 1024 })).stdout;
  } catch {
    return "";
  }
}

function overridden(kind: InterfaceKind, linkClass: LinkClass | undefined): InterfaceKind {
  return linkClass === undefined ? kind : { ...kind, class: linkClass, why: "as --link says" };
}

/** Link-local IPv6 needs a zone, which means nothing on the other machine. */
function isUsable({ family, address }: NetworkInterfaceInfo): boolean {
  return family === "IPv4" || !/^fe80:/i.test(address);
}

function prefixOf(cidr: string | null): number {
  return Number(cidr?.split("/")[1] ?? 0);
}
