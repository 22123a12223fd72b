/** g: memory of every daemon while each takes in 8 GiB and serves seven followers. */
import { readFileSync } from "node:fs";
import { LanNode } from "@swarmd/test/lan/lan-node";
import { LanOrigin } from "@swarmd/test/lan/lan-origin";
import { waitUntilMet } from "@swarmd/test/lan/meeting";
import { withLan } from "@swarmd/test/lan/with-lan";
import { type LanFigures, MEET_MS, pullAll, seconds, timed } from "./setting.js";

const NODES = 8;
const ROUNDS = 8;
const ROUND_BYTES = 1024 ** 3;
const SAMPLE_MS = 250;
const MOST_MB = 250;
/** More in the second half than in the first is growth; this much is noise of the garbage collector. */
const MOST_GROWTH = 1.1;
const repos = Array.from({ length: ROUNDS }, (_, round) => `lan/round-${round + 1}`);

export const memory: LanFigures = {
  letters: ["g"],
  about: `${NODES} nodes, of which one pulls from the origin and seven follow, ${ROUNDS} times a repo of 1 GiB, removed in between`,
  run: ({ parent, log }) =>
    withLan({ parent, hosts: NODES }, async (lan, folder) => {
      const origin = await LanOrigin.start(lan.origin, ROUND_BYTES, repos);
      const startArgs = ["--log-level", "warn"];
      const nodes = lan.hosts.map((host) => new LanNode({ host, folder, endpoint: origin.url, startArgs }));
      await Promise.all(nodes.map((node) => node.ready()));
      await waitUntilMet(nodes, MEET_MS);
      const perRound: number[][] = [];
      for (const repo of repos) {
        const most = nodes.map(() => 0);
        const timer = setInterval(() => {
          for (const [index, { pid }] of nodes.entries())
            most[index] = Math.max(most[index] ?? 0, residentMb(pid, "VmRSS"));
        }, SAMPLE_MS);
        try {
          const { elapsedMs } = await timed(() => pullAll(nodes, repo));
          log(`  ${repo}: ${seconds(elapsedMs)}, most resident, in MB: ${most.map(Math.round).join(" ")}`);
        } finally {
          clearInterval(timer);
        }
        for (const node of nodes) await node.remove(repo);
        perRound.push(most);
      }
      const peaks = nodes.map(({ pid }) => residentMb(pid, "VmHWM"));
      const half = (from: number, to: number) => Math.max(...perRound.slice(from, to).flat());
      const [early, late] = [half(0, ROUNDS / 2), half(ROUNDS / 2, ROUNDS)];
      const peak = Math.max(...peaks);
      return [
        {
          id: "g",
          what: `memory of ${NODES} daemons, each 8 GiB in and its share out to seven others: the highest peak`,
          measured: `${peak.toFixed(0)} MB (lowest ${Math.min(...peaks).toFixed(0)} MB)`,
          against: `first half ${early.toFixed(0)} MB, second half ${late.toFixed(0)} MB`,
          target: `≤ ${MOST_MB} MB, flat`,
          reached: peak <= MOST_MB && late <= early * MOST_GROWTH,
          values: { peakMb: peak, earlyMb: early, lateMb: late },
        },
      ];
    }),
};

/** Resident memory of a process, in MB of 10^6 bytes: now or at its highest. */
function residentMb(pid: number, field: "VmRSS" | "VmHWM"): number {
  const kib = Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  return (kib * 1024) / 1e6;
}
