/** `npm run bench -- lan`: all figures of the LAN, in network namespaces, with real daemons. */
import { writeFileSync } from "node:fs";
import { cpus, loadavg, totalmem, uptime } from "node:os";
import { parseArgs } from "node:util";
import { formatBytes, parseBytes } from "@swarmd/protocol";
import { findObstacle } from "@swarmd/test/lan/namespaces";
import { relayLag } from "../relay-lag.js";
import { type Figure, renderTable } from "../report.js";
import { coldTogether } from "./cold.js";
import { memory } from "./memory.js";
import { newcomer } from "./newcomer.js";
import { atRest } from "./rest.js";
import { oneSeed } from "./seed.js";
import { findParent, type LanFigures, type Setting, touchMemory } from "./setting.js";
import { twoLinks } from "./two-links.js";

const relay: LanFigures = {
  letters: ["f"],
  about: relayLag.about,
  run: async ({ log }) => (await relayLag.run(log)).map((figure) => ({ ...figure, id: "f" })),
};

const ALL: readonly LanFigures[] = [coldTogether, oneSeed, twoLinks, relay, memory, atRest, newcomer];

const USAGE = `usage: npm run bench -- lan [--only a,c,…] [--json FILE] [--size BYTES] [--seed-link MBIT] [--dir DIR]
${ALL.map(({ letters, about }) => `  ${letters.join(", ").padEnd(6)} ${about}`).join("\n")}

  --only a,c        these alone; letters that are measured in one run come together
  --json FILE       the figures as JSON, too
  --size BYTES      of the repo (default 1GB); the targets are meant for that
  --seed-link MBIT  every cable of c and d (default 500)
  --dir DIR         where the nodes' folders are made (default: in memory if there is room, so that no disk is measured)

"stolen" is the part of the cores' time that the host of a virtual machine gave to others: with more than a few percent, measure again.
Takes root on Linux, nginx, curl and, to say what the machine carries, iperf3; and about 15 minutes. Leaves nothing behind.`;

/** @returns the exit code: 0 all reached, 1 not, 2 usage */
export async function lanFigures(args: readonly string[]): Promise<number> {
  const values = readFlags(args);
  if (values === undefined) return 2;
  const wanted = values.only?.split(",") ?? ALL.flatMap(({ letters }) => letters);
  const unknown = wanted.filter((letter) => !ALL.some(({ letters }) => letters.includes(letter)));
  const obstacle = findObstacle();
  if (values.help || unknown.length > 0 || obstacle !== undefined) {
    if (obstacle !== undefined && !values.help) console.error(`no LAN can be made here: ${obstacle}`);
    if (unknown.length > 0) console.error(`no such figure: ${unknown.join(", ")}`);
    console.log(USAGE);
    return values.help ? 0 : 2;
  }
  const sizeBytes = parseBytes(values.size);
  // Eight nodes, and some air.
  const neededBytes = 10 * Math.max(sizeBytes, 1024 ** 3);
  const setting: Setting = {
    sizeBytes,
    parent: values.dir ?? findParent(neededBytes),
    seedMbit: Number(values["seed-link"]),
    log: console.log,
  };
  console.log(
    `Node ${process.version}, ${cpus().length} cores, ${formatBytes(totalmem())}; folders in ${setting.parent}`,
  );
  touchMemory(setting.parent, neededBytes);
  const figures: Figure[] = [];
  const loads: Record<string, readonly number[]> = {};
  for (const one of ALL.filter(({ letters }) => letters.some((letter) => wanted.includes(letter)))) {
    loads[one.letters.join("")] = loadavg();
    console.log(`\n${one.letters.join(", ")}: ${one.about}\n  before: ${describeLoad()}`);
    figures.push(...(await runOne(one, setting)));
    // After each: whoever has no patience for the rest has this much.
    if (values.json !== undefined) writeFileSync(values.json, asJson(setting, loads, figures));
  }
  const shown = figures.filter(({ id = "" }) => wanted.includes(id));
  console.log(`\n${renderTable(shown.map((figure) => ({ ...figure, what: `${figure.id}. ${figure.what}` })))}`);
  return shown.every(({ reached }) => reached) ? 0 : 1;
}

/** undefined, and the usage is shown, when they are none of ours. */
function readFlags(args: readonly string[]) {
  const options = {
    only: { type: "string" },
    json: { type: "string" },
    size: { type: "string", default: "1GB" },
    "seed-link": { type: "string", default: "500" },
    dir: { type: "string" },
    help: { type: "boolean", default: false },
  } as const;
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    return undefined;
  }
}

/** What fails is a figure that was not reached; the others go on. */
async function runOne(one: LanFigures, setting: Setting): Promise<readonly Figure[]> {
  try {
    return await one.run(setting);
  } catch (error) {
    setting.log(`  failed: ${(error as Error).stack}`);
    const why = (error as Error).message.split("\n")[0] ?? "";
    return one.letters.map((id) => ({
      id,
      what: one.about,
      measured: `failed: ${why}`,
      target: "an end",
      reached: false,
    }));
  }
}

function describeLoad(): string {
  const load = loadavg().map((value) => value.toFixed(2));
  return `load ${load.join(", ")} on ${cpus().length} cores, up ${Math.round(uptime() / 60)} min`;
}

function asJson(setting: Setting, loads: Record<string, readonly number[]>, figures: readonly Figure[]): string {
  const machine = { node: process.version, cores: cpus().length, memoryBytes: totalmem() };
  const { sizeBytes, parent, seedMbit } = setting;
  const at = new Date().toISOString();
  return `${JSON.stringify({ at, machine, setting: { sizeBytes, parent, seedMbit }, loadBefore: loads, figures }, null, 2)}\n`;
}
