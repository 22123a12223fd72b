/** Four nodes, each with a client that asks its own gateway for the same cold repo at the same moment: what leaves the Hub. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { runSwarm } from "@swarmd/test/support/binaries";
import { type Content, readContent, syntheticContent } from "@swarmd/test/support/hub/content";
import { EmbeddedHub } from "@swarmd/test/support/hub/hub";
import type { Figure } from "../report.js";
import { type GatewayNode, receive, startGatewayNode } from "./gateway-node.js";

const NODES = 4;
const REPO = "acme/shared";
const FILE_BYTES = 64 * 1024 * 1024;
const UPLINK = 25_000_000;
const MEET_MS = 30_000;

export async function coldTogether(log: (line: string) => void): Promise<readonly Figure[]> {
  const files: Record<string, Content | string> = { "config.json": "{}", "tokenizer.json": '{"model":{}}' };
  for (let i = 0; i < 3; i += 1) {
    files[`model-${i}.safetensors`] = syntheticContent({ seed: `together ${i}`, sizeBytes: FILE_BYTES + i });
  }
  const digests = new Map<string, string>();
  for (const [path, content] of Object.entries(files)) {
    const bytes = typeof content === "string" ? Buffer.from(content) : await readContent(content);
    digests.set(path, createHash("sha256").update(bytes).digest("hex"));
  }
  const totalBytes = Object.values(files).reduce(
    (sum, one) => sum + (typeof one === "string" ? one.length : one.sizeBytes),
    0,
  );
  const hub = await EmbeddedHub.start({ repos: [{ name: REPO, files }], uplinkBytesPerSecond: UPLINK });
  await hub.prepare();
  const nodes: GatewayNode[] = [];
  try {
    const named: string[] = [];
    for (let i = 0; i < NODES; i += 1) {
      const port = await freePort();
      const peers = named.flatMap((peer) => ["--peer", peer]);
      nodes.push(
        await startGatewayNode(hub.url, ["--no-mdns", "--p2p-port", String(port), "--lane-port", "0", ...peers]),
      );
      named.push(`127.0.0.1:${port}`);
    }
    await meet(nodes);
    hub.resetStats();
    const startedMs = performance.now();
    let wrong = 0;
    await Promise.all(
      nodes.map(({ url }) =>
        Promise.all(
          [...digests].map(async ([path, digest]) => {
            const { sha256 } = await receive(`${url}/${REPO}/resolve/main/${path}`);
            if (sha256 !== digest) wrong += 1;
          }),
        ),
      ),
    );
    const seconds = (performance.now() - startedMs) / 1000;
    const egress = hub.stats().bytesSent / totalBytes;
    log(`  ${NODES} clients, ${(totalBytes / 1e6).toFixed(0)} MB each, all done after ${seconds.toFixed(1)} s`);
    return [
      {
        what: `${NODES} nodes' clients ask for the same cold repo: egress`,
        measured: `${egress.toFixed(3)}, ${wrong} files wrong, ${((seconds * UPLINK) / totalBytes).toFixed(2)} × the time of one copy`,
        target: "≤ 1.02",
        reached: egress <= 1.02 && wrong === 0,
      },
    ];
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
    await hub.stop();
  }
}

async function meet(nodes: readonly GatewayNode[]): Promise<void> {
  const untilMs = performance.now() + MEET_MS;
  for (const { env } of nodes) {
    for (;;) {
      const { stdout } = await runSwarm(["peers", "--json"], env);
      if ((JSON.parse(stdout || "[]") as unknown[]).length >= nodes.length - 1) break;
      if (performance.now() > untilMs) throw new Error("the nodes have not met");
      await sleep(200);
    }
  }
  await sleep(1_000);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
