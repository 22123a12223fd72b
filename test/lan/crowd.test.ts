/** A dozen machines that are switched on at once: everybody finds everybody. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { Lan } from "./lan.js";
import { LanNode } from "./lan-node.js";
import { waitUntilMet } from "./meeting.js";
import { findObstacle } from "./namespaces.js";

const HOSTS = 12;
const PAIRS = (HOSTS * (HOSTS - 1)) / 2;
/** How long it takes depends on the cores that there are; it is printed. */
const PATIENCE_MS = 90_000;
/** Seldom: two cores have enough to do, and to be asked is work. */
const LOOK_MS = 400;
/** Of `/proc/net/tcp`: state 1, and libp2p's port 7482 at either end. */
const ESTABLISHED = /^ *\d+: (?:[0-9A-F]{8}:1D3A [0-9A-F]{8}:[0-9A-F]{4}|[0-9A-F]{8}:[0-9A-F]{4} [0-9A-F]{8}:1D3A) 01 /;
/** Nobody is asked for a file here. */
const NO_ORIGIN = "http://10.77.0.1:9";

const obstacle = findObstacle();
if (obstacle !== undefined) console.error(`SKIPPED, no crowd meets: ${obstacle}`);

let lan: Lan;
let folder: string;

before(() => {
  if (obstacle !== undefined) return;
  folder = mkdtempSync(join(tmpdir(), "swlan-"));
  lan = Lan.create({ hosts: HOSTS, lanMbit: 1_000 });
});

after(() => {
  lan?.remove();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

/** Connections between nodes: one for each pair would do; where both dialled, there are two. */
function countConnections(nodes: readonly LanNode[]): number {
  const ends = nodes.flatMap(({ pid }) =>
    readFileSync(`/proc/${pid}/net/tcp`, "utf8")
      .split("\n")
      .filter((line) => ESTABLISHED.test(line)),
  );
  return ends.length / 2;
}

/** Of all their processes. */
function cpuSeconds(nodes: readonly LanNode[]): number {
  const ticks = nodes.map(({ pid }) => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.reduce((sum, one) => sum + one, 0) / 100;
}

it("twelve nodes that start together all meet", { skip: obstacle ?? false, timeout: 200_000 }, async (t) => {
  const startMs = performance.now();
  const nodes = lan.hosts.map((host) => new LanNode({ host, folder, endpoint: NO_ORIGIN }));
  await Promise.all(nodes.map((node) => node.ready()));
  const readyMs = performance.now() - startMs;
  await waitUntilMet(nodes, PATIENCE_MS, LOOK_MS);
  const metMs = performance.now() - startMs;
  const work = `${cpuSeconds(nodes).toFixed(1)} CPU-seconds, ${countConnections(nodes)} connections of ${PAIRS} pairs`;
  t.diagnostic(`ready after ${Math.round(readyMs)} ms, met after ${Math.round(metMs)} ms, ${work}`);
  const ids = await Promise.all(nodes.map(async (node) => new Set(await node.peers())));
  for (const known of ids) assert.equal(known.size, HOSTS - 1);
});
