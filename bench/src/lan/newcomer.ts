/** i: how soon the others know a node that comes up. */
import { setTimeout as sleep } from "node:timers/promises";
import type { LanHost } from "@swarmd/test/lan/lan-host";
import { LanNode } from "@swarmd/test/lan/lan-node";
import { waitForPeers, waitUntilMet } from "@swarmd/test/lan/meeting";
import { withLan } from "@swarmd/test/lan/with-lan";
import { median } from "../report.js";
import { type LanFigures, MEET_MS, seconds, timed } from "./setting.js";

const NODES = 8;
const TIMES = 7;
const TOGETHER = 12;
const SETTLE_MS = 6_000;

export const newcomer: LanFigures = {
  letters: ["i"],
  about: `a node comes up on a LAN of ${NODES - 1}, ${TIMES} times; and ${TOGETHER} nodes that are switched on together`,
  run: ({ parent, log }) =>
    withLan({ parent, hosts: TOGETHER }, async (lan, folder) => {
      const endpoint = `http://${lan.origin.address}:1`;
      const make = (host: LanHost) => new LanNode({ host, folder, endpoint, startArgs: ["--log-level", "warn"] });
      const all = lan.hosts.map(make);
      await Promise.all(all.map((node) => node.ready()));
      const { elapsedMs: togetherMs } = await timed(() => waitUntilMet(all, MEET_MS));
      log(`  ${TOGETHER} started together: met ${seconds(togetherMs)} after the last was ready`);
      for (const node of all.splice(NODES - 1)) await node.stop();
      const knownMs: number[] = [];
      for (let time = 0; time < TIMES; time += 1) {
        await sleep(SETTLE_MS);
        const { value: node, elapsedMs: startMs } = await timed(async () => {
          const started = make(lan.hosts[NODES - 1] as LanHost);
          await started.ready();
          return started;
        });
        const elders = all.map((elder) => waitForPeers(elder, NODES - 1, MEET_MS));
        const meetings = await Promise.all([...elders, waitForPeers(node, NODES - 1, MEET_MS)]);
        knownMs.push(Math.max(...meetings));
        log(`  ready after ${startMs.toFixed(0)} ms, known to all ${knownMs.at(-1)?.toFixed(0)} ms later`);
        await node.stop();
      }
      const worst = Math.max(...knownMs);
      return [
        {
          id: "i",
          what: `a node comes up: known to its ${NODES - 1} peers, and they to it`,
          measured: `median ${median(knownMs).toFixed(0)} ms, worst of ${TIMES} ${worst.toFixed(0)} ms`,
          against: "from the line that says it is ready, looked at every 50 ms",
          target: "≤ 1000 ms",
          reached: worst <= 1_000,
          values: { medianMs: median(knownMs), worstMs: worst },
        },
        {
          id: "i",
          what: `${TOGETHER} nodes switched on together: all know each other`,
          measured: seconds(togetherMs),
          against: "from the last one's being ready",
          target: "(no target)",
          reached: true,
          values: { togetherMs },
        },
      ];
    }),
};
