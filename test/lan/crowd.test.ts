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
/** How long it takes depends on the cores that there are; it is printed. */
const PATIENCE_MS = 90_000;
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

/** Of what each had to do, all processes of the group taken together. */
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
  await waitUntilMet(nodes, PATIENCE_MS);
  const metMs = performance.now() - startMs;
  const cpu = cpuSeconds(nodes).toFixed(1);
  t.diagnostic(`ready after ${Math.round(readyMs)} ms, met after ${Math.round(metMs)} ms, ${cpu} CPU-seconds in all`);
  const ids = await Promise.all(nodes.map(async (node) => new Set(await node.peers())));
  for (const known of ids) assert.equal(known.size, HOSTS - 1);
});
