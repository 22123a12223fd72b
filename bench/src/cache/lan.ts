/** The LAN as one cache: eight nodes that look after its copies, against eight that each look after their own. */
import { type Figure, median } from "../report.js";
import { type LanReplayed, replayLan, type Togetherness } from "./lan-replay.js";
import { TRACES } from "./traces.js";

const LAN = { nodes: 8, models: 400, slots: 30, requestsPerNode: 2_500 };
const SEEDS = [1, 2, 3, 4, 5];
const AT_LEAST = 1.25;

export function compareLan(log: (line: string) => void): readonly Figure[] {
  const { nodes, models, slots, requestsPerNode } = LAN;
  log(
    `\n${nodes} nodes with room for ${slots} models each out of ${models}, ${requestsPerNode} requests a node, median of ${SEEDS.length} seeds`,
  );
  log("| trace | separate lru | sharing, each for itself | the LAN as one cache | of these in the own cache |");
  log("|---|---|---|---|---|");
  return TRACES.map((trace): Figure => {
    const run = (how: Togetherness, of: (one: LanReplayed) => number) =>
      median(SEEDS.map((seed) => replayLan(trace, how, { ...LAN, seed })).map((one) => of(one) / one.requests));
    const all = ({ localHits, lanHits }: LanReplayed) => localHits + lanHits;
    const [separate, blind, aware] = [run("separate", all), run("blind", all), run("aware", all)];
    const own = run("aware", ({ localHits }) => localHits);
    log(`| ${trace.name} | ${percent(separate)} | ${percent(blind)} | ${percent(aware)} | ${percent(own)} |`);
    return {
      what: `hits of 8 nodes, trace ${trace.name}: the LAN as one cache`,
      measured: `${separate === 0 ? "∞" : (aware / separate).toFixed(2)} × (${percent(aware)})`,
      against: `separate lru caches of the same size: ${percent(separate)}; sharing, each for itself: ${percent(blind)}`,
      target: `≥ ${AT_LEAST} ×`,
      reached: aware >= AT_LEAST * separate,
    };
  });
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
