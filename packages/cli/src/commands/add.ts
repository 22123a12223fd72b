/** `swarm add`: publishes a folder or a file to the swarm, under a name that no origin has. */
import { resolve } from "node:path";
import { formatBytes, SwarmError } from "@swarmd/protocol";
import { type AddedEvent, type AddRequest, parseAddRequest } from "@swarmd/protocol/api";
import { type Command, Option } from "commander";
import { stderrColors } from "../colors.js";
import type { Client } from "../connection.js";
import { withInterrupt } from "../interrupt.js";
import { withNode } from "../node-access.js";
import { addCommand, addExamples, jsonOption, stateDirOption } from "../program.js";
import { countFiles } from "../progress/summary.js";
import { sanitize } from "../text.js";

interface AddFlags {
  readonly as: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly stateDir?: string;
}

export function addAddCommand(program: Command): void {
  const command = addCommand(program, "add", "publish a folder or a file to the nodes of this LAN", "Models:")
    .argument("<path>", "a folder with a model's files, or one file")
    .addOption(
      new Option("--as <name>", "ORG/NAME[@REV]: a name that the Hub does not have")
        .makeOptionMandatory()
        .helpGroup("What:"),
    )
    .addOption(jsonOption("print one JSON object per line"))
    .addOption(new Option("--quiet", "print only the path, at the end").conflicts("json").helpGroup("Output:"))
    .addOption(stateDirOption())
    .action(add);
  command.addHelpText(
    "after",
    "\nEvery node that can hear this one may read what is published; in the open swarm, everybody on this LAN.",
  );
  addExamples(command, [
    ["swarm add ./llama-finetuned --as me/llama-finetuned", "a fine-tune, for swarm pull on other nodes"],
    ["swarm add model.Q4_K_M.gguf --as me/model-gguf@v2", "one file, as a tag"],
  ]);
}

async function add(path: string, flags: AddFlags): Promise<void> {
  if (path === "") throw new SwarmError("USAGE", "the path is empty");
  const request = parseAddRequest({ path: resolve(path), as: flags.as }, { as: "--as" });
  const hint = "Nothing was published; what was copied is removed by the next swarm add of this name.";
  await withInterrupt({ message: "stopped.", hint }, (signal) =>
    withNode(
      { stateDir: flags.stateDir, command: "swarm add", signal, log: (line) => process.stderr.write(line) },
      (client) => runAdd(client, request, flags, signal),
    ),
  );
}

async function runAdd(client: Client, request: AddRequest, flags: AddFlags, signal: AbortSignal): Promise<void> {
  for await (const event of client.add(request, { signal })) {
    if (flags.json === true) process.stdout.write(`${JSON.stringify(event)}\n`);
    else if (event.type === "warning")
      process.stderr.write(`${stderrColors().yellow("warning:")} ${sanitize(event.message)}\n`);
    else if (event.type === "added") process.stdout.write(flags.quiet === true ? `${event.path}\n` : describe(event));
  }
}

function describe({ repo, revision, commit, files, bytes, path, publisher, isSame }: AddedEvent): string {
  const name = `${sanitize(repo)}@${sanitize(revision)} (${commit.slice(0, 7)})`;
  const what = `${name}: ${countFiles(files)}, ${formatBytes(bytes)}${isSame ? ", as before" : ""}`;
  const target = revision === "main" ? repo : `${repo}@${revision}`;
  return `${sanitize(path)}\n${what}\non other nodes: swarm pull ${sanitize(target)} --from ${publisher}\n`;
}
