/** Bounds of what an interface sends, with the kernel's token bucket. */
import { run, tryRun } from "./commands.js";

/** The bucket must hold what a timer tick lets through, and one segment of 64 KiB that the kernel did not cut yet. */
const MIN_BURST_BYTES = 128 * 1024;
const TICK_S = 0.004;

export function shape(namespace: string, iface: string, mbitPerSecond: number): void {
  const burst = Math.max(MIN_BURST_BYTES, Math.round(mbitPerSecond * 125_000 * TICK_S));
  const tbf = ["tbf", "rate", `${mbitPerSecond}mbit`, "burst", `${burst}b`, "latency", "60ms"];
  run("tc", "-n", namespace, "qdisc", "replace", "dev", iface, "root", ...tbf);
}

export function unshape(namespace: string, iface: string): void {
  tryRun("tc", "-n", namespace, "qdisc", "del", "dev", iface, "root");
}
