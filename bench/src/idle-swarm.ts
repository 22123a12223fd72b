/**
 * Starts daemons, lets them find each other, and tells its parent what each costs while nothing is pulled. A process of its own, so that it can
 * run in a network namespace where the loopback carries nothing else.
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { environmentFor, makeFolders, runSwarm, startDaemon, stopDaemon } from "@swarmd/test/support/binaries";

/** Of one daemon, on average. */
export interface IdleCost {
  /** Of one core. */
  readonly cpuPercent: number;
  /** Sent, with the headers of TCP and IP, pings and mDNS; what is received is the same. */
  readonly bytesPerSecond: number;
  /** Resident at the end, the largest. */
  readonly memoryMb: number;
  readonly peersSeen: number;
}

/** What is due once a minute happens in it. */
const WINDOW_MS = 60_000;
/** After the start: the just-in-time compiler is done, and what newcomers say to each other is said. */
const SETTLE_MS = 20_000;
const CONNECT_MS = 90_000;
const TICK_MS = 10;

type Daemon = { readonly env: NodeJS.ProcessEnv; readonly running: Awaited<ReturnType<typeof startDaemon>> };

async function measure(daemons: readonly Daemon[]): Promise<IdleCost> {
  const deadlineMs = performance.now() + CONNECT_MS;
  let peersSeen = 0;
  for (;;) {
    const counts = await Promise.all(daemons.map(countPeers));
    peersSeen = Math.min(...counts);
    if (peersSeen >= daemons.length - 1 || performance.now() > deadlineMs) break;
    await sleep(1_000);
  }
  await sleep(SETTLE_MS);
  const before = { cpuMs: sum(daemons.map(cpuMs)), bytes: loopbackBytes(), atMs: performance.now() };
  await sleep(WINDOW_MS);
  const elapsedMs = performance.now() - before.atMs;
  return {
    cpuPercent: ((sum(daemons.map(cpuMs)) - before.cpuMs) / elapsedMs / daemons.length) * 100,
    bytesPerSecond: ((loopbackBytes() - before.bytes) / elapsedMs / daemons.length) * 1_000,
    memoryMb: Math.max(...daemons.map(memoryMb)),
    peersSeen,
  };
}

async function countPeers({ env }: Daemon): Promise<number> {
  const { stdout } = await runSwarm(["peers", "--json"], env);
  return (JSON.parse(stdout) as unknown[]).length;
}

function cpuMs({ running }: Daemon): number {
  const fields = readFileSync(`/proc/${running.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

function memoryMb({ running }: Daemon): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${running.pid}/status`, "utf8"))?.[1]) / 1_000;
}

/** Sent over the loopback of this namespace. */
function loopbackBytes(): number {
  const fields = /lo:\s*(.*)/.exec(readFileSync("/proc/net/dev", "utf8"))?.[1]?.split(/\s+/) ?? [];
  return Number(fields[8]);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

const count = Number(process.argv[2]);
const daemons: Daemon[] = [];
const allFolders: Awaited<ReturnType<typeof makeFolders>>[] = [];
try {
  for (let i = 0; i < count; i += 1) {
    const folders = await makeFolders();
    allFolders.push(folders);
    const env = environmentFor(folders, "http://127.0.0.1:9");
    const running = await startDaemon(["--lane-port", "0", "--p2p-port", "0"], env);
    daemons.push({ env, running });
  }
  const cost = await measure(daemons);
  await new Promise((resolve) => process.send?.(cost, resolve));
} finally {
  await Promise.all(daemons.map(({ running }) => stopDaemon(running)));
  for (const folders of allFolders) await folders.remove();
}
process.disconnect?.();
