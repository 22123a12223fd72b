/** `swarm ls`: what is in the cache. */

import { formatBytes } from "@swarmd/protocol";
import type { CachedRevision, CacheListing } from "@swarmd/protocol/api";
import { type Command, Option } from "commander";
import { stdoutColors } from "../colors.js";
import { withInterrupt } from "../interrupt.js";
import { withNode } from "../node-access.js";
import { addCommand, addExamples, jsonOption, stateDirOption } from "../program.js";
import { renderTable } from "../table.js";
import { sanitize } from "../text.js";

interface LsFlags {
  readonly json?: boolean;
  readonly long?: boolean;
  readonly stateDir?: string;
}

export function addLsCommand(program: Command): void {
  const command = addCommand(program, "ls", "list what is in the cache", "Models:")
    .addOption(new Option("-l, --long", "whole commits, and paths").helpGroup("Output:"))
    .addOption(jsonOption())
    .addOption(stateDirOption())
    .action(ls);
  addExamples(command, [
    ["swarm ls", "repos, revisions, sizes, and what an interrupted pull left behind"],
    ["swarm ls --json | jq -r '.revisions[].repo'", "for scripts"],
  ]);
}

async function ls(flags: LsFlags): Promise<void> {
  const listing = await withInterrupt({}, (signal) =>
    withNode(
      { stateDir: flags.stateDir, command: "swarm ls", signal, log: (line) => process.stderr.write(line) },
      (client) => client.list(undefined, { signal }),
    ),
  );
  if (flags.json === true) process.stdout.write(`${JSON.stringify(listing)}\n`);
  else process.stdout.write(renderListing(listing, flags.long === true));
}

function renderListing(listing: CacheListing, isLong: boolean): string {
  const { bold, dim } = stdoutColors();
  const { revisions, partial, cacheDir, totalBytes } = listing;
  if (revisions.length === 0 && partial.length === 0)
    return `nothing in ${cacheDir} yet; fetch something with swarm pull\n`;
  const [heading = "", ...rows] = renderTable(
    [
      { title: "REPO" },
      { title: "REVISION" },
      { title: "FILES", align: "right" },
      { title: "SIZE", align: "right" },
      { title: "MODIFIED" },
      ...(isLong ? [{ title: "PATH" }] : []),
    ],
    revisions.map((revision) => toRow(revision, isLong)),
  );
  const lines = revisions.length > 0 ? [bold(heading), ...rows] : [];
  if (partial.length > 0) lines.push(...(lines.length > 0 ? [""] : []), bold("HALF DONE"), ...renderPartial(listing));
  const published = new Map(revisions.map(({ repo, publisher }) => [repo, publisher]));
  for (const [repo, publisher] of published) {
    if (publisher !== undefined)
      lines.push(dim(`${sanitize(repo)} is published by node ${sanitize(publisher)}, by no origin`));
  }
  lines.push("", dim(`${formatBytes(totalBytes)} in ${cacheDir}`));
  return `${lines.join("\n")}\n`;
}

function toRow(revision: CachedRevision, isLong: boolean): string[] {
  const commit = isLong ? revision.commit : revision.commit.slice(0, 7);
  const refs = revision.refs.length > 0 ? `${revision.refs.join(", ")} ` : "";
  return [
    sanitize(revision.repo),
    sanitize(`${refs}(${commit})`),
    String(revision.files),
    formatBytes(revision.bytes),
    revision.lastModified.slice(0, 16).replace("T", " "),
    ...(isLong ? [sanitize(revision.path)] : []),
  ];
}

function renderPartial({ partial }: CacheListing): string[] {
  const rows = partial.map(({ repo, blob, bytes, sizeBytes }) => [
    sanitize(repo),
    sanitize(blob).slice(0, 20),
    `${formatBytes(bytes)} of ${formatBytes(sizeBytes)}`,
  ]);
  const columns = [{ title: "" }, { title: "" }, { title: "", align: "right" as const }];
  return renderTable(columns, rows).slice(1);
}
