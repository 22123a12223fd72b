/** `swarm diff A B`: what changed between two revisions, and what a pull of the second would move. */
import { formatBytes } from "@swarmd/protocol";
import { type DiffFile, type DiffResult, parseDiffRequest } from "@swarmd/protocol/api";
import { type Command, Option } from "commander";
import { stdoutColors } from "../colors.js";
import { withInterrupt } from "../interrupt.js";
import { withNode } from "../node-access.js";
import { addCommand, addExamples, jsonOption, stateDirOption } from "../program.js";
import { renderTable } from "../table.js";
import { sanitize } from "../text.js";

interface DiffFlags {
  readonly offline?: boolean;
  readonly json?: boolean;
  readonly stateDir?: string;
}

export function addDiffCommand(program: Command): void {
  const command = addCommand(program, "diff", "show what changed between two revisions", "Models:")
    .argument("<from>", "ORG/MODEL@REV")
    .argument("<to>", "ORG/MODEL@REV")
    .addOption(new Option("--offline", "by the file lists that are in the cache").helpGroup("How:"))
    .addOption(jsonOption())
    .addOption(stateDirOption())
    .action(diff);
  addExamples(command, [["swarm diff org/model@v1.0 org/model", "from a tag to what is current"]]);
}

async function diff(from: string, to: string, flags: DiffFlags): Promise<void> {
  const request = parseDiffRequest({ from, to, offline: flags.offline });
  const result = await withInterrupt({}, (signal) =>
    withNode(
      { stateDir: flags.stateDir, command: "swarm diff", signal, log: (line) => process.stderr.write(line) },
      (client) => client.diff(request, { signal }),
    ),
  );
  process.stdout.write(flags.json === true ? `${JSON.stringify(result)}\n` : render(result));
}

const SIGNS = { added: "+", removed: "-", changed: "~" } as const;

function render({ files, sameFiles, moveBytes, moveShards }: DiffResult): string {
  const { green, red, yellow } = stdoutColors();
  const color = { added: green, removed: red, changed: yellow };
  const columns = [{ title: "" }, { title: "", align: "right" as const }, { title: "", align: "right" as const }];
  const rows = files.map((file) => [`${SIGNS[file.state]} ${sanitize(file.path)}`, sizes(file), shards(file)]);
  const lines = renderTable(columns, rows)
    .slice(1)
    .map((line, at) => color[files[at]?.state ?? "changed"](line));
  lines.push(`${sameFiles} ${sameFiles === 1 ? "file is" : "files are"} the same`);
  lines.push(
    `a pull of the second moves ${formatBytes(moveBytes)} in ${moveShards} ${moveShards === 1 ? "shard" : "shards"}`,
  );
  return `${lines.join("\n")}\n`;
}

function sizes({ state, fromBytes, toBytes }: DiffFile): string {
  if (state === "added") return formatBytes(toBytes);
  if (state === "removed") return formatBytes(fromBytes);
  return fromBytes === toBytes ? formatBytes(toBytes) : `${formatBytes(fromBytes)} → ${formatBytes(toBytes)}`;
}

function shards({ state, shards: count }: DiffFile): string {
  if (state === "removed") return "";
  return count === 0 ? "in the cache" : `${count} ${count === 1 ? "shard" : "shards"}`;
}
