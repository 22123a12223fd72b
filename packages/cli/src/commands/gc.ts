/** `swarm gc`: holds the cache to its bounds now, and removes what nothing leads to. */
import { formatBytes } from "@swarmd/protocol";
import { type CollectResult, parseCollectRequest } from "@swarmd/protocol/api";
import { type Command, Option } from "commander";
import { withInterrupt } from "../interrupt.js";
import { withNode } from "../node-access.js";
import { addCommand, addExamples, jsonOption, stateDirOption } from "../program.js";
import { sanitize } from "../text.js";

interface GcFlags {
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly stateDir?: string;
}

const WHY: Readonly<Record<string, string>> = {
  expired: "not used for too long",
  bytes: "the cache is too big",
  models: "too many models",
  disk: "the disk is too full",
  reserved: "the rest is for pinned models",
  unused: "nothing leads to it",
};

export function addGcCommand(program: Command): void {
  const command = addCommand(program, "gc", "evict what is due, and remove what nothing leads to", "Models:")
    .addOption(new Option("--dry-run", "say what would go, and remove nothing").helpGroup("How:"))
    .addOption(jsonOption())
    .addOption(stateDirOption())
    .action(gc);
  addExamples(command, [["swarm gc --dry-run", "what the bounds given to swarmd start would evict now"]]);
}

async function gc(flags: GcFlags): Promise<void> {
  const request = parseCollectRequest({ dryRun: flags.dryRun });
  const result = await withInterrupt({}, (signal) =>
    withNode(
      { stateDir: flags.stateDir, command: "swarm gc", signal, log: (line) => process.stderr.write(line) },
      (client) => client.collect(request, { signal }),
    ),
  );
  process.stdout.write(flags.json === true ? `${JSON.stringify(result)}\n` : render(result, flags.dryRun === true));
}

function render({ evicted, freedBytes }: CollectResult, isDryRun: boolean): string {
  if (evicted.length === 0) return "nothing is due\n";
  const lines = evicted.map(({ id, bytes, why, isLastCopy }) => {
    const warning = isLastCopy ? "; no other node has it" : "";
    return `  ${sanitize(id)}, ${formatBytes(bytes)}: ${WHY[why] ?? why}${warning}`;
  });
  return `${lines.join("\n")}\n${isDryRun ? "would free" : "freed"} ${formatBytes(freedBytes)}\n`;
}
