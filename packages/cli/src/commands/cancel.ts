/** `swarm cancel`: takes back what was to be pulled in the background. */
import { parseCancelRequest } from "@swarmd/protocol/api";
import type { Command } from "commander";
import { connectTo, stateDirFor } from "../connection.js";
import { withInterrupt } from "../interrupt.js";
import { addCommand, addExamples, jsonOption, stateDirOption } from "../program.js";
import { sanitize } from "../text.js";

interface CancelFlags {
  readonly json?: boolean;
  readonly stateDir?: string;
}

const DEADLINE_MS = 10_000;

export function addCancelCommand(program: Command): void {
  const command = addCommand(program, "cancel", "take back a pull that runs in the background", "Models:")
    .argument("<target>", "ORG/MODEL[@REV], a URL, or the number that swarm status shows")
    .addOption(jsonOption())
    .addOption(stateDirOption())
    .action(cancel);
  addExamples(command, [["swarm cancel org/model", "what was fetched of it stays, for the next pull"]]);
}

async function cancel(target: string, flags: CancelFlags): Promise<void> {
  const request = parseCancelRequest({ target }, { target: "the target" });
  const client = connectTo(stateDirFor(flags.stateDir));
  const result = await withInterrupt({}, (signal) => client.cancel(request, { signal, deadlineMs: DEADLINE_MS }));
  if (flags.json === true) process.stdout.write(`${JSON.stringify(result)}\n`);
  else for (const job of result.cancelled) process.stdout.write(`cancelled: ${sanitize(job.target)}, job ${job.id}\n`);
}
