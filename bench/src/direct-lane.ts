import { fork, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DirectLaneClient } from "@swarmd/daemon/transport/lanes/direct-lane-client";
import { RateLimit } from "@swarmd/daemon/transport/lanes/rate-limit";
import { FileDigests } from "@swarmd/daemon/verify/file-digest";
import { loadBlake3 } from "@swarmd/daemon/verify/shard-hasher";
import { parseBlobId, parseNodeId, SHARD_BYTES, ShardClaims } from "@swarmd/protocol";
import { readContent, syntheticContent } from "@swarmd/test/support/hub/content";
import type { SenderReady } from "./lane-sender.js";
import { startNginx } from "./nginx.js";
import { type Bench, type Figure, median } from "./report.js";

const SIZE_BYTES = 1024 ** 3;
const ROUNDS = 7;
const BLOB = parseBlobId(`sha256:${"0".repeat(64)}`);
const PEER = parseNodeId("bench");
const TMPFS = "/dev/shm";

/** What one place (tmpfs, disk) showed: MB/s, round by round. */
interface Measured {
  readonly curl: number[];
  readonly checked: number[];
  readonly finished: number[];
  readonly tls: number[];
}

/** One stream on the direct lane between two processes, every shard's hash compared, against nginx (sendfile) → curl, unverified. */
export const directLane: Bench = {
  name: "direct-lane",
  about:
    "one stream of 1 GiB, each shard checked, against nginx (sendfile) → curl, unverified; in turn, the ratio pair by pair",
  async run(log) {
    for (const tool of ["nginx", "curl"]) {
      if (spawnSync(tool, [tool === "nginx" ? "-v" : "--version"]).status !== 0) {
        throw new Error(`this benchmark needs ${tool}`);
      }
    }
    const figures: Figure[] = [];
    for (const [name, parent, target] of [
      ["tmpfs", TMPFS, 1.3],
      ["disk", tmpdir(), 1],
    ] as const) {
      if (!existsSync(parent)) continue;
      const { curl, checked, finished, tls } = await measure(name, parent, log);
      const against = `nginx → curl: ${median(curl).toFixed(0)} MB/s`;
      const figure = (what: string, rates: readonly number[], least: number | undefined): Figure => {
        const ratio = median(rates.map((rate, round) => rate / (curl[round] as number)));
        return {
          what: `direct lane to ${name}, ${what}`,
          measured: `${ratio.toFixed(2)} × (${median(rates).toFixed(0)} MB/s)`,
          against,
          target: least === undefined ? "(no target)" : `≥ ${least.toFixed(1)} ×`,
          reached: least === undefined || ratio >= least,
        };
      };
      figures.push(figure("each shard checked", checked, target));
      figures.push(figure("and the file's sha256 finished", finished, name === "tmpfs" ? 1 : undefined));
      figures.push(figure("TLS, each shard checked", tls, undefined));
    }
    return figures;
  },
};

async function measure(name: string, parent: string, log: (line: string) => void): Promise<Measured> {
  const folder = await mkdtemp(join(parent, "swarmd-bench-"));
  const source = join(folder, "source");
  const hashes = await makeSource(source);
  const digests = new FileDigests();
  const nginx = await startNginx(folder);
  const plain = await startSender(source, "plain");
  const tls = await startSender(source, "tls");
  const rates: Measured = { curl: [], checked: [], finished: [], tls: [] };
  try {
    for (let round = 0; round <= ROUNDS; round += 1) {
      const measured = {
        curl: await timeCurl(folder, nginx.port),
        checked: await timeLane(folder, plain, hashes),
        finished: await timeLane(folder, plain, hashes, digests),
        tls: await timeLane(folder, tls, hashes),
      };
      const words = Object.entries(measured).map(([what, rate]) => `${what} ${rate.toFixed(0)}`);
      log(`  ${name}, round ${round}: MB/s: ${words.join(", ")}`);
      // The first round warms caches and connections.
      if (round === 0) continue;
      for (const what of ["curl", "checked", "finished", "tls"] as const) rates[what].push(measured[what]);
    }
  } finally {
    for (const sender of [plain, tls]) await sender.stop();
    await nginx.stop();
    await digests.stop();
    await rm(folder, { recursive: true, force: true });
  }
  return rates;
}

