/** `swarm peers`: who else is here, and over which links. */
import type { NodeStatus } from "@swarmd/protocol/api";
import type { Command } from "commander";
import { connectTo, stateDirFor } from "../connection.js";
import { withInterrupt } from "../interrupt.js";
import { addCommand, addExamples, jsonOption, stateDirOption } from "../program.js";
import { renderTable } from "../table.js";
import { sanitize } from "../text.js";

interface PeersFlags {
  readonly json?: boolean;
  readonly stateDir?: string;
}

const DEADLINE_MS = 10_000;

export function addPeersCommand(program: Command): void {
  const command = addCommand(program, "peers", "show the other nodes of this LAN and the links to them", "Daemon:")
    .addOption(jsonOption())
    .addOption(stateDirOption())
    .action(peers);
  addExamples(command, [["swarm peers", "the link that is tried first stands first"]]);
}

async function peers(flags: PeersFlags): Promise<void> {
  const client = connectTo(stateDirFor(flags.stateDir));
  const node = await withInterrupt({}, (signal) => client.status(undefined, { signal, deadlineMs: DEADLINE_MS }));
  process.stdout.write(flags.json === true ? `${JSON.stringify(node.peers)}\n` : renderPeers(node.peers));
}

/** One line per link, best first, with why it has its class. */
export function renderPeers(all: NodeStatus["peers"]): string {
  if (all.length === 0) return "no peers\n";
  const columns = [{ title: "PEER" }, { title: "LINK" }, { title: "CLASS" }, { title: "BECAUSE" }];
  const rows = all.flatMap(({ id, links }) =>
    links.map((one, index) => [index === 0 ? id : "", one.link, one.class, one.why].map(sanitize)),
  );
  return `${renderTable(columns, rows).join("\n")}\n`;
}
