/**
 * Four daemons as processes that find each other by multicast and pull the same cold repo together; then one more, and one that
 * has to do without the origin. Prints what happened as JSON. Run by `swarm.test.ts` in a network namespace of its own, where the
 * loopback interface is all there is.
 */
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
} from "../support/binaries.js";
import { assertCacheIsSound } from "../support/cache-checks.js";
import { syntheticContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";

const REPO = "acme/shared";
const SIZE_BYTES = 200 * 1024 * 1024 + 77;
const NODES = 4;
/** A busy machine takes its time. */
const MEETING_MS = 60_000;

interface Node {
  readonly folders: Folders;
  readonly env: NodeJS.ProcessEnv;
  readonly daemon: Running;
}

async function startNode(endpoint: string, args: readonly string[] = []): Promise<Node> {
  const folders = await makeFolders();
  const env = environmentFor(folders, endpoint);
  const daemon = await startDaemon(["--p2p-port", "0", "--lane-port", "0", ...args], env);
  return { folders, env, daemon };
}

/** Each node sees all the others; and has had the time to hear what they hold. */
async function allKnowEachOther(nodes: readonly Node[]): Promise<void> {
  const deadlineMs = performance.now() + MEETING_MS;
  for (const { env } of nodes) {
    while ((await peersOf(env)) < nodes.length - 1) {
      if (performance.now() > deadlineMs) throw new Error(`not all of ${nodes.length} nodes have found each other`);
      await sleep(250);
    }
  }
  await sleep(500);
}

async function peersOf(env: NodeJS.ProcessEnv): Promise<number> {
  const { stdout } = await runSwarm(["peers", "--json"], env);
  return (JSON.parse(stdout) as unknown[]).length;
}

function doneOf({ exitCode, stdout, stderr }: Finished) {
  if (exitCode !== 0) throw new Error(`a pull ended with ${exitCode}: ${stdout.slice(-500)} ${stderr.slice(-500)}`);
  return jsonLines(stdout).at(-1) as unknown as { bytesFromOrigin: number; bytesFromPeers: number };
}

async function run(): Promise<Record<string, unknown>> {
  const hub = await EmbeddedHub.start({
    repos: [
      {
        name: REPO,
        files: { "config.json": "{}", "model.safetensors": syntheticContent({ seed: 9, sizeBytes: SIZE_BYTES }) },
      },
    ],
    uplinkBytesPerSecond: 40_000_000,
  });
  await hub.prepare();
  const nodes: Node[] = [];
  try {
    for (let i = 0; i < NODES; i += 1) nodes.push(await startNode(hub.url));
    await allKnowEachOther(nodes);
    const pulls = await Promise.all(nodes.map(({ env }) => runSwarm(["pull", REPO, "--json"], env)));
    const cold = pulls.map(doneOf);
    const egress = hub.stats().bytesSent / SIZE_BYTES;
    hub.resetStats();
    const late = await startNode(hub.url);
    nodes.push(late);
    await allKnowEachOther(nodes);
    const lateDone = doneOf(await runSwarm(["pull", REPO, "--json"], late.env));
    const lateEgress = hub.stats().bytesSent / SIZE_BYTES;
    hub.resetStats();
    const alone = await startNode(hub.url, ["--no-peer"]);
    nodes.push(alone);
    const aloneDone = doneOf(await runSwarm(["pull", REPO, "--json"], alone.env));
    for (const { folders } of nodes) await assertCacheIsSound(folders.cacheDir);
    return { egress, cold, lateEgress, late: lateDone, alone: aloneDone, sizeBytes: SIZE_BYTES };
  } finally {
    for (const { daemon, folders } of nodes) {
      await stopDaemon(daemon);
      await folders.remove();
    }
    await hub.stop();
  }
}

console.log(`result ${JSON.stringify(await run())}`);