/** Writes the file and returns the BLAKE3 of each shard. */
async function makeSource(path: string): Promise<readonly string[]> {
  const { createShardHasher } = await loadBlake3();
  const content = syntheticContent({ seed: 3, sizeBytes: SIZE_BYTES });
  const file = await open(path, "wx");
  const hashes: string[] = [];
  for (let at = 0; at < SIZE_BYTES; at += SHARD_BYTES) {
    const shard = await readContent(content, at, Math.min(at + SHARD_BYTES, SIZE_BYTES));
    await file.write(shard);
    const hasher = createShardHasher();
    hasher.update(shard);
    hashes.push(Buffer.from(hasher.digest()).toString("hex"));
  }
  await file.sync();
  await file.close();
  return hashes;
}

interface Sender {
  readonly client: DirectLaneClient;
  stop(): Promise<void>;
}

async function startSender(source: string, mode: "plain" | "tls"): Promise<Sender> {
  const child = fork(fileURLToPath(new URL("./lane-sender.js", import.meta.url)), [source, BLOB, mode]);
  const [{ port, ticket, certificateSha256 }] = (await once(child, "message")) as [SenderReady];
  const given = { ticket, validMs: 3_600_000, ...(certificateSha256 === undefined ? {} : { certificateSha256 }) };
  const client = new DirectLaneClient(
    { threads: 1 },
    {
      tickets: { get: async () => given },
      routes: { addresses: () => [{ link: "lo", host: "127.0.0.1", port }] },
      downloadLimit: RateLimit.of(undefined),
      nowMs: () => performance.now(),
    },
  );
  return {
    client,
    async stop() {
      await client.stop();
      const exited = once(child, "exit");
      child.disconnect();
      await exited;
    },
  };
}

/** MB/s, to a fresh file. */
async function timeLane(
  folder: string,
  { client }: Sender,
  hashes: readonly string[],
  digests?: FileDigests,
): Promise<number> {
  const path = join(folder, "received");
  await writeFile(path, "", { flag: "wx" });
  const signal = new AbortController().signal;
  const startedMs = performance.now();
  const digest = digests?.open(path, SIZE_BYTES, "sha256");
  let checked = 0;
  await client.source(PEER, "lo").fetch(
    {
      blob: BLOB,
      startBytes: 0,
      endBytes: SIZE_BYTES,
      path,
      sizeBytes: SIZE_BYTES,
      shardBytes: SHARD_BYTES,
      claims: ShardClaims.of(hashes.length).shared,
      owner: 1,
      onWritten(positionBytes, hash) {
        digest?.advance(positionBytes);
        if (positionBytes % SHARD_BYTES !== 0) return;
        const shard = positionBytes / SHARD_BYTES - 1;
        if (Buffer.from(hash).toString("hex") !== hashes[shard]) throw new Error(`shard ${shard} is wrong`);
        checked += 1;
      },
    },
    { signal },
  );
  await digest?.finish({ signal });
  digest?.close();
  const elapsedMs = performance.now() - startedMs;
  if (checked !== hashes.length) throw new Error(`${checked} of ${hashes.length} shards were checked`);
  await rm(path);
  return SIZE_BYTES / 1000 / elapsedMs;
}

async function timeCurl(folder: string, port: number): Promise<number> {
  const path = join(folder, "received");
  const startedMs = performance.now();
  const child = spawn("curl", ["-s", "-f", "-o", path, `http://127.0.0.1:${port}/source`], { stdio: "inherit" });
  const [exitCode] = await once(child, "close");
  const elapsedMs = performance.now() - startedMs;
  if (exitCode !== 0) throw new Error(`curl ended with ${exitCode}`);
  await rm(path);
  return SIZE_BYTES / 1000 / elapsedMs;
}
