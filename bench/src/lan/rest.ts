/** h: what a daemon costs that has nothing to do but know its 16 peers. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { LanNode } from "@swarmd/test/lan/lan-node";
import { waitUntilMet } from "@swarmd/test/lan/meeting";
import { withLan } from "@swarmd/test/lan/with-lan";
import { median } from "../report.js";
import { type LanFigures, MEET_MS, percent } from "./setting.js";

const NODES = 17;
/** What was busy when they met has come to rest. */
const SETTLE_MS = 20_000;
/** Longer than any period that a node at rest has. */
const WATCH_MS = 90_000;
/** Linux counts in hundredths of a second. */
const TICKS_PER_S = 100;
const MOST_CPU = 0.01;
const MOST_BYTES_PER_S = 2_000;

export const atRest: LanFigures = {
  letters: ["h"],
  about: `${NODES} daemons at rest for ${WATCH_MS / 1000} s`,
  run: ({ parent }) =>
    withLan({ parent, hosts: NODES }, async (lan, folder) => {
      const endpoint = `http://${lan.origin.address}:1`;
      const nodes = lan.hosts.map(
        (host) => new LanNode({ host, folder, endpoint, startArgs: ["--log-level", "warn"] }),
      );
      await Promise.all(nodes.map((node) => node.ready()));
      await waitUntilMet(nodes, 2 * MEET_MS);
      await sleep(SETTLE_MS);
      const look = () => nodes.map(({ host, pid }) => ({ ...host.counters(), cpuS: cpuSeconds(pid) }));
      const [before, startMs] = [look(), performance.now()];
      await sleep(WATCH_MS);
      const [after, elapsedS] = [look(), (performance.now() - startMs) / 1000];
      const rates = (field: "sentBytes" | "receivedBytes" | "cpuS") =>
        after.map((one, index) => (one[field] - (before[index]?.[field] ?? 0)) / elapsedS);
      const [cpu, sent, received] = [rates("cpuS"), rates("sentBytes"), rates("receivedBytes")];
      const perSecond = (values: readonly number[]) =>
        `${(median(values) / 1000).toFixed(2)}, at most ${(Math.max(...values) / 1000).toFixed(2)} kB/s`;
      return [
        {
          id: "h",
          what: `a daemon at rest with ${NODES - 1} peers: part of a core`,
          measured: `median ${percent(median(cpu))}, at most ${percent(Math.max(...cpu))}`,
          against: `user and system time over ${elapsedS.toFixed(0)} s`,
          target: "≤ 1 %",
          reached: Math.max(...cpu) <= MOST_CPU,
          values: { medianCpu: median(cpu), mostCpu: Math.max(...cpu) },
        },
        {
          id: "h",
          what: "the same: all bytes on the wire, headers included",
          measured: `sent ${perSecond(sent)}; received ${perSecond(received)}`,
          against: "interface counters",
          target: "≤ 2 kB/s each way",
          reached: Math.max(...sent, ...received) <= MOST_BYTES_PER_S,
          values: { mostSentBytesPerS: Math.max(...sent), mostReceivedBytesPerS: Math.max(...received) },
        },
      ];
    }),
};

/** Time that a process has been running on a core so far. */
function cpuSeconds(pid: number): number {
  // The name of the process, in brackets, may hold anything.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}
