/**
 * Three nodes, two of them with room for little more than one model. Both hold the same one and make room for another at the same
 * moment; then one wants two copies of something. Run by `copies.test.ts` in a network namespace.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { runSwarm } from "../support/binaries.js";
import { syntheticContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { printResult, pull, type SwarmNode, SwarmOfProcesses } from "../support/swarm-of-processes.js";

const SIZE_BYTES = 20 * 1024 * 1024;
const REPOS = ["acme/shared", "acme/one", "acme/two", "acme/pinned"] as const;
/** Changes are announced within 100 ms; a busy machine may take longer. */
const SPREADING_MS = 2_000;
const PATIENCE_MS = 60_000;

const hub = await EmbeddedHub.start({
  repos: REPOS.map((name, seed) => {
    return { name, files: { "model.safetensors": syntheticContent({ seed: 70 + seed, sizeBytes: SIZE_BYTES }) } };
  }),
});
await hub.prepare();

async function cached({ env }: SwarmNode): Promise<readonly string[]> {
  const { stdout } = await runSwarm(["ls", "--json"], env);
  return (JSON.parse(stdout) as { revisions: { repo: string }[] }).revisions.map(({ repo }) => repo);
}

async function holdersOf(repo: string, nodes: readonly SwarmNode[]): Promise<number> {
  const all = await Promise.all(nodes.map(cached));
  return all.filter((repos) => repos.includes(repo)).length;
}

const swarm = new SwarmOfProcesses();
try {
  const small = ["--cache-max-size", String(SIZE_BYTES * 1.5)];
  const one = await swarm.add(hub.url, small);
  const two = await swarm.add(hub.url, small);
  const big = await swarm.add(hub.url, ["--cache-max-size", String(SIZE_BYTES * 8)]);
  await swarm.meet();
  await pull(one, "acme/shared");
  await pull(two, "acme/shared");
  await sleep(SPREADING_MS);
  await Promise.all([pull(one, "acme/one"), pull(two, "acme/two")]);
  await sleep(SPREADING_MS);
  const together = await holdersOf("acme/shared", swarm.nodes);
  const [first, second] = [await cached(one), await cached(two)];

  await pull(big, "acme/pinned");
  await sleep(SPREADING_MS);
  const roomy = await swarm.add(hub.url);
  await swarm.meet();
  // From here on the origin gives nobody a byte of any file: what comes, comes from the LAN.
  hub.faults.set([{ kind: "status", status: 503, on: ["resolve", "resolveCache", "cdn"] }]);
  await runSwarm(["pin", "acme/pinned", "--replicas", "2"], big.env);
  let replicas = 0;
  for (let waitedMs = 0; replicas < 2 && waitedMs < PATIENCE_MS; waitedMs += 500) {
    await sleep(500);
    replicas = await holdersOf("acme/pinned", swarm.nodes);
  }
  let soundReplicas = 0;
  for (const node of swarm.nodes) {
    if (!(await cached(node)).includes("acme/pinned")) continue;
    if ((await runSwarm(["verify", "acme/pinned"], node.env)).exitCode === 0) soundReplicas += 1;
  }
  const warnings = swarm.nodes.filter(({ daemon }) => daemon.stderr().includes("evicted the last copy")).length;
  const placedAt = (await cached(roomy)).includes("acme/pinned") ? "roomy" : "elsewhere";
  const wanCopies = Object.fromEntries(
    REPOS.map((name) => [name, (hub.stats().files[`${name}/model.safetensors`]?.bytesSent ?? 0) / SIZE_BYTES]),
  );
  printResult({ together, first, second, replicas, soundReplicas, placedAt, warnings, wanCopies });
} finally {
  await swarm.stop();
  await hub.stop();
}
