/** `swarm rm`: frees what a repo takes in the cache, after asking. */

import { formatBytes, SwarmError } from "@swarmd/protocol";
import { parseRemoveRequest, type RemoveRequest, type RemoveResult } from "@swarmd/protocol/api";
import { type Command, Option } from "commander";
import type { Client } from "../connection.js";
import { withInterrupt } from "../interrupt.js";
import { withNode } from "../node-access.js";
import { addCommand, addExamples, jsonOption, stateDirOption } from "../program.js";
import { sanitize } from "../text.js";

interface RmFlags {
  readonly partial?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
  readonly stateDir?: string;
}

export function addRmCommand(program: Command): void {
  const command = addCommand(program, "rm", "remove a repo, or one revision of it, from the cache", "Models:")
    .argument("<target>", "ORG/MODEL[@REV]")
    .addOption(new Option("--partial", "only what an interrupted pull left behind").helpGroup("What:"))
    .addOption(new Option("--dry-run", "say what would be removed, and remove nothing").helpGroup("How:"))
    .addOption(new Option("-y, --yes", "do not ask").helpGroup("How:"))
    .addOption(jsonOption())
    .addOption(stateDirOption())
    .action(remove);
  addExamples(command, [
    ["swarm rm org/model --dry-run", "what would go"],
    ["swarm rm org/model@v1.0 --yes", "one revision, without being asked"],
    ["swarm rm org/model --partial", "only what is half done"],
  ]);
}

async function remove(target: string, flags: RmFlags): Promise<void> {
  const request = parseRemoveRequest({ target, partial: flags.partial, dryRun: flags.dryRun });
  const mustAsk = flags.yes !== true && flags.dryRun !== true;
  if (mustAsk && !canAsk(flags)) {
    throw new SwarmError("USAGE", "nobody can be asked here whether to remove anything", {
      hint: "Give --yes to remove without being asked, or --dry-run to see what would go.",
    });
  }
  const result = await withInterrupt({}, (signal) =>
    withNode(
      { stateDir: flags.stateDir, command: "swarm rm", signal, log: (line) => process.stderr.write(line) },
      (client) => removeWith(client, request, { mustAsk, signal }),
    ),
  );
  if (result === "cancelled") throw new SwarmError("INTERRUPTED", "nothing was removed");
  if (result === "kept") process.stderr.write("nothing was removed\n");
  else if (flags.json === true) process.stdout.write(`${JSON.stringify(result)}\n`);
  else process.stdout.write(describeResult(request, result));
}

/** `kept` when the user said no, `cancelled` when the user did not want to be asked. */
async function removeWith(
  client: Client,
  request: RemoveRequest,
  { mustAsk, signal }: { readonly mustAsk: boolean; readonly signal: AbortSignal },
): Promise<RemoveResult | "kept" | "cancelled"> {
  if (!mustAsk) return await client.remove(request, { signal });
  const preview = { ...request, dryRun: true };
  const planned = await client.remove(preview, { signal });
  process.stderr.write(describeResult(preview, planned));
  if (planned.freedBytes === 0 && planned.revisions.length === 0) return planned;
  const answer = await askUser(signal);
  if (answer !== "remove") return answer;
  return await client.remove(request, { signal });
}

function canAsk(flags: RmFlags): boolean {
  return flags.json !== true && process.stdin.isTTY === true && process.stderr.isTTY === true;
}

async function askUser(signal: AbortSignal): Promise<"remove" | "kept" | "cancelled"> {
  // Loaded only here: every other command is faster without it.
  const { confirm, isCancel } = await import("../prompts.js");
  const answer = await confirm({ message: "Remove?", initialValue: false, output: process.stderr, signal });
  if (isCancel(answer)) return "cancelled";
  return answer ? "remove" : "kept";
}

function describeResult(request: RemoveRequest, { revisions, freedBytes }: RemoveResult): string {
  const verb = request.dryRun === true ? "would free" : "freed";
  if (revisions.length === 0 && freedBytes === 0)
    return `nothing to remove: ${sanitize(request.target)} takes no space\n`;
  const lines = revisions.map(({ repo, commit, bytes, refs }) => {
    const names = refs.length > 0 ? ` ${refs.join(", ")}` : "";
    return sanitize(`  ${repo}${names} (${commit.slice(0, 7)}), ${formatBytes(bytes)}`);
  });
  return `${[...lines, `${verb} ${formatBytes(freedBytes)}`].join("\n")}\n`;
}
