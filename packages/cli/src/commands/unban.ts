/** `swarm unban`: lifts the ban of a node that sent wrong bytes. */
import { parseUnbanRequest } from "@swarmd/protocol/api";
import type { Command } from "commander";
import { connectTo, stateDirFor } from "../connection.js";
import { withInterrupt } from "../interrupt.js";
import { addCommand, addExamples, jsonOption, stateDirOption } from "../program.js";

interface UnbanFlags {
  readonly json?: boolean;
  readonly stateDir?: string;
}

const DEADLINE_MS = 10_000;

export function addUnbanCommand(program: Command): void {
  const command = addCommand(program, "unban", "deal with a banned node again", "Daemon:")
    .argument("<node>", "its id, as swarm peers shows it")
    .addOption(jsonOption())
    .addOption(stateDirOption())
    .action(unban);
  addExamples(command, [["swarm unban 12D3KooW…", "its disk was replaced"]]);
}

async function unban(node: string, flags: UnbanFlags): Promise<void> {
  const request = parseUnbanRequest({ node });
  const client = connectTo(stateDirFor(flags.stateDir));
  const result = await withInterrupt({}, (signal) => client.unban(request, { signal, deadlineMs: DEADLINE_MS }));
  if (flags.json === true) process.stdout.write(`${JSON.stringify(result)}\n`);
  else process.stdout.write(`${request.node} is not banned any more\n`);
}
