/** `swarm locate`: which nodes have a model. */
import { formatBytes } from "@swarmd/protocol";
import { type LocatedNode, type ModelLocation, parseLocateRequest } from "@swarmd/protocol/api";
import type { Command } from "commander";
import { stdoutColors } from "../colors.js";
import { withInterrupt } from "../interrupt.js";
import { withNode } from "../node-access.js";
import { addCommand, addExamples, jsonOption, stateDirOption } from "../program.js";
import { renderTable } from "../table.js";
import { sanitize } from "../text.js";

interface LocateFlags {
  readonly json?: boolean;
  readonly stateDir?: string;
}

export function addLocateCommand(program: Command): void {
  const command = addCommand(program, "locate", "show which nodes have a model", "Models:")
    .argument("<target>", "ORG/MODEL[@REV]")
    .addOption(jsonOption())
    .addOption(stateDirOption())
    .action(locate);
  addExamples(command, [
    ["swarm locate org/model", "nodes that have it, are pulling it, or had it when they were last seen"],
    ["swarm locate org/model --json | jq -r '.nodes[] | select(.isUp) | .node'", "for scripts"],
  ]);
}

async function locate(target: string, flags: LocateFlags): Promise<void> {
  const request = parseLocateRequest({ target });
  const location = await withInterrupt({}, (signal) =>
    withNode(
      { stateDir: flags.stateDir, command: "swarm locate", signal, log: (line) => process.stderr.write(line) },
      (client) => client.locate(request, { signal }),
    ),
  );
  process.stdout.write(flags.json === true ? `${JSON.stringify(location)}\n` : renderLocation(location));
}

function renderLocation({ model, nodes }: ModelLocation): string {
  if (nodes.length === 0) return `no node that was ever heard of has ${sanitize(model)}\n`;
  const [heading = "", ...rows] = renderTable(
    [{ title: "NODE" }, { title: "HAS" }, { title: "COMMIT" }, { title: "SIZE", align: "right" }, { title: "SEEN" }],
    nodes.map(toRow),
  );
  return `${[stdoutColors().bold(heading), ...rows].join("\n")}\n`;
}

function toRow({ node, isSelf, isUp, has, commit, bytes, totalBytes, publisher, lastSeen }: LocatedNode): string[] {
  const isPublisher = publisher === node ? " (publisher)" : "";
  return [
    `${sanitize(node)}${isSelf ? " (this node)" : ""}${isPublisher}`,
    has === "part" && bytes !== null && totalBytes ? `${Math.floor((100 * bytes) / totalBytes)} %` : has,
    commit === null ? "" : sanitize(commit.slice(0, 7)),
    totalBytes === null ? "" : formatBytes(totalBytes),
    isUp ? "now" : lastSeen.slice(0, 16).replace("T", " "),
  ];
}
