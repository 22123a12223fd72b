/** `swarm ls`: what is in the cache. */

import { formatBytes, formatDuration } from "@swarmd/protocol";
import type { CachedRepo, CachedRevision, CacheListing } from "@swarmd/protocol/api";
import { type Command, Option } from "commander";
import { parseFilter, parseLimit, parseSort, toListed } from "../cache-filter.js";
import { stdoutColors } from "../colors.js";
import { withInterrupt } from "../interrupt.js";
import { withNode } from "../node-access.js";
import { addCommand, addExamples, collect, jsonOption, stateDirOption } from "../program.js";
import { renderTable } from "../table.js";
import { sanitize } from "../text.js";

interface LsFlags {
  readonly json?: boolean;
  readonly long?: boolean;
  readonly revisions?: boolean;
  readonly filter?: readonly string[];
  readonly sort?: string;
  readonly limit?: string;
  readonly stateDir?: string;
}

export function addLsCommand(program: Command): void {
  const command = addCommand(program, "ls", "list what is in the cache", "Models:")
    .addOption(new Option("--revisions", "a line for each revision").helpGroup("What:"))
    .addOption(
      new Option("--filter <test>", "such as size>1GB, accessed>7d, type=dataset; repeatable")
        .argParser(collect)
        .helpGroup("What:"),
    )
    .addOption(new Option("--sort <key>", "name, size, accessed or modified; with :asc or :desc").helpGroup("What:"))
    .addOption(new Option("--limit <n>", "so many lines").helpGroup("What:"))
    .addOption(new Option("-l, --long", "whole commits, and paths").helpGroup("Output:"))
    .addOption(jsonOption())
    .addOption(stateDirOption())
    .action(ls);
  addExamples(command, [
    ["swarm ls", "repos, revisions, sizes, and what an interrupted pull left behind"],
    ["swarm ls --revisions --filter 'accessed>30d' --sort size", "what nobody has used for a month, the biggest first"],
    ["swarm ls --json | jq -r '.revisions[].repo'", "for scripts"],
  ]);
}

async function ls(flags: LsFlags): Promise<void> {
  const choose = chooser(flags);
  const found = await withInterrupt({}, (signal) =>
    withNode(
      { stateDir: flags.stateDir, command: "swarm ls", signal, log: (line) => process.stderr.write(line) },
      (client) => client.list(undefined, { signal }),
    ),
  );
  const nowMs = Date.now();
  const listing = {
    ...found,
    repos: choose(found.repos, nowMs),
    revisions: choose(found.revisions, nowMs),
    // What is half done is no model yet: no filter means it.
    partial: flags.filter === undefined && flags.limit === undefined ? found.partial : [],
  };
  if (flags.json === true) process.stdout.write(`${JSON.stringify(listing)}\n`);
  else process.stdout.write(renderListing(listing, flags, nowMs));
}

/** @throws SwarmError USAGE */
function chooser({ filter = [], sort, limit }: LsFlags) {
  const filters = filter.map(parseFilter);
  const order = sort === undefined ? undefined : parseSort(sort);
  const most = limit === undefined ? undefined : parseLimit(limit);
  return <Row extends CachedRepo | CachedRevision>(rows: readonly Row[], nowMs: number): readonly Row[] => {
    const listed = rows.map((row) => ({ row, is: toListed(row) }));
    const kept = listed.filter(({ is }) => filters.every((matches) => matches(is, nowMs)));
    const sorted = order === undefined ? kept : kept.sort((a, b) => order(a.is, b.is));
    return sorted.slice(0, most).map(({ row }) => row);
  };
}

function renderListing(listing: CacheListing, flags: LsFlags, nowMs: number): string {
  const { bold, dim } = stdoutColors();
  const { repos, partial, cacheDir, totalBytes } = listing;
  if (repos.length === 0 && partial.length === 0) {
    const isAll = flags.filter === undefined;
    return isAll
      ? `nothing in ${cacheDir} yet; fetch something with swarm pull\n`
      : `nothing in ${cacheDir} is like that\n`;
  }
  const perRevision = flags.revisions === true || flags.long === true;
  const [heading = "", ...rows] = perRevision ? revisionTable(listing, flags.long === true) : repoTable(listing, nowMs);
  const lines = rows.length > 0 ? [bold(heading), ...rows] : [];
  if (partial.length > 0) lines.push(...(lines.length > 0 ? [""] : []), bold("HALF DONE"), ...renderPartial(listing));
  const published = new Map(listing.revisions.map(({ repo, publisher }) => [repo, publisher]));
  for (const [repo, publisher] of published) {
    if (publisher !== undefined)
      lines.push(dim(`${sanitize(repo)} is published by node ${sanitize(publisher)}, by no origin`));
  }
  lines.push("", dim(`${formatBytes(totalBytes)} in ${cacheDir}`));
  return `${lines.join("\n")}\n`;
}

function repoTable({ repos }: CacheListing, nowMs: number): string[] {
  return renderTable(
    [
      { title: "REPO" },
      { title: "REVISIONS", align: "right" },
      { title: "SIZE", align: "right" },
      { title: "USED" },
      { title: "MODIFIED" },
      { title: "" },
    ],
    repos.map(({ repo, revisions, bytes, lastAccessed, lastModified, isPinned }) => [
      sanitize(repo),
      String(revisions),
      formatBytes(bytes),
      `${formatDuration(nowMs - Date.parse(lastAccessed))} ago`,
      lastModified.slice(0, 16).replace("T", " "),
      isPinned ? "pinned" : "",
    ]),
  );
}

function revisionTable({ revisions }: CacheListing, isLong: boolean): string[] {
  return renderTable(
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
