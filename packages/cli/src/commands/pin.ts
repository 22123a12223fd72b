/** `swarm pin`, `swarm unpin`: what stays, however full the cache is. */
import { type PinInfo, parsePinRequest, parseUnpinRequest } from "@swarmd/protocol/api";
import type { Command } from "commander";
import type { Client } from "../connection.js";
import { withInterrupt } from "../interrupt.js";
import { withNode } from "../node-access.js";
import { addCommand, addExamples, jsonOption, stateDirOption } from "../program.js";
import { renderTable } from "../table.js";
import { sanitize } from "../text.js";

interface PinFlags {
  readonly json?: boolean;
  readonly stateDir?: string;
}

export function addPinCommand(program: Command): void {
  const command = addCommand(program, "pin", "keep a model, however full the cache is", "Models:")
    .argument("[target]", "ORG/MODEL[@REV]; without it, lists the pins")
    .addOption(jsonOption())
    .addOption(stateDirOption())
    .action(pin);
  addExamples(command, [
    ["swarm pin org/model", "whatever revision is current"],
    ["swarm pin org/model@v1.0", "this one"],
    ["swarm pin", "what is pinned"],
  ]);
}

export function addUnpinCommand(program: Command): void {
  addCommand(program, "unpin", "let a pinned model go when room is needed", "Models:")
    .argument("<target>", "ORG/MODEL[@REV], as it was pinned")
    .addOption(jsonOption())
    .addOption(stateDirOption())
    .action(unpin);
}

async function pin(target: string | undefined, flags: PinFlags): Promise<void> {
  if (target === undefined) {
    const { pins } = await ask("swarm pin", flags, (client, signal) => client.pins(undefined, { signal }));
    process.stdout.write(flags.json === true ? `${JSON.stringify({ pins })}\n` : renderPins(pins));
    return;
  }
  const request = parsePinRequest({ target });
  const result = await ask("swarm pin", flags, (client, signal) => client.pin(request, { signal }));
  process.stdout.write(flags.json === true ? `${JSON.stringify(result)}\n` : `pinned ${sanitize(target)}\n`);
}

async function unpin(target: string, flags: PinFlags): Promise<void> {
  const request = parseUnpinRequest({ target });
  const result = await ask("swarm unpin", flags, (client, signal) => client.unpin(request, { signal }));
  process.stdout.write(flags.json === true ? `${JSON.stringify(result)}\n` : `${sanitize(target)} may go now\n`);
}

function ask<Result>(
  command: string,
  { stateDir }: PinFlags,
  work: (client: Client, signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  return withInterrupt({}, (signal) =>
    withNode({ stateDir, command, signal, log: (line) => process.stderr.write(line) }, (client) =>
      work(client, signal),
    ),
  );
}

function renderPins(pins: readonly PinInfo[]): string {
  if (pins.length === 0) return "nothing is pinned\n";
  const rows = pins.map(({ repo, revision }) => [sanitize(repo), sanitize(revision ?? "current")]);
  return `${renderTable([{ title: "REPO" }, { title: "REVISION" }], rows).join("\n")}\n`;
}
