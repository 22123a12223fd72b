/** Two hundred clients at once on one gateway, each with ranges of its own: every byte is looked at, and the daemon's memory. */
import { createHash } from "node:crypto";
import { Agent } from "node:http";
import { readContent, syntheticContent } from "@swarmd/test/support/hub/content";
import { EmbeddedHub } from "@swarmd/test/support/hub/hub";
import type { Figure } from "../report.js";
import { receive, startGatewayNode } from "./gateway-node.js";

const CLIENTS = 200;
const RANGES = 10;
const SIZE_BYTES = 256 * 1024 * 1024;
const MOST_RANGE_BYTES = 4 * 1024 * 1024;
const REPO = "acme/crowd";
const NAME = "model.safetensors";

export async function crowd(log: (line: string) => void): Promise<readonly Figure[]> {
  const content = syntheticContent({ seed: 8, sizeBytes: SIZE_BYTES });
  const bytes = await readContent(content);
  const hub = await EmbeddedHub.start({ repos: [{ name: REPO, files: { [NAME]: content } }] });
  await hub.prepare();
  const node = await startGatewayNode(hub.url, ["--no-peer"]);
  let peakMb = 0;
  const watch = setInterval(() => {
    peakMb = Math.max(peakMb, node.residentMb());
  }, 50);
  try {
    const url = `${node.url}/${REPO}/resolve/main/${NAME}`;
    let wrong = 0;
    let moved = 0;
    const startedMs = performance.now();
    // Cold: the first of them begin the fetch, and all read while it arrives.
    await Promise.all(
      Array.from({ length: CLIENTS }, async (_, client) => {
        const agent = new Agent({ keepAlive: true, maxSockets: 1 });
        for (let i = 0; i < RANGES; i += 1) {
          const [from, to] = rangeOf(client, i);
          const { sha256, bytes: count } = await receive(url, { agent, range: `bytes=${from}-${to - 1}` });
          moved += count;
          if (sha256 !== createHash("sha256").update(bytes.subarray(from, to)).digest("hex")) wrong += 1;
        }
        agent.destroy();
      }),
    );
    const seconds = (performance.now() - startedMs) / 1000;
    log(`  ${CLIENTS} clients, ${CLIENTS * RANGES} ranges, ${(moved / 1e9).toFixed(1)} GB in ${seconds.toFixed(1)} s`);
    const egress = hub.stats().bytesSent / SIZE_BYTES;
    return [
      {
        what: `${CLIENTS} clients at once on a cold file, ${CLIENTS * RANGES} ranges: wrong ones`,
        measured: `${wrong}`,
        against: `egress ${egress.toFixed(3)}`,
        target: "0",
        reached: wrong === 0,
      },
      {
        what: "memory of the daemon meanwhile",
        measured: `${peakMb.toFixed(0)} MB`,
        target: "≤ 300 MB",
        reached: peakMb > 0 && peakMb <= 300,
      },
    ];
  } finally {
    clearInterval(watch);
    await node.stop();
    await hub.stop();
  }
}

/** From a few bytes to some megabytes, anywhere; the same in every run. */
function rangeOf(client: number, i: number): [number, number] {
  const dice = createHash("sha256").update(`${client} ${i}`).digest();
  const from = Math.floor((dice.readUInt32LE(0) / 2 ** 32) * (SIZE_BYTES - 1));
  const length = 1 + Math.floor((dice.readUInt32LE(4) / 2 ** 32) ** 3 * MOST_RANGE_BYTES);
  return [from, Math.min(SIZE_BYTES, from + length)];
}
