/** Tables for people, and a picture of a run. */

import { deceitsOf, type Figures, isHonest } from "./figures.js";
import type { Figure, Plan, Scenario, Target } from "./scenario.js";
import type { Outcome } from "./world.js";

/** One size of one scenario over several seeds. */
export interface Sample {
  readonly scenario: Scenario;
  readonly nodes: number;
  readonly runs: readonly Figures[];
}

/** What came of a target. */
export interface Verdict {
  readonly target: Target;
  readonly median: number;
  readonly worst: number;
  readonly isReached: boolean;
}

export function verdictsOf({ scenario, nodes, runs }: Sample): Verdict[] {
  return scenario.targets
    .filter(({ upTo = nodes, from = nodes }) => nodes <= upTo && nodes >= from)
    .map((target) => {
      const values = runs.map((run) => run[target.figure]).sort((a, b) => (target.isLeast === true ? b - a : a - b));
      const median = values[Math.floor((values.length - 1) / 2)] as number;
      const worst = values[values.length - 1] as number;
      const holds = (value: number, bound = Number.NaN) =>
        Number.isNaN(bound) || (target.isLeast === true ? value >= bound : value <= bound);
      return { target, median, worst, isReached: holds(median, target.median) && holds(worst, target.worst) };
    });
}

const NAMES: Record<Figure, string> = {
  egress: "egress",
  time: "time ÷ bound, slowest node",
  fastTime: "time ÷ bound, slowest fast node",
  ended: "nodes that ended",
  gossip: "gossip ÷ bytes moved",
  banned: "lies, per node lied to and liar, answered with a ban by that node",
  caught: "liars that lied to somebody, banned by somebody",
  wronged: "honest nodes banned by an honest one",
  right: "nodes that ended with right content",
  wasted: "bytes received twice",
  restless: "changes of duty ÷ shards",
};

/** A Markdown table with one line per target. */
export function tableOf(samples: readonly Sample[]): string {
  const lines = ["| scenario | N | seeds | figure | median | worst | target | |", "|---|---|---|---|---|---|---|---|"];
  for (const sample of samples) {
    for (const { target, median, worst, isReached } of verdictsOf(sample)) {
      const bound = [target.median, target.worst].map((one) => (one === undefined ? "–" : String(one))).join(" / ");
      const sign = target.isLeast === true ? "≥" : "≤";
      const digits = target.figure === "gossip" ? 5 : 3;
      lines.push(
        `| ${sample.scenario.name} | ${sample.nodes} | ${sample.runs.length} | ${NAMES[target.figure]} | ${median.toFixed(digits)} | ${worst.toFixed(digits)} | ${sign} ${bound} | ${isReached ? "reached" : "**missed**"} |`,
      );
    }
  }
  return lines.join("\n");
}

/** Everything about one run, line by line. */
export function detailsOf(outcome: Outcome, plan: Plan, figures: Figures): string {
  const rows: [string, string][] = Object.entries(figures).map(([name, value]) => [
    NAMES[name as Figure],
    name === "gossip" ? value.toExponential(2) : value.toFixed(4),
  ]);
  const perNode = outcome.gossipBytes / outcome.nodes.length;
  rows.push(
    ["bound", `${(Math.max(...plan.nodes.map((node) => plan.boundMs(node))) / 1_000).toFixed(1)} s`],
    ["ended after", `${(outcome.endMs / 1_000).toFixed(1)} s of virtual time`],
    ["gossip per node", `${(perNode / 1_000).toFixed(1)} kB`],
    ["requests refused", String(outcome.refusals)],
    ["inputs, decisions", `${outcome.inputs}, ${outcome.decisions}`],
    ["CPU per input, per decision", cpuOf(outcome)],
    ["decisions by reason", [...outcome.reasons].map(([reason, count]) => `${reason} ${count}`).join(", ")],
  );
  rows.push(["liars", liarsOf(outcome)]);
  for (const { failure, id } of outcome.nodes) if (failure !== undefined) rows.push([`failed: ${id}`, failure]);
  return rows.map(([name, value]) => `${name.padEnd(32)} ${value}`).join("\n");
}

/** How many liars there are, how many lied to somebody, and to how many each. */
function liarsOf(outcome: Outcome): string {
  const deceits = deceitsOf(outcome);
  const lied = new Set(deceits.map(({ liar }) => liar)).size;
  const banned = deceits.filter(({ isBanned }) => isBanned).length;
  const liars = outcome.nodes.filter((node) => !isHonest(node)).length;
  return `${liars}, of which ${lied} lied to somebody; ${deceits.length} times somebody was lied to, ${banned} bans`;
}

function cpuOf({ cpuMs, inputs, decisions }: Outcome): string {
  const each = (count: number) => `${((1_000 * cpuMs) / Math.max(1, count)).toFixed(1)} µs`;
  return `${each(inputs)}, ${each(decisions)}`;
}

const WIDTH = 900;
const HEIGHT = 480;
const MARGIN = 48;

/** Progress over time, one line per node: its share of all bytes, and the bound as a dashed line. */
export function svgOf(outcome: Outcome, plan: Plan, title: string): string {
  const size = plan.files.reduce((sum, bytes) => sum + bytes, 0);
  const x = (ms: number) => MARGIN + ((WIDTH - 2 * MARGIN) * ms) / Math.max(1, outcome.endMs);
  const y = (bytes: number) => HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * Math.min(1, bytes / size);
  const lines = outcome.nodes.map(({ curve, index }) => {
    const points = curve.map(([ms, bytes]) => `${x(ms).toFixed(1)},${y(bytes).toFixed(1)}`).join(" ");
    const hue = Math.round((360 * index) / outcome.nodes.length);
    return `<polyline points="${points}" fill="none" stroke="hsl(${hue} 60% 45%)" stroke-width="1" opacity="0.7"/>`;
  });
  const bound = Math.max(...plan.nodes.map((node) => node.startMs + plan.boundMs(node)));
  const text = (px: number, py: number, words: string) => `<text x="${px}" y="${py}">${words}</text>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="13">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    text(MARGIN, 28, title),
    `<line x1="${x(bound)}" x2="${x(bound)}" y1="${MARGIN}" y2="${HEIGHT - MARGIN}" stroke="black" stroke-dasharray="4 4"/>`,
    `<path d="M${MARGIN} ${MARGIN}V${HEIGHT - MARGIN}H${WIDTH - MARGIN}" fill="none" stroke="black"/>`,
    ...lines,
    text(MARGIN, HEIGHT - 16, "0 s"),
    text(WIDTH - MARGIN - 40, HEIGHT - 16, `${(outcome.endMs / 1_000).toFixed(1)} s`),
    text(8, MARGIN + 4, "100 %"),
    "</svg>",
    "",
  ].join("\n");
}
