/** Bounds of what an interface sends, with the kernel's token bucket. */
import { run, tryRun } from "./commands.js";

/** The bucket must hold what a timer tick lets through, and one segment of 64 KiB that the kernel did not cut yet. */
const MIN_BURST_BYTES = 128 * 1024;
const TICK_S = 0.004;
/**
 * What the kernel sends in one piece is also lost in one piece. A line loses packets, not 64 KiB of one connection at a time, after which that
 * one stands still for a second while the others go on: so a piece is no longer than half a millisecond of the line.
 */
const PIECE_S = 0.0005;
const PACKET_BYTES = 1_500;
const MOST_PACKETS = 44;

export function shape(namespace: string, iface: string, mbitPerSecond: number): void {
  const packets = Math.round((mbitPerSecond * 125_000 * PIECE_S) / PACKET_BYTES);
  const segments = Math.min(MOST_PACKETS, Math.max(2, packets));
  run("ip", "-n", namespace, "link", "set", "dev", iface, "gso_max_segs", String(segments));
  const burst = Math.max(MIN_BURST_BYTES, Math.round(mbitPerSecond * 125_000 * TICK_S));
  const tbf = ["tbf", "rate", `${mbitPerSecond}mbit`, "burst", `${burst}b`, "latency", "60ms"];
  run("tc", "-n", namespace, "qdisc", "replace", "dev", iface, "root", ...tbf);
}

export function unshape(namespace: string, iface: string): void {
  tryRun("tc", "-n", namespace, "qdisc", "del", "dev", iface, "root");
}
