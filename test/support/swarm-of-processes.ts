/** Daemons as processes on one LAN, for tests that run where the loopback interface is all the network there is. */
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  environmentFor,
  type Finished,
  type Folders,
  jsonLines,
  makeFolders,
  type Running,
  runSwarm,
  startDaemon,
  stopDaemon,
} from "./binaries.js";

/** A network namespace takes root, and Linux. */
export const MAY_MAKE_NAMESPACES = process.platform === "linux" && process.getuid?.() === 0;
const DEADLINE_MS = 180_000;
/** A busy machine takes its time. */
const MEETING_MS = 60_000;

/** Runs a script where the loopback interface is the whole network, and returns what it called its result. */
export async function runInNamespace<Result>(script: string, args: readonly string[] = []): Promise<Result> {
  const command = `ip link set lo up && exec "${process.execPath}" "${script}" ${args.join(" ")}`;
  const child = spawn("unshare", ["--net", "sh", "-c", command], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: DEADLINE_MS,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => (code === 0 ? resolve() : reject(new Error(`ended with ${code}:\n${output}`))));
  });
  const line = output.split("\n").find((text) => text.startsWith("result "));
  if (line === undefined) throw new Error(`no result:\n${output}`);
  return JSON.parse(line.slice("result ".length)) as Result;
}

/** The last word of a script that {@link runInNamespace} runs. */
export function printResult(result: unknown): void {
  console.log(`result ${JSON.stringify(result)}`);
}

export interface SwarmNode {
  readonly folders: Folders;
  readonly env: NodeJS.ProcessEnv;
  readonly daemon: Running;
}

/** Nodes that are stopped together, with their folders. */
export class SwarmOfProcesses {
  readonly nodes: SwarmNode[] = [];

  async add(endpoint: string, args: readonly string[] = []): Promise<SwarmNode> {
    const folders = await makeFolders();
    const env = environmentFor(folders, endpoint);
    const daemon = await startDaemon(["--p2p-port", "0", "--lane-port", "0", ...args], env);
    const node = { folders, env, daemon };
    this.nodes.push(node);
    return node;
  }

  /** Each node sees all the others; and has had the time to hear what they hold. */
  async meet(nodes: readonly SwarmNode[] = this.nodes): Promise<void> {
    const deadlineMs = performance.now() + MEETING_MS;
    for (const node of nodes) {
      while ((await peersOf(node)).length < nodes.length - 1) {
        if (performance.now() > deadlineMs) throw new Error(`not all of ${nodes.length} nodes have found each other`);
        await sleep(250);
      }
    }
    await sleep(500);
  }

  async stop(): Promise<void> {
    for (const { daemon, folders } of this.nodes) {
      await stopDaemon(daemon);
      await folders.remove();
    }
  }
}

/** What `swarm peers --json` prints. */
export async function peersOf({ env }: SwarmNode): Promise<readonly Record<string, unknown>[]> {
  const { stdout } = await runSwarm(["peers", "--json"], env);
  return JSON.parse(stdout) as Record<string, unknown>[];
}

export interface Done {
  readonly bytesFromOrigin: number;
  readonly bytesFromPeers: number;
  readonly bytesFromCache: number;
  readonly elapsedMs: number;
}

/** Pulls with a node, and expects it to work. */
export async function pull({ env }: SwarmNode, ...args: readonly string[]): Promise<Done> {
  return doneOf(await runSwarm(["pull", ...args, "--json"], env));
}

function doneOf({ exitCode, stdout, stderr }: Finished): Done {
  if (exitCode !== 0) throw new Error(`a pull ended with ${exitCode}: ${stdout.slice(-500)} ${stderr.slice(-500)}`);
  return jsonLines(stdout).at(-1) as unknown as Done;
}

/** How often a node chose to ask a peer, as its event log tells. */
export async function timesPeersWereAsked({ folders }: SwarmNode): Promise<number> {
  const log = await readFile(join(folders.stateDir, "events.jsonl"), "utf8");
  return jsonLines(log).filter(({ type, source }) => {
    return type === "decision" && (source as { kind?: string } | undefined)?.kind === "peer";
  }).length;
}
