/** A file that is in the cache, through the gateway to curl, against nginx with sendfile; and how early its first byte is there. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { Agent } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { syntheticContent } from "@swarmd/test/support/hub/content";
import { EmbeddedHub } from "@swarmd/test/support/hub/hub";
import { startNginx } from "../nginx.js";
import { type Figure, median } from "../report.js";
import { receive, startGatewayNode } from "./gateway-node.js";

const SIZE_BYTES = 1024 ** 3;
const ROUNDS = 9;
const FIRST_BYTES = 300;
const REPO = "acme/large";
const NAME = "model.safetensors";
const TMPFS = "/dev/shm";

export async function cachedFile(log: (line: string) => void): Promise<readonly Figure[]> {
  for (const [tool, flag] of [
    ["nginx", "-v"],
    ["curl", "--version"],
  ] as const) {
    if (spawnSync(tool, [flag]).status !== 0) throw new Error(`this benchmark needs ${tool}`);
  }
  const parent = existsSync(TMPFS) ? TMPFS : tmpdir();
  const hub = await EmbeddedHub.start({
    repos: [{ name: REPO, files: { [NAME]: syntheticContent({ seed: 7, sizeBytes: SIZE_BYTES }) } }],
  });
  await hub.prepare();
  const node = await startGatewayNode(hub.url, ["--no-peer"], parent);
  const scratch = await mkdtemp(join(parent, "swarmd-nginx-"));
  try {
    const commit = hub.getRepo(REPO).findCommit("main")?.id as string;
    const url = `${node.url}/${REPO}/resolve/${commit}/${NAME}`;
    const { sha256 } = await receive(url);
    const nginx = await startNginx(scratch, join(node.folders.cacheDir, "models--acme--large", "blobs"));
    const rates: { nginx: number[]; gateway: number[] } = { nginx: [], gateway: [] };
    try {
      for (let round = 0; round <= ROUNDS; round += 1) {
        const ofNginx = await timeCurl(`http://127.0.0.1:${nginx.port}/${sha256}`);
        const ofGateway = await timeCurl(url);
        log(`  round ${round}: MB/s: nginx ${ofNginx.toFixed(0)}, gateway ${ofGateway.toFixed(0)}`);
        if (round === 0) continue;
        rates.nginx.push(ofNginx);
        rates.gateway.push(ofGateway);
      }
    } finally {
      await nginx.stop();
    }
    const ratio = median(rates.gateway.map((rate, round) => rate / (rates.nginx[round] as number)));
    const agent = new Agent({ keepAlive: true });
    const first: number[] = [];
    for (let i = 0; i < FIRST_BYTES; i += 1) {
      const at = (i * 3_333_333) % (SIZE_BYTES - 65_536);
      first.push((await receive(url, { agent, range: `bytes=${at}-${at + 65_535}` })).firstByteMs);
    }
    agent.destroy();
    first.sort((a, b) => a - b);
    return [
      {
        what: "a cached file of 1 GiB through the gateway to curl",
        measured: `${ratio.toFixed(2)} × (${median(rates.gateway).toFixed(0)} MB/s)`,
        against: `nginx, sendfile: ${median(rates.nginx).toFixed(0)} MB/s`,
        target: "≥ 0.80 ×",
        reached: ratio >= 0.8,
      },
      {
        what: `first byte of a cached file, ${FIRST_BYTES} ranges`,
        measured: `median ${median(first).toFixed(1)} ms, p99 ${first[Math.floor(first.length * 0.99)]?.toFixed(1)} ms`,
        target: "median ≤ 5 ms",
        reached: median(first) <= 5,
      },
    ];
  } finally {
    await node.stop();
    await hub.stop();
    await rm(scratch, { recursive: true, force: true });
  }
}

/** MB/s; what comes is thrown away. */
async function timeCurl(url: string): Promise<number> {
  const startedMs = performance.now();
  const child = spawn("curl", ["-s", "-f", "-o", "/dev/null", url], { stdio: "inherit" });
  const [exitCode] = await once(child, "close");
  const elapsedMs = performance.now() - startedMs;
  if (exitCode !== 0) throw new Error(`curl ended with ${exitCode}`);
  return SIZE_BYTES / 1000 / elapsedMs;
}
