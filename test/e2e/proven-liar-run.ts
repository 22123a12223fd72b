/**
 * A daemon as a process that pulls, and a liar on the same LAN: it says that it holds the file, and brings the genuine proofs and an attestation
 * of it, but other bytes. Run in a network namespace of its own; prints what happened as JSON.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseBlobId, SHARD_BYTES } from "@swarmd/protocol";
import { jsonLines, runSwarm } from "../support/binaries.js";
import { assertCacheIsSound } from "../support/cache-checks.js";
import { bytesContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { LyingNode } from "../support/lying-node.js";
import { ProvingHolder } from "../support/proving-holder.js";
import { seededRandom } from "../support/seeded-random.js";
import { until } from "../support/swarm-kit.js";
import { peersOf, printResult, pull, type SwarmNode, SwarmOfProcesses } from "../support/swarm-of-processes.js";

const REPO = "acme/proven";
/** Three shards. */
const SIZE_BYTES = 36 * 1024 * 1024;
/** A shard takes seven seconds: on a busy machine, whoever is asked needs some to begin. */
const UPLINK_BYTES_PER_S = 2_500_000;

async function eventsOf({ folders }: SwarmNode): Promise<readonly Record<string, unknown>[]> {
  return jsonLines(await readFile(join(folders.stateDir, "events.jsonl"), "utf8").catch(() => ""));
}

async function run(): Promise<Record<string, unknown>> {
  const random = seededRandom(8);
  const content = Buffer.alloc(SIZE_BYTES);
  for (let at = 0; at < SIZE_BYTES; at += 4) content.writeUInt32LE(Math.floor(random() * 2 ** 32), at);
  const blob = parseBlobId(`sha256:${createHash("sha256").update(content).digest("hex")}`);
  const holder = await ProvingHolder.make(content, SHARD_BYTES);
  const file = { content: bytesContent(content), xetHash: holder.xetHash };
  const hub = await EmbeddedHub.start({
    repos: [{ name: REPO, files: { "model.safetensors": file } }],
    uplinkBytesPerSecond: UPLINK_BYTES_PER_S,
  });
  await hub.prepare();
  const liar = await LyingNode.start({ blob, content, lie: "proven-otherwise", holder, peers: [] });
  const swarm = new SwarmOfProcesses();
  try {
    // One shard at a time from a slow origin: whoever else says that it has the file is asked for the others.
    const node = await swarm.add(hub.url, ["--peer", liar.address, "--workers", "1"]);
    await until("the liar is known", async () => (await peersOf(node)).length >= 1, 60_000);
    await pull(node, REPO);
    const served = liar.served.length;
    const banned = (await peersOf(node)).filter(({ state }) => state === "banned").map(({ id, why }) => ({ id, why }));
    const shown = (await runSwarm(["peers"], node.env)).stdout;
    await assertCacheIsSound(node.folders.cacheDir);
    const failures = (await eventsOf(node)).filter(({ type }) => type === "attempt-failed");
    return {
      liar: liar.id,
      served,
      faults: failures.map(({ code }) => code),
      messages: failures.map(({ message }) => message),
      banned,
      shown,
    };
  } finally {
    await swarm.stop();
    await liar.stop();
    await hub.stop();
    await holder.stop();
  }
}

printResult(await run());
