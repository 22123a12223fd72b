/** `swarm manifest`: what is in a model, down to its tensors, without its bytes. */
import { formatBytes } from "@swarmd/protocol";
import { type ManifestHead, type ModelManifest, parseManifestRequest } from "@swarmd/protocol/api";
import { type Command, Option } from "commander";
import { stdoutColors } from "../colors.js";
import { withInterrupt } from "../interrupt.js";
import { withNode } from "../node-access.js";
import { addCommand, addExamples, jsonOption, stateDirOption } from "../program.js";
import { renderTable } from "../table.js";
import { sanitize } from "../text.js";

interface ManifestFlags {
  readonly json?: boolean;
  readonly offline?: boolean;
  readonly tensors?: boolean;
  readonly stateDir?: string;
}

export function addManifestCommand(program: Command): void {
  const command = addCommand(program, "manifest", "show the files, blobs, shards and tensors of a model", "Models:")
    .argument("<target>", "ORG/MODEL[@REV]")
    .addOption(new Option("--tensors", "list every tensor").helpGroup("Output:"))
    .addOption(new Option("--offline", "never ask the origin").helpGroup("How:"))
    .addOption(jsonOption())
    .addOption(stateDirOption())
    .action(manifest);
  addExamples(command, [
    ["swarm manifest org/model", "its files, and how many tensors are in them"],
    ["swarm manifest org/model --json | jq '.tensors[0]'", "file, offset, length, dtype and shape of each tensor"],
  ]);
}

async function manifest(target: string, flags: ManifestFlags): Promise<void> {
  const request = parseManifestRequest({ target, offline: flags.offline });
  const found = await withInterrupt({}, (signal) =>
    withNode(
      {
        stateDir: flags.stateDir,
        command: "swarm manifest",
        withPeers: true,
        signal,
        log: (line) => process.stderr.write(line),
      },
      (client) => client.manifest(request, { signal }),
    ),
  );
  if (flags.json === true) process.stdout.write(`${JSON.stringify(found)}\n`);
  else process.stdout.write(renderManifest(found, flags.tensors === true));
}

function renderManifest(found: ModelManifest, withTensors: boolean): string {
  const { bold, dim } = stdoutColors();
  const heads = new Map(found.heads.map((head) => [head.file, head]));
  const shards = new Map(found.blobs.map(({ id, shards }) => [id, shards.length]));
  const [heading = "", ...rows] = renderTable(
    [
      { title: "FILE" },
      { title: "SIZE", align: "right" },
      { title: "SHARDS", align: "right" },
      { title: "TENSORS", align: "right" },
      { title: "BLOB" },
    ],
    found.files.map(({ path, size, blob }) => {
      return [
        sanitize(path),
        formatBytes(size),
        String(shards.get(blob) ?? 0),
        countOf(heads.get(path)),
        sanitize(blob),
      ];
    }),
  );
  const lines = [bold(heading), ...rows];
  if (withTensors) lines.push("", ...renderTensors(found));
  for (const { file, problem } of found.heads) if (problem !== undefined) lines.push(sanitize(`${file}: ${problem}`));
  const who = found.publisher === null ? "" : `, published by node ${sanitize(found.publisher)}`;
  const name = `${sanitize(found.repo)}@${sanitize(found.revision)} (${sanitize(found.commit)})`;
  lines.push("", dim(`${name}: ${formatBytes(found.size)}, ${found.tensors.length} tensors${who}`));
  return `${lines.join("\n")}\n`;
}

function countOf(head: ManifestHead | undefined): string {
  if (head === undefined) return "";
  return head.source === null ? "?" : String(head.tensors);
}

function renderTensors({ tensors }: ModelManifest): string[] {
  const [heading = "", ...rows] = renderTable(
    [
      { title: "TENSOR" },
      { title: "DTYPE" },
      { title: "SHAPE" },
      { title: "OFFSET", align: "right" },
      { title: "LENGTH", align: "right" },
      { title: "FILE" },
    ],
    tensors.map(({ name, dtype, shape, offset, length, file }) => {
      return [sanitize(name), sanitize(dtype), `[${shape.join(", ")}]`, String(offset), String(length), sanitize(file)];
    }),
  );
  return [stdoutColors().bold(heading), ...rows];
}
