/**
 * Four daemons as processes that find each other by multicast and pull the same cold repo together; then one more, and one that
 * has to do without the origin. Prints what happened as JSON. Run by `swarm.test.ts` in a network namespace of its own, where the
 * loopback interface is all there is.
 */
import { assertCacheIsSound } from "../support/cache-checks.js";
import { syntheticContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { printResult, pull, SwarmOfProcesses } from "../support/swarm-of-processes.js";

const REPO = "acme/shared";
const SIZE_BYTES = 200 * 1024 * 1024 + 77;
const NODES = 4;
/** What they fetch again to compare would count as copies. */
const NO_CHECKS = ["--spot-check", "off"];

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
  const swarm = new SwarmOfProcesses();
  try {
    for (let i = 0; i < NODES; i += 1) await swarm.add(hub.url, NO_CHECKS);
    await swarm.meet();
    const cold = await Promise.all(swarm.nodes.map((node) => pull(node, REPO)));
    const egress = hub.stats().bytesSent / SIZE_BYTES;
    hub.resetStats();
    const late = await swarm.add(hub.url, NO_CHECKS);
    await swarm.meet();
    const lateDone = await pull(late, REPO);
    const lateEgress = hub.stats().bytesSent / SIZE_BYTES;
    hub.resetStats();
    const aloneDone = await pull(await swarm.add(hub.url, ["--no-peer"]), REPO);
    for (const { folders } of swarm.nodes) await assertCacheIsSound(folders.cacheDir);
    return { egress, cold, lateEgress, late: lateDone, alone: aloneDone, sizeBytes: SIZE_BYTES };
  } finally {
    await swarm.stop();
    await hub.stop();
  }
}

printResult(await run());
