/** Random operations on eight simulated nodes, a thousand times: is the last copy ever lost while there is room? */
import { runSafety } from "@swarmd/test/sim/cache/cache-world";
import type { Figure } from "../report.js";

export function checkSafety(seeds: number, log: (line: string) => void): readonly Figure[] {
  const total = { lostWithRoom: 0, lostWithoutRoom: 0, drops: 0, contested: 0 };
  for (let seed = 1; seed <= seeds; seed += 1) {
    const result = runSafety({ seed, nodes: 8, operations: 300 });
    for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += result[name];
    if (result.lostWithRoom > 0) log(`seed ${seed}: ${result.lostWithRoom} lost`);
  }
  const { lostWithRoom, lostWithoutRoom, drops, contested } = total;
  log(`\n${seeds} seeds, 300 operations each, a tenth of the messages lost, delays up to 2 s, nodes that go away:`);
  log(
    `${drops} drops, ${contested} of them close behind another of the same; ${lostWithoutRoom} last copies went because no node had room`,
  );
  return [
    {
      what: `last copies lost while another node had room, ${seeds} seeds`,
      measured: String(lostWithRoom),
      target: "0",
      reached: lostWithRoom === 0,
    },
  ];
}
