/** a, b: nodes that start cold together behind a slow uplink; and the same when one that fetches is killed. */

import { setTimeout as sleep } from "node:timers/promises";
import type { DoneEvent } from "@swarmd/protocol/api";
import { LanNode } from "@swarmd/test/lan/lan-node";
import { LanOrigin } from "@swarmd/test/lan/lan-origin";
import { waitUntilMet } from "@swarmd/test/lan/meeting";
import { withLan } from "@swarmd/test/lan/with-lan";
import type { Figure } from "../report.js";
import {
  checkFiles,
  describeCores,
  type LanFigures,
  MEET_MS,
  PULL_MS,
  pullAll,
  type Setting,
  seconds,
  timed,
  watchCores,
} from "./setting.js";

const NODES = 8;
const UPLINK_MBIT = 200;
const LAN_MBIT = 1000;
/** How long it is watched who fetches most. */
const WATCH_MS = 1_000;
const [ALONE, TOGETHER, KILLED] = ["lan/alone", "lan/together", "lan/killed"] as const;

export const coldTogether: LanFigures = {
  letters: ["a", "b"],
  about: `${NODES} nodes cold together, uplink ${UPLINK_MBIT} Mbit/s, LAN ${LAN_MBIT} Mbit/s; then again, and one that fetches is killed`,
  run: (setting) =>
    withLan(
      { parent: setting.parent, hosts: NODES, lanMbit: LAN_MBIT, uplinkMbit: UPLINK_MBIT },
      async (lan, folder) => {
        const { log, sizeBytes } = setting;
        const origin = await LanOrigin.start(lan.origin, sizeBytes, [ALONE, TOGETHER, KILLED]);
        const startArgs = ["--log-level", "warn"];
        const nodes = lan.hosts.map((host) => new LanNode({ host, folder, endpoint: origin.url, startArgs }));
        await Promise.all(nodes.map((node) => node.ready()));
        await waitUntilMet(nodes, MEET_MS);
        await origin.egress();
        const alone = await timed(() => (nodes[0] as LanNode).pull(ALONE, PULL_MS));
        log(`  one node alone: ${seconds(alone.elapsedMs)}; ${describeCores(alone.cores)}`);
        await nodes[0]?.remove(ALONE);
        await origin.egress();
        const together = await runTogether(nodes, origin, setting);
        for (const node of nodes) await node.remove(TOGETHER);
        await origin.egress();
        const killed = await runKilled(nodes, origin, alone.elapsedMs, setting);
        return [...figuresOf("a", together, alone.elapsedMs), ...figuresOf("b", killed, alone.elapsedMs)];
      },
    ),
};

interface Outcome {
  readonly elapsedMs: number;
  readonly egress: number;
}

async function runTogether(nodes: readonly LanNode[], origin: LanOrigin, { log }: Setting): Promise<Outcome> {
  const { value: dones, elapsedMs, cores } = await timed(() => pullAll(nodes, TOGETHER));
  const outcome = await outcomeOf(dones, elapsedMs, origin);
  log(
    `  ${nodes.length} together: ${seconds(elapsedMs)}, egress ${outcome.egress.toFixed(3)}; ${describeCores(cores)}`,
  );
  await checkFiles(nodes, dones[0]?.files ?? 0);
  return outcome;
}

async function runKilled(
  nodes: readonly LanNode[],
  origin: LanOrigin,
  aloneMs: number,
  { log }: Setting,
): Promise<Outcome> {
  const cores = watchCores();
  const startMs = performance.now();
  const pulls = nodes.map((node) => ({ node, pull: node.startPull(KILLED, PULL_MS) }));
  await sleep(aloneMs / 2 - WATCH_MS);
  const victim = await findFetcher(nodes, origin);
  await victim.kill();
  log(`  killed ${victim.host.name} after ${seconds(performance.now() - startMs)}`);
  const survivors = pulls.filter(({ node }) => node !== victim);
  const dones = await Promise.all(survivors.map(({ pull }) => pull.done));
  const elapsedMs = performance.now() - startMs;
  const outcome = await outcomeOf(dones, elapsedMs, origin);
  log(
    `  ${survivors.length} survivors: ${seconds(elapsedMs)}, egress ${outcome.egress.toFixed(3)}; ${describeCores(cores())}`,
  );
  await checkFiles(
    survivors.map(({ node }) => node),
    dones[0]?.files ?? 0,
  );
  return outcome;
}

/** Who took most from the origin in the last moment. */
async function findFetcher(nodes: readonly LanNode[], origin: LanOrigin): Promise<LanNode> {
  const fetched = async () => {
    const { bytesByHost } = await origin.peek();
    return nodes.map(({ host }) => bytesByHost[host.address] ?? 0);
  };
  const before = await fetched();
  await sleep(WATCH_MS);
  const now = await fetched();
  const gains = now.map((bytes, index) => bytes - (before[index] ?? 0));
  const most = Math.max(...gains);
  if (most === 0) throw new Error("nobody fetches from the origin midway");
  return nodes[gains.indexOf(most)] as LanNode;
}

async function outcomeOf(dones: readonly DoneEvent[], elapsedMs: number, origin: LanOrigin): Promise<Outcome> {
  const { bytesSent } = await origin.egress();
  return { elapsedMs, egress: bytesSent / (dones[0]?.bytes ?? Number.NaN) };
}

function figuresOf(letter: "a" | "b", { elapsedMs, egress }: Outcome, aloneMs: number): Figure[] {
  const [who, mostEgress, mostFactor] =
    letter === "a"
      ? ([`${NODES} nodes cold together`, 1.02, 1.05] as const)
      : ([`the same, one that fetches killed midway; all files of the others read back`, 1.05, 1.15] as const);
  const factor = elapsedMs / aloneMs;
  return [
    {
      id: letter,
      what: `${who}: copies over the uplink`,
      measured: `${egress.toFixed(3)} ×`,
      against: `${NODES} × without a swarm`,
      target: `≤ ${mostEgress} ×`,
      reached: egress <= mostEgress,
      values: { egress },
    },
    {
      id: letter,
      what: `${who}: time until all are done`,
      measured: `${factor.toFixed(3)} × (${seconds(elapsedMs)})`,
      against: `one node alone: ${seconds(aloneMs)}`,
      target: `≤ ${mostFactor} ×`,
      reached: factor <= mostFactor,
      values: { factor, elapsedMs, aloneMs },
    },
  ];
}
