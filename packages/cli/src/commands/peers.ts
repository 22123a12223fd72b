/** `swarm peers`: who else is here, and over which links. */
import { formatBytes, formatDuration, formatRate } from "@swarmd/protocol";
import type { LinkStatus, NodeStatus } from "@swarmd/protocol/api";
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
  addExamples(command, [["swarm peers", "the link that is tried first has a star"]]);
}

async function peers(flags: PeersFlags): Promise<void> {
  const client = connectTo(stateDirFor(flags.stateDir));
  const node = await withInterrupt({}, (signal) => client.status(undefined, { signal, deadlineMs: DEADLINE_MS }));
  process.stdout.write(flags.json === true ? formatPeersJson(node) : renderPeers(node));
}

/** One array: `state` tells peers that are there from banned ones. */
export function formatPeersJson({ peers, banned }: Pick<NodeStatus, "peers" | "banned">): string {
  const up = peers.map((peer) => ({ state: "up", ...peer }));
  return `${JSON.stringify([...up, ...banned.map((peer) => ({ state: "banned", ...peer }))])}\n`;
}

const COLUMNS = [
  { title: "PEER" },
  { title: "LINK" },
  { title: "CLASS" },
  { title: "MEASURED", align: "right" },
  { title: "IN", align: "right" },
  { title: "OUT", align: "right" },
  { title: "BECAUSE" },
] as const;

/** One line per link, best first; the chosen one with a star. Then who is banned. */
export function renderPeers({ peers, banned }: Pick<NodeStatus, "peers" | "banned">): string {
  const rows = peers.flatMap(({ id, links }) => links.map((link, index) => rowOf(index === 0 ? id : "", link)));
  const lines = peers.length === 0 ? ["no peers"] : renderTable(COLUMNS, rows);
  for (const { id, why, times, leftMs } of banned) {
    const again = times === 1 ? "" : `, for the ${times}. time`;
    lines.push(`banned for ${formatDuration(leftMs)} more${again}: ${sanitize(id)} (${sanitize(why)})`);
  }
  if (banned.length > 0) lines.push("swarm unban NODE lifts a ban");
  return `${lines.join("\n")}\n`;
}

function rowOf(id: string, link: LinkStatus): string[] {
  const rate = link.measuredBytesPerSecond === null ? "-" : formatRate(link.measuredBytesPerSecond);
  const cells = [id, `${link.isChosen ? "* " : "  "}${link.link}`, link.class, rate];
  const moved = [formatBytes(link.bytesReceived), formatBytes(link.bytesSent)];
  return [...cells, ...moved, link.isChosen ? `${link.why}; ${link.whyChosen}` : link.why].map(sanitize);
}
