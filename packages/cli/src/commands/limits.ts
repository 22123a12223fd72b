/** `swarm limits`: shows how fast the daemon may go, and changes that while it runs. */
import { formatRate } from "@swarmd/protocol";
import { type NodeLimits, parseLimitsRequest } from "@swarmd/protocol/api";
import { type Command, Option } from "commander";
import { connectTo, stateDirFor } from "../connection.js";
import { withInterrupt } from "../interrupt.js";
import { addCommand, addExamples, jsonOption, stateDirOption } from "../program.js";
import { renderTable } from "../table.js";

interface LimitsFlags {
  readonly maxUpload?: string;
  readonly maxDownload?: string;
  readonly maxOrigin?: string;
  readonly json?: boolean;
  readonly stateDir?: string;
}

const DEADLINE_MS = 10_000;
const FLAGS = { maxUpload: "--max-upload", maxDownload: "--max-download", maxOrigin: "--max-origin" } as const;

export function addLimitsCommand(program: Command): void {
  const command = addCommand(program, "limits", "show or change how fast the running daemon may go", "Daemon:")
    .addOption(new Option("--max-upload <rate>", "to peers, such as 50MB/s, 400Mbit/s or none").helpGroup("Limits:"))
    .addOption(new Option("--max-download <rate>", "from peers").helpGroup("Limits:"))
    .addOption(new Option("--max-origin <rate>", "from the origin").helpGroup("Limits:"))
    .addOption(jsonOption())
    .addOption(stateDirOption())
    .action(limits);
  addExamples(command, [
    ["swarm limits", "the limits there are"],
    ["swarm limits --max-origin 20MB/s", "from now on, for what is running too"],
    ["swarm limits --max-origin none", "as fast as it goes"],
  ]);
}

async function limits(flags: LimitsFlags): Promise<void> {
  const { json, stateDir, ...asked } = flags;
  const request = parseLimitsRequest(asked, FLAGS);
  const client = connectTo(stateDirFor(stateDir));
  const now = await withInterrupt({}, (signal) => client.limits(request, { signal, deadlineMs: DEADLINE_MS }));
  process.stdout.write(json === true ? `${JSON.stringify(now)}\n` : renderLimits(now));
}

function renderLimits(now: NodeLimits): string {
  const rows = [
    ["to peers", shown(now.maxUpload)],
    ["from peers", shown(now.maxDownload)],
    ["from the origin", shown(now.maxOrigin)],
  ];
  return `${renderTable([{ title: "" }, { title: "" }], rows)
    .slice(1)
    .join("\n")}\n`;
}

function shown(bytesPerSecond: number | null): string {
  return bytesPerSecond === null ? "no limit" : formatRate(bytesPerSecond);
}
