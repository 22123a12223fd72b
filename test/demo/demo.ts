/**
 * `npm run demo`: the main job, on this machine alone. An embedded Hub behind a throttled uplink and three real nodes that pull the same
 * repo at the same moment. No network, no account, no root; nothing is left running and nothing is left behind, with Ctrl-C neither.
 */
import { readdir } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  environmentFor,
  type Folders,
  jsonLines,
  launch,
  makeFolders,
  type Running,
  runSwarm,
  startDaemon,
} from "../support/binaries.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { makeModelRepo } from "../support/repo-maker.js";

const REPO = "demo/small-llama";
const WEIGHT_BYTES = 300_000_000;
const UPLINK_MBIT = 400;
const NAMES = ["anna", "ben", "carla"] as const;
const MEET_MS = 30_000;
/** A daemon that has not stopped by then is ended. */
const STOP_MS = 5_000;

interface Node {
  readonly name: string;
  readonly folders: Folders;
  readonly env: NodeJS.ProcessEnv;
  readonly daemon: Running;
}

/** What has to go away again, the last thing first. */
const undo: (() => Promise<void>)[] = [];
let cleaned: Promise<void> = Promise.resolve();
/** Set by Ctrl-C and its like: what runs is cut short, and nothing new is begun. */
let interruptedWith: number | undefined;

/** One after the other, however often it is called. */
function cleanUp(): Promise<void> {
  cleaned = cleaned.then(async () => {
    for (let action = undo.pop(); action !== undefined; action = undo.pop()) await action();
  });
  return cleaned;
}

async function demo(): Promise<void> {
  const hub = await EmbeddedHub.start({
    repos: [{ name: REPO, files: makeModelRepo({ weightBytes: WEIGHT_BYTES, title: "The demo's model" }) }],
    uplinkBytesPerSecond: (UPLINK_MBIT * 1e6) / 8,
  });
  undo.push(() => hub.stop());
  await hub.prepare();
  const mb = (WEIGHT_BYTES / 1e6).toFixed(0);
  say(`A Hub of our own serves ${REPO}, ${mb} MB, over an uplink of ${UPLINK_MBIT} Mbit/s.`);
  say(`Three nodes: ${NAMES.join(", ")}. Each has its own cache, as three machines would.`);
  const nodes = await startNodes(hub.url);
  const [first] = nodes as [Node, ...Node[]];
  step(`${first.name}: swarm peers`);
  await show(["peers"], first.env);
  step(`all three, at the same moment: swarm pull ${REPO}`);
  await pullTogether(nodes);
  const sent = Object.values(hub.stats().files).reduce((sum, file) => sum + file.bytesSent, 0);
  const [last] = nodes.slice(-1) as [Node];
  step(`${last.name}: swarm verify ${REPO}     (reads every file back)`);
  await show(["verify", REPO], last.env);
  const again = await runSwarm(["pull", REPO, "--json"], last.env);
  const { path } = jsonLines(again.stdout).at(-1) as unknown as { path: string };
  step(`what any Hugging Face tool finds on ${last.name}, in ${path.replace(last.folders.root, "…")}`);
  for (const name of (await readdir(path)).sort()) say(`  ${name}`);
  const copies = sent / WEIGHT_BYTES;
  const verdict = copies < 1.1 ? "one copy for three nodes" : `${copies.toFixed(2)} copies for three nodes`;
  say(`\nThe Hub sent ${(sent / 1e6).toFixed(1)} MB in all: ${verdict}.`);
  await cleanUp();
  const bin = join("packages", "cli", "bin");
  say(`
The same against Hugging Face, into your own cache; on as many machines of your LAN as you like, they find each other:

  ${join(bin, "swarmd")} start &
  ${join(bin, "swarm")} pull Qwen/Qwen2.5-0.5B-Instruct
`);
}

/** By name, not by multicast: nodes of the same LAN that are no part of the demo are left alone. */
async function startNodes(endpoint: string): Promise<readonly Node[]> {
  const nodes: Node[] = [];
  const named: string[] = [];
  for (const name of NAMES) {
    const port = await findFreePort();
    step(`${name}: swarmd start${named.map((peer) => ` --peer ${peer}`).join("")}`);
    const folders = await makeFolders();
    undo.push(() => folders.remove());
    const env = environmentFor(folders, endpoint);
    const peers = named.flatMap((peer) => ["--peer", peer]);
    const args = ["--no-mdns", "--p2p-port", String(port), "--lane-port", "0", ...peers];
    const daemon = await startDaemon(args, env);
    undo.push(() => end(daemon));
    nodes.push({ name, folders, env, daemon });
    named.push(`127.0.0.1:${port}`);
  }
  const endMs = performance.now() + MEET_MS;
  for (const { name, env } of nodes) {
    while ((await countPeers(env)) < NAMES.length - 1) {
      if (performance.now() > endMs) throw new Error(`${name} has not met the others`);
      await sleep(100);
    }
  }
  return nodes;
}

async function countPeers(env: NodeJS.ProcessEnv): Promise<number> {
  const { stdout } = await runSwarm(["peers", "--json"], env);
  return (JSON.parse(stdout || "[]") as unknown[]).length;
}

/** Each node's own last words, node by node. */
async function pullTogether(nodes: readonly Node[]): Promise<void> {
  const startMs = performance.now();
  await Promise.all(
    nodes.map(async ({ name, env }) => {
      const { exitCode, stdout, stderr } = await runSwarm(["pull", REPO], env);
      if (exitCode !== 0) throw new Error(`${name}'s pull ended with ${exitCode}: ${stderr}`);
      const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
      say(`  ${name.padEnd(5)} after ${seconds} s   ${stdout.trimEnd().split("\n").at(-1)}`);
    }),
  );
}

function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

async function end({ child, finished }: Running): Promise<void> {
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  await finished;
  clearTimeout(timer);
}

/** Runs a command with its output on this terminal. */
async function show(args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const run = launch("swarm", args, env, { inherit: true });
  const { exitCode } = await run.finished;
  if (exitCode !== 0) throw new Error(`swarm ${args.join(" ")} ended with ${exitCode}`);
}

function step(command: string): void {
  if (interruptedWith !== undefined) throw new Error("interrupted");
  say(`\n$ ${command}`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const) {
  process.on(signal, () => {
    interruptedWith ??= code;
    // Without its daemons, whatever runs fails soon.
    void cleanUp();
  });
}

try {
  await demo();
} catch (error) {
  if (interruptedWith === undefined) console.error(error);
  process.exitCode = 1;
} finally {
  await cleanUp();
  process.exitCode = interruptedWith ?? process.exitCode ?? 0;
}
