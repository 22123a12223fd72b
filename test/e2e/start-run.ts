/** Daemons that are in each other's way, and one that goes without peers. Run by `start.test.ts` in a network namespace. */
import { readFile } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { environmentFor, launch, makeFolders, runSwarm, startDaemon, stopDaemon } from "../support/binaries.js";
import { printResult } from "../support/swarm-of-processes.js";

const ORIGIN = "http://127.0.0.1:9";
/** Which has a test of its own. */
const NO_GATEWAY = { SWARM_NO_GATEWAY: "1" };

function listen(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(port, "0.0.0.0", () => resolve(server));
  });
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** Ports that something listens on here, as the kernel says. */
async function listeningPorts(): Promise<number[]> {
  const ports = new Set<number>();
  for (const file of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of (await readFile(file, "utf8")).split("\n").slice(1)) {
      const [, local = "", , state] = line.trim().split(/\s+/);
      if (state === "0A") ports.add(Number.parseInt(local.split(":")[1] ?? "", 16));
    }
  }
  return [...ports];
}

async function failToStart(args: readonly string[], env: NodeJS.ProcessEnv) {
  const { exitCode, stderr } = await launch("swarmd", ["start", ...args], env).finished;
  return { exitCode, stderr };
}

const [one, two] = [await makeFolders(), await makeFolders()];
const [envOne, envTwo] = [environmentFor(one, ORIGIN, NO_GATEWAY), environmentFor(two, ORIGIN, NO_GATEWAY)];
try {
  // Nothing of it listens, on the default ports or any other.
  const alone = await startDaemon(["--no-peer"], envOne);
  const peerless = { listening: await listeningPorts(), peers: (await runSwarm(["peers"], envOne)).stdout };
  await stopDaemon(alone);

  const first = await startDaemon([], envOne);
  const defaults = [await isOpen(7481), await isOpen(7482)];
  const sameFolder = await failToStart(["--p2p-port", "0", "--lane-port", "0"], envOne);
  const samePorts = await failToStart([], envTwo);
  const sameP2pPort = await failToStart(["--lane-port", "0"], envTwo);
  const free = await startDaemon(["--p2p-port", "0", "--lane-port", "0"], envTwo);
  const listening = await listeningPorts();
  await stopDaemon(free);
  await stopDaemon(first);

  const busy = await listen(7481);
  const foreign = await failToStart([], envOne);
  busy.close();
  printResult({ peerless, defaults, sameFolder, samePorts, sameP2pPort, listening, foreign });
} finally {
  await one.remove();
  await two.remove();
}
