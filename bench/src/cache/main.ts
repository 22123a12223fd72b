/** `npm run bench -- cache`: what the policies are worth, how fast they decide, and whether a last copy is ever lost. */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Figure, renderTable } from "../report.js";
import { measureDecision } from "./decision-time.js";
import { measureHit } from "./hit.js";
import { compareLan } from "./lan.js";
import { comparePolicies } from "./policies.js";
import { chartRequests } from "./requests.js";
import { checkSafety } from "./safety.js";
import { measureStartUp } from "./start-up.js";

const PARTS = ["policies", "lan", "decision", "safety", "hit", "start"];

const USAGE = `usage: npm run bench -- cache [--only ${PARTS.join(",")}] [--svg DIR] [--seeds N]

  --only …    these parts alone
  --svg DIR   charts of hits, evictions and bytes over time, and of what requests spend their time on
  --seeds N   of the random operations (default 1000)`;

/** @returns the exit code: 0 all reached, 1 not, 2 usage */
export async function cacheFigures(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string", default: PARTS.join(",") },
      svg: { type: "string" },
      seeds: { type: "string", default: "1000" },
      help: { type: "boolean", default: false },
    },
  });
  const wanted = values.only.split(",");
  const seeds = Number(values.seeds);
  if (values.help || wanted.some((part) => !PARTS.includes(part)) || !Number.isInteger(seeds) || seeds < 1) {
    console.log(USAGE);
    return values.help ? 0 : 2;
  }
  const log = (line: string) => console.log(line);
  log(`Node ${process.version}, ${cpus().length} cores, load ${loadavg()[0]?.toFixed(1)}\n`);
  const figures: Figure[] = [];
  if (wanted.includes("policies")) {
    const compared = comparePolicies(log);
    figures.push(...compared.figures);
    if (values.svg !== undefined) writeCharts(values.svg, { ...compared.charts, ...(await chartRequests(log)) }, log);
  }
  if (wanted.includes("lan")) figures.push(...compareLan(log));
  if (wanted.includes("decision")) figures.push(...measureDecision(log));
  if (wanted.includes("safety")) figures.push(...checkSafety(seeds, log));
  if (wanted.includes("hit")) figures.push(...(await measureHit(log)));
  if (wanted.includes("start")) figures.push(...(await measureStartUp(log)));
  log(`\n${renderTable(figures)}`);
  return figures.some(({ reached }) => !reached) ? 1 : 0;
}

function writeCharts(folder: string, charts: Readonly<Record<string, string>>, log: (line: string) => void): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, svg] of Object.entries(charts)) writeFileSync(join(folder, name), svg);
  log(`${Object.keys(charts).length} charts in ${folder}`);
}
