/**
 * One node holds two repos, another knows it. The first repo is removed with `swarm rm`, the second one's files are deleted by
 * somebody else and missed by `swarm verify`. Then the other node pulls both. Run by `lost.test.ts` in a network namespace.
 */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runSwarm } from "../support/binaries.js";
import { syntheticContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { printResult, pull, SwarmOfProcesses, timesPeersWereAsked } from "../support/swarm-of-processes.js";

const SIZE_BYTES = 20 * 1024 * 1024;
const REPOS = ["acme/kept", "acme/removed", "acme/deleted"] as const;
/** Changes are announced within 100 ms; a busy machine may take longer. */
const SPREADING_MS = 2_000;

const hub = await EmbeddedHub.start({
  repos: REPOS.map((name, seed) => {
    return { name, files: { "model.safetensors": syntheticContent({ seed, sizeBytes: SIZE_BYTES }) } };
  }),
});
await hub.prepare();
const swarm = new SwarmOfProcesses();
try {
  const holder = await swarm.add(hub.url);
  const asker = await swarm.add(hub.url);
  await swarm.meet();
  for (const repo of REPOS) await pull(holder, repo);
  await runSwarm(["rm", REPOS[1], "--yes"], holder.env);
  const blobs = join(holder.folders.cacheDir, "models--acme--deleted", "blobs");
  for (const name of await readdir(blobs)) await rm(join(blobs, name));
  const verify = await runSwarm(["verify"], holder.env);
  await sleep(SPREADING_MS);
  const lost = [await pull(asker, REPOS[1]), await pull(asker, REPOS[2])];
  const askedInVain = await timesPeersWereAsked(asker);
  const kept = await pull(asker, REPOS[0]);
  printResult({ lost, askedInVain, kept, asked: await timesPeersWereAsked(asker), verifyExit: verify.exitCode });
} finally {
  await swarm.stop();
  await hub.stop();
}
