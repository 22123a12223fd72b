/** Names, presence and end of the network namespaces that this harness makes. */
import { kill, platform } from "node:process";
import { run, tryRun } from "./commands.js";

/** `swlan-<pid>-<host>`: whose it is can be told after a crash. */
const PREFIX = "swlan-";
const OURS = /^swlan-(\d+)-/;
/** Time for processes to end before they are killed, in steps of 20 ms. */
const STEPS = 50;

export function namespaceOf(host: string): string {
  return `${PREFIX}${process.pid}-${host}`;
}

/** Why there can be no LAN on this machine, or undefined. */
export function findObstacle(): string | undefined {
  if (platform !== "linux") return "network namespaces exist on Linux only";
  if (process.getuid?.() !== 0) return "making network namespaces takes root";
  const probe = namespaceOf("probe");
  try {
    run("ip", "netns", "add", probe);
    run("ip", "-n", probe, "link", "add", "v0", "type", "veth", "peer", "name", "v1");
    run("ip", "-n", probe, "link", "add", "br0", "type", "bridge");
    run(
      "tc",
      "-n",
      probe,
      "qdisc",
      "add",
      "dev",
      "v0",
      "root",
      "tbf",
      "rate",
      "1mbit",
      "burst",
      "16kb",
      "latency",
      "50ms",
    );
    return undefined;
  } catch (error) {
    return (error as Error).message;
  } finally {
    tryRun("ip", "netns", "del", probe);
  }
}

/** Removes what runs that crashed have left, and with `own` what this process made. */
export function sweep(own = false): void {
  for (const line of tryRun("ip", "netns", "list").split("\n")) {
    const name = line.split(" ")[0] ?? "";
    const pid = Number(OURS.exec(name)?.[1] ?? 0);
    if (pid === 0 || (pid === process.pid ? !own : isAlive(pid))) continue;
    removeNamespace(name);
  }
}

/** Ends every process in it, then the namespace; its interfaces go with it. */
export function removeNamespace(name: string): void {
  for (let step = 0; step < STEPS; step += 1) {
    const pids = tryRun("ip", "netns", "pids", name).split("\n").map(Number).filter(Boolean);
    if (pids.length === 0) break;
    for (const pid of pids) tryKill(pid, step === 0 ? "SIGTERM" : "SIGKILL");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  }
  tryRun("ip", "netns", "del", name);
}

function isAlive(pid: number): boolean {
  return tryKill(pid, 0);
}

function tryKill(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return kill(pid, signal);
  } catch {
    return false;
  }
}
