/**
 * Limits that change under running pulls, and what `swarm peers` says of the links they went over. Run by `limits.test.ts` in a
 * network namespace.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { launch, runSwarm } from "../support/binaries.js";
import { syntheticContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { peersOf, printResult, pull, type SwarmNode, SwarmOfProcesses } from "../support/swarm-of-processes.js";

const REPO = "acme/limited";
const SIZE_BYTES = 96 * 1024 * 1024;
const SLOW_BYTES_PER_S = 4_000_000;
const SLOWER_BYTES_PER_S = 1_000_000;
const LOOK_MS = 3_000;

async function setLimit(node: SwarmNode, flag: string, rate: string): Promise<void> {
  const { exitCode, stderr } = await runSwarm(["limits", flag, rate], node.env);
  if (exitCode !== 0) throw new Error(`swarm limits ended with ${exitCode}: ${stderr}`);
}

async function doneBytes({ env }: SwarmNode): Promise<number> {
  const { stdout } = await runSwarm(["status", "--json"], env);
  return (JSON.parse(stdout) as { pulls: { doneBytes: number }[] }).pulls[0]?.doneBytes ?? 0;
}

/** Bytes per second that the only pull of a node gains, over a while. */
async function rateOf(node: SwarmNode): Promise<number> {
  const [before, beforeMs] = [await doneBytes(node), performance.now()];
  await sleep(LOOK_MS);
  return ((await doneBytes(node)) - before) / ((performance.now() - beforeMs) / 1_000);
}

/** Pulls with `puller` while `limited` has a limit that is lowered, then lifted. */
async function pullUnder(puller: SwarmNode, limited: SwarmNode, flag: string) {
  await setLimit(limited, flag, `${SLOW_BYTES_PER_S}B/s`);
  const { finished } = launch("swarm", ["pull", REPO, "--json"], puller.env);
  while ((await doneBytes(puller)) === 0) await sleep(50);
  const slow = await rateOf(puller);
  await setLimit(limited, flag, `${SLOWER_BYTES_PER_S}B/s`);
  const slower = await rateOf(puller);
  const leftBytes = SIZE_BYTES - (await doneBytes(puller));
  await setLimit(limited, flag, "none");
  const liftedMs = performance.now();
  const { exitCode } = await finished;
  return { flag, exitCode, slow, slower, leftBytes, liftedS: (performance.now() - liftedMs) / 1_000 };
}

const hub = await EmbeddedHub.start({
  repos: [{ name: REPO, files: { "model.safetensors": syntheticContent({ seed: 3, sizeBytes: SIZE_BYTES }) } }],
});
await hub.prepare();
const swarm = new SwarmOfProcesses();
try {
  const first = await swarm.add(hub.url);
  const second = await swarm.add(hub.url);
  await swarm.meet();
  const runs = [await pullUnder(first, first, "--max-origin"), await pullUnder(second, second, "--max-download")];
  const third = await swarm.add(hub.url);
  await swarm.meet();
  await runSwarm(["rm", REPO, "--yes"], second.env);
  await sleep(1_000);
  runs.push(await pullUnder(third, first, "--max-upload"));
  await pull(third, REPO);
  const shown = await runSwarm(["limits", "--json"], first.env);
  const wrong = await runSwarm(["limits", "--max-upload", "10Mb/s"], first.env);
  const alone = await swarm.add(hub.url, ["--no-peer"]);
  const peerless = await runSwarm(["limits", "--max-upload", "10MB/s"], alone.env);
  printResult({
    runs,
    limits: { slow: SLOW_BYTES_PER_S, slower: SLOWER_BYTES_PER_S, sizeBytes: SIZE_BYTES },
    shown: JSON.parse(shown.stdout),
    wrong: { exitCode: wrong.exitCode, stderr: wrong.stderr },
    peerless: { exitCode: peerless.exitCode, stderr: peerless.stderr },
    peersOfFirst: await peersOf(first),
    peersOfThird: await peersOf(third),
  });
} finally {
  await swarm.stop();
  await hub.stop();
}
