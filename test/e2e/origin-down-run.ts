/**
 * Nodes that know a repo's file list pull it from a peer: by commit, offline, and while the origin is down. What nobody has can't be
 * had. Run by `origin-down.test.ts` in a network namespace.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runSwarm, startDaemon, stopDaemon } from "../support/binaries.js";
import { syntheticContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { printResult, pull, SwarmOfProcesses } from "../support/swarm-of-processes.js";

const REPO = "acme/wanted";
const NOWHERE = "acme/nowhere";
const SIZE_BYTES = 40 * 1024 * 1024;
const PORTS = ["--p2p-port", "0", "--lane-port", "0"];

const hub = await EmbeddedHub.start({
  repos: [REPO, NOWHERE].map((name, seed) => {
    const model = syntheticContent({ seed, sizeBytes: SIZE_BYTES });
    return { name, files: { "config.json": `{"seed":${seed}}`, "model.safetensors": model } };
  }),
});
await hub.prepare();
const swarm = new SwarmOfProcesses();
let isUp = true;
try {
  const holder = await swarm.add(hub.url);
  const [byCommit, offline, originDown] = [
    await swarm.add(hub.url),
    await swarm.add(hub.url),
    await swarm.add(hub.url),
  ] as const;
  await swarm.meet();
  await pull(holder, REPO);
  // They learn the file list, and have one small file of it.
  for (const node of [byCommit, offline, originDown]) {
    for (const repo of [REPO, NOWHERE]) await pull(node, repo, "--include", "config.json");
  }
  const ref = join(byCommit.folders.cacheDir, "models--acme--wanted", "refs", "main");
  const commit = (await readFile(ref, "utf8")).trim();
  hub.resetStats();
  const commitDone = await pull(byCommit, `${REPO}@${commit}`);
  const egress = hub.stats().bytesSent;
  const offlineDone = await pull(offline, REPO, "--offline");
  const nowhere = await runSwarm(["pull", NOWHERE, "--offline", "--json"], offline.env);
  await hub.stop();
  isUp = false;
  // A holder that starts anew while the origin is down still knows what it may offer.
  await stopDaemon(holder.daemon);
  const again = await startDaemon(PORTS, holder.env);
  await runSwarm(["rm", REPO, "--yes"], byCommit.env);
  await runSwarm(["rm", REPO, "--yes"], offline.env);
  await swarm.meet();
  await sleep(1_000);
  const downDone = await pull(originDown, REPO);
  await stopDaemon(again);
  printResult({ commitDone, egress, offlineDone, downDone, nowhere, sizeBytes: SIZE_BYTES });
} finally {
  await swarm.stop();
  if (isUp) await hub.stop();
}
