/** `swarm pin`, `swarm unpin`: what stays, however full the cache is. */
import { type PinInfo, parsePinRequest, parseUnpinRequest } from "@swarmd/protocol/api";
import { type Command, Option } from "commander";
import type { Client } from "../connection.js";
import { withInterrupt } from "../interrupt.js";
import { withNode } from "../node-access.js";
import { addCommand, addExamples, jsonOption, stateDirOption } from "../program.js";
import { renderTable } from "../table.js";
import { sanitize } from "../text.js";

interface PinFlags {
  readonly replicas?: string;
  readonly json?: boolean;
  readonly stateDir?: string;
}

export function addPinCommand(program: Command): void {
  const command = addCommand(program, "pin", "keep a model, however full the cache is", "Models:")
    .argument("[target]", "ORG/MODEL[@REV]; without it, lists the pins")
    .addOption(new Option("--replicas <k>", "copies on the LAN, this node's included (default: 1)").helpGroup("How:"))
    .addOption(jsonOption())
    .addOption(stateDirOption())
    .action(pin);
  addExamples(command, [
    ["swarm pin org/model", "whatever revision is current"],
    ["swarm pin org/model@v1.0", "this one"],
    ["swarm pin org/model --replicas 3", "and see to it that three nodes of the LAN have it"],
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
  const { replicas } = flags;
  const copies = replicas === undefined ? undefined : /^\d{1,9}$/.test(replicas) ? Number(replicas) : replicas;
  const request = parsePinRequest({ target, copies }, { copies: "--replicas" });
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
  const rows = pins.map(({ repo, revision, copies }) => [
    sanitize(repo),
    sanitize(revision ?? "current"),
    String(copies),
  ]);
  const columns = [{ title: "REPO" }, { title: "REVISION" }, { title: "COPIES", align: "right" as const }];
  return `${renderTable(columns, rows).join("\n")}\n`;
}
