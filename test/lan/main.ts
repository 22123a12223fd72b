/**
 * `npm run lan -- --nodes 8`: a LAN in this machine, an origin behind a slow uplink, real daemons that pull one repo together. Prints what
 * crossed the uplink and how long it took, next to one node alone.
 */
import { tmpdir } from "node:os";
import { parseArgs } from "node:util";
import { formatBytes, formatDuration, formatRate, parseBytes } from "@swarmd/protocol";
import type { DoneEvent } from "@swarmd/protocol/api";
import type { Lan } from "./lan.js";
import { LanNode } from "./lan-node.js";
import { LanOrigin } from "./lan-origin.js";
import { waitUntilMet } from "./meeting.js";
import { findObstacle } from "./namespaces.js";
import { withLan } from "./with-lan.js";

const USAGE = `usage: npm run lan -- [--nodes N] [--size BYTES] [--uplink MBIT] [--link MBIT] [--fast N] [--no-peer] [--dir DIR]
  --nodes N     hosts that pull together (default 8)
  --size BYTES  of the repo (default 256MB)
  --uplink MBIT what the origin can send (default 200)
  --link MBIT   every cable of the LAN, each way (default 1000)
  --fast N      the first N hosts have a thunderbolt0 of 5000 Mbit/s between them as well (default 0)
  --no-peer     everybody pulls from the origin: what it is like without a swarm
  --dir DIR     where the nodes' folders are made (default: the system's folder for temporary files)
The figures, next to what they should be: npm run bench -- lan --help`;

const ALONE = "lan/alone";
const TOGETHER = "lan/together";
/** Peers find each other within a second; a busy machine takes its time. */
const MEET_MS = 60_000;
const PULL_MS = 30 * 60_000;

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "8" },
    size: { type: "string", default: "256MB" },
    uplink: { type: "string", default: "200" },
    link: { type: "string", default: "1000" },
    fast: { type: "string", default: "0" },
    "no-peer": { type: "boolean", default: false },
    dir: { type: "string", default: tmpdir() },
    help: { type: "boolean", default: false },
  },
});

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function runAll(lan: Lan, folder: string): Promise<void> {
  const weightBytes = parseBytes(values.size);
  say(`computing the digests of two repos of ${formatBytes(weightBytes)} …`);
  const origin = await LanOrigin.start(lan.origin, weightBytes, [ALONE, TOGETHER]);
  const startArgs = ["--log-level", "warn", ...(values["no-peer"] ? ["--no-peer"] : [])];
  const nodes = lan.hosts.map((host) => new LanNode({ host, folder, endpoint: origin.url, startArgs }));
  await Promise.all(nodes.map((node) => node.ready()));
  if (values["no-peer"] !== true) {
    const metMs = await waitUntilMet(nodes, MEET_MS);
    say(
      `${nodes.length} nodes, started together, all knew each other ${formatDuration(metMs)} after the last was ready`,
    );
  }

  await origin.egress();
  const [first] = nodes as [LanNode, ...LanNode[]];
  const aloneMs = await timed(() => first.pull(ALONE, PULL_MS));
  const aloneEgress = await origin.egress();
  say(
    `one node alone   ${formatDuration(aloneMs.elapsedMs)}   egress ${ratio(aloneEgress.bytesSent, aloneMs.value.bytes)}`,
  );

  const before = lan.origin.counters();
  const together = await timed(() => Promise.all(nodes.map((node) => node.pull(TOGETHER, PULL_MS))));
  const egress = await origin.egress();
  const wireBytes = lan.origin.counters().sentBytes - before.sentBytes;
  const bytes = together.value[0]?.bytes ?? 0;
  const factor = together.elapsedMs / aloneMs.elapsedMs;
  say(
    `${nodes.length} nodes together ${formatDuration(together.elapsedMs)}   egress ${ratio(egress.bytesSent, bytes)} (${formatBytes(wireBytes)} on the wire)   ${factor.toFixed(2)} × the time of one`,
  );
  for (const [index, done] of together.value.entries()) say(`  ${nodes[index]?.host.name.padEnd(4)} ${describe(done)}`);
  await Promise.all(nodes.map((node) => node.stop()));
}

async function timed<Value>(
  work: () => Promise<Value>,
): Promise<{ readonly value: Value; readonly elapsedMs: number }> {
  const startMs = performance.now();
  const value = await work();
  return { value, elapsedMs: performance.now() - startMs };
}

function ratio(part: number, whole: number): string {
  return `${(part / whole).toFixed(3)} ×`;
}

function describe({ bytes, bytesFromOrigin, bytesFromPeers, elapsedMs, sources }: DoneEvent): string {
  const share = (part: number) => `${((100 * part) / bytes).toFixed(0)} %`.padStart(5);
  const rate = formatRate((1000 * bytes) / elapsedMs);
  const perSource = sources.map(({ peer, link, bytes: got }) => `${peer.slice(-6)} ${link} ${formatBytes(got)}`);
  return `${formatDuration(elapsedMs)}  ${rate}  origin ${share(bytesFromOrigin)}  peers ${share(bytesFromPeers)}  ${perSource.join(", ")}`;
}

const obstacle = findObstacle();
if (values.help) {
  say(USAGE);
} else if (obstacle !== undefined) {
  console.error(`no LAN can be made here: ${obstacle}`);
  process.exitCode = 1;
} else {
  const lan = {
    parent: values.dir,
    hosts: Number(values.nodes),
    uplinkMbit: Number(values.uplink),
    lanMbit: Number(values.link),
    fastHosts: Number(values.fast),
    fastMbit: 5_000,
  };
  await withLan(lan, runAll);
}
