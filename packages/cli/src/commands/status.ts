/** `swarm status`: what the daemon is, and what it is doing. */

import { formatBytes, formatDuration, formatRate } from "@swarmd/protocol";
import type { NodeStatus, PullStatus } from "@swarmd/protocol/api";
import type { Command } from "commander";
import { stdoutColors } from "../colors.js";
import { connectTo, stateDirFor } from "../connection.js";
import { withInterrupt } from "../interrupt.js";
import { addCommand, addExamples, jsonOption, stateDirOption } from "../program.js";
import { describeOrigin, renderBackground } from "../progress/background-view.js";
import { percentOf } from "../progress/pull-view.js";
import { renderTable } from "../table.js";
import { sanitize } from "../text.js";

interface StatusFlags {
  readonly json?: boolean;
  readonly stateDir?: string;
}

const DEADLINE_MS = 10_000;

export function addStatusCommand(program: Command): void {
  const command = addCommand(program, "status", "show the running daemon and its pulls", "Daemon:")
    .addOption(jsonOption())
    .addOption(stateDirOption())
    .action(status);
  addExamples(command, [["swarm status", "exit code 8 if no daemon is running"]]);
}

async function status(flags: StatusFlags): Promise<void> {
  const client = connectTo(stateDirFor(flags.stateDir));
  const node = await withInterrupt({}, (signal) => client.status(undefined, { signal, deadlineMs: DEADLINE_MS }));
  process.stdout.write(flags.json === true ? `${JSON.stringify(node)}\n` : renderStatus(node, Date.now()));
}

function renderStatus(node: NodeStatus, nowMs: number): string {
  const { bold } = stdoutColors();
  const upMs = Math.max(0, nowMs - Date.parse(node.startedAt));
  const rows = [
    [
      "swarmd",
      `${node.version}, process ${node.pid}, up ${formatDuration(upMs)}, ${formatBytes(node.rssBytes)} of memory`,
    ],
    ["cache", `${node.cacheDir}, ${formatBytes(node.freeBytes)} free`],
    ["state", node.stateDir],
    ["origin", `${node.endpoint}, at most ${node.workers} requests at a time`],
    ["gateway", node.gateway ?? "off"],
    ["moved", describeMoved(node)],
    ["today", `from the origin ${describeOrigin(node.background.originToday)}`],
    ...(node.self === null ? [] : [["node", describeSelf(node.self)]]),
    ["peers", node.peers.length === 0 ? "none" : `${node.peers.length} (swarm peers shows them)`],
  ];
  const columns = [{ title: "" }, { title: "" }];
  const lines = renderTable(
    columns,
    rows.map((row) => row.map(sanitize)),
  ).slice(1);
  const pulls = node.pulls.filter(({ isBackground }) => isBackground !== true);
  lines.push("", bold(pulls.length === 0 ? "no pulls" : "PULLS"), ...renderPulls(pulls));
  const background = renderBackground(node.background);
  if (background.length > 0) lines.push("", bold("BACKGROUND"), ...background);
  return `${lines.join("\n")}\n`;
}

/** Each address as others would name it with `--peer`; the id, which all have, once. */
function describeSelf({ id, addresses }: NonNullable<NodeStatus["self"]>): string {
  const places = addresses.map((address) => address.replace(`/p2p/${id}`, ""));
  return [id, ...places].join(" ");
}

function describeMoved(node: NodeStatus): string {
  const { bytesFromOrigin, bytesFromPeers, bytesFromCache } = node;
  return `WAN ${formatBytes(bytesFromOrigin)}, LAN ${formatBytes(bytesFromPeers)}, cache ${formatBytes(bytesFromCache)}`;
}

function renderPulls(pulls: readonly PullStatus[]): string[] {
  const columns = [{ title: "" }, { title: "", align: "right" as const }, { title: "" }, { title: "" }];
  const rows = pulls.map(({ target, doneBytes, totalBytes, bytesPerSecond }) => [
    sanitize(target),
    `${percentOf(doneBytes, totalBytes, false)}%`,
    `${formatBytes(doneBytes)} / ${formatBytes(totalBytes)}`,
    formatRate(bytesPerSecond),
  ]);
  return renderTable(columns, rows).slice(1);
}
