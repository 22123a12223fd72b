/** What a network interface is on Linux, from /sys/class/net. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { type InterfaceKind, kindByName } from "./link-class.js";

export const SYS_CLASS_NET = "/sys/class/net";

/** ARPHRD_INFINIBAND in `type`. */
const INFINIBAND = "32";
/** `speed` is in Mbit/s, -1 when the link is down or virtual. */
const BYTES_PER_MBIT = 125_000;
/** A Thunderbolt 3/4 network link does not say its speed; measured cards do about this. */
const THUNDERBOLT_BYTES_PER_S = 10_000 * BYTES_PER_MBIT;

/** @param root the folder that holds one entry per interface */
export function linuxKind(name: string, root: string = SYS_CLASS_NET): InterfaceKind {
  const folder = join(root, name);
  const speedBytesPerS = readSpeed(folder);
  const driver = readDriver(folder);
  if (driver === "thunderbolt-net" || driver === "thunderbolt_net") {
    return { class: "thunderbolt", speedBytesPerS: speedBytesPerS || THUNDERBOLT_BYTES_PER_S, why: `driver ${driver}` };
  }
  if (readText(folder, "type") === INFINIBAND) return { class: "rdma", speedBytesPerS, why: "an InfiniBand device" };
  if (hasEntries(join(folder, "device", "infiniband"))) {
    return { class: "rdma", speedBytesPerS, why: "its device does RDMA" };
  }
  if (existsSync(join(folder, "wireless")) || existsSync(join(folder, "phy80211"))) {
    return { class: "wifi", speedBytesPerS: 0, why: "a wireless device" };
  }
  return virtualKind(name, folder, speedBytesPerS, root);
}

function virtualKind(name: string, folder: string, speedBytesPerS: number, root: string): InterfaceKind {
  const byName = kindByName(name);
  if (byName.class !== "ethernet") return { ...byName, speedBytesPerS };
  if (existsSync(join(folder, "tun_flags"))) return { class: "routed", speedBytesPerS: 0, why: "a tunnel" };
  if (existsSync(join(folder, "bridge"))) return bridgeKind(folder, root);
  return { class: "ethernet", speedBytesPerS, why: driverWhy(readDriver(folder)) };
}

/** A bridge is as good as the best real port in it; one without any connects containers. */
function bridgeKind(folder: string, root: string): InterfaceKind {
  const ports = readNames(join(folder, "brif")).filter((port) => existsSync(join(root, port, "device")));
  const [first] = ports.map((port) => linuxKind(port, root));
  if (first === undefined) return { class: "routed", speedBytesPerS: 0, why: "a bridge without a real port" };
  return { ...first, why: `a bridge of ${ports.join(", ")}` };
}

function driverWhy(driver: string | undefined): string {
  return driver === undefined ? "nothing says that it is anything else" : `driver ${driver}`;
}

function readSpeed(folder: string): number {
  const mbit = Number(readText(folder, "speed"));
  return mbit > 0 && mbit < 10_000_000 ? mbit * BYTES_PER_MBIT : 0;
}

function readDriver(folder: string): string | undefined {
  try {
    return basename(readlinkSync(join(folder, "device", "driver")));
  } catch {
    return undefined;
  }
}

/** Some of these files answer EINVAL while the link is down. */
function readText(folder: string, name: string): string {
  try {
    return readFileSync(join(folder, name), "utf8").trim();
  } catch {
    return "";
  }
}

function readNames(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function hasEntries(folder: string): boolean {
  return readNames(folder).length > 0;
}
