/** Draws a pull as lines of text, for a terminal of a given size. Pure: the same view gives the same lines. */
import { formatBytes, formatDuration, formatRate } from "@swarmd/protocol";
import type { FileProgress, ProgressEvent } from "@swarmd/protocol/api";
import type { Colors } from "../colors.js";
import { padEnd, padStart, sanitize, truncateMiddle, widthOf } from "../text.js";
import { type PullView, percentOf } from "./pull-view.js";

export interface Screen {
  readonly columns: number;
  readonly rows: number;
  readonly colors: Colors;
}

const INDENT = "  ";
/** A name shorter than this tells nothing; then the numbers give way. */
const MIN_NAME_COLUMNS = 12;
const MAX_NAME_COLUMNS = 60;
const MAX_BAR_COLUMNS = 30;
const MIN_BAR_COLUMNS = 10;
const SIZE_COLUMNS = 17;

/** One line per file in flight, as many as half the screen holds, and one for the whole. */
export function renderPull(view: PullView, screen: Screen): string[] {
  const { progress } = view;
  if (progress === undefined) return [clip(`${INDENT}${screen.colors.dim("asking what is there …")}`, screen)];
  const files = progress.files.filter(({ state }) => state === "fetching" || state === "checking");
  const room = Math.max(1, Math.floor(screen.rows / 2) - 2);
  const shown = files.length <= room ? files : files.slice(0, room - 1);
  const lines = shown.map((file) => renderFile(file, shown, screen));
  const hidden = files.length - shown.length;
  if (hidden > 0) lines.push(clip(`${INDENT}${screen.colors.dim(`… and ${hidden} more`)}`, screen));
  lines.push(renderTotal(view, progress, screen));
  return lines;
}

function renderFile(file: FileProgress, all: readonly FileProgress[], screen: Screen): string {
  const { dim } = screen.colors;
  const isChecking = file.state === "checking";
  const size = isChecking
    ? formatBytes(file.sizeBytes)
    : `${formatBytes(file.doneBytes)} / ${formatBytes(file.sizeBytes)}`;
  const state = isChecking ? "checking" : `${percentOf(file.doneBytes, file.sizeBytes, false)}%`;
  const numbers = `  ${padStart(size, SIZE_COLUMNS)}  ${padStart(state, 8)}`;
  const widest = Math.min(MAX_NAME_COLUMNS, Math.max(...all.map(({ path }) => widthOf(sanitize(path)))));
  const nameColumns = Math.min(widest, screen.columns - INDENT.length - numbers.length - 1);
  if (nameColumns < MIN_NAME_COLUMNS) {
    const left = Math.max(1, screen.columns - INDENT.length - state.length - 2);
    return clip(`${INDENT}${padEnd(truncateMiddle(sanitize(file.path), left), left)} ${state}`, screen);
  }
  const name = padEnd(truncateMiddle(sanitize(file.path), nameColumns), nameColumns);
  return clip(`${INDENT}${name}${dim(numbers)}`, screen);
}

/** The parts in order of worth: what does not fit is left out from the end, and the bar takes what is left over. */
function renderTotal(view: PullView, progress: ProgressEvent, screen: Screen): string {
  const { bold, cyan, dim } = screen.colors;
  const isAllThere = progress.bytes >= progress.totalBytes;
  const parts = [
    `${percentOf(progress.bytes, progress.totalBytes, view.done !== undefined)}%`,
    `${formatBytes(progress.bytes)} / ${formatBytes(progress.totalBytes)}`,
    ...(isAllThere ? ["checking"] : [formatRate(progress.bytesPerSecond), formatEta(progress.etaMs)]),
    `${view.filesDone}/${progress.filesTotal} files`,
  ];
  let text = parts[0] as string;
  for (const part of parts.slice(1)) {
    if (INDENT.length + widthOf(text) + 2 + widthOf(part) >= screen.columns) break;
    text += `  ${part}`;
  }
  const barColumns = Math.min(MAX_BAR_COLUMNS, screen.columns - INDENT.length - widthOf(text) - 3);
  if (barColumns < MIN_BAR_COLUMNS) return clip(`${INDENT}${bold(text)}`, screen);
  const fraction = progress.totalBytes > 0 ? progress.bytes / progress.totalBytes : 0;
  const full = Math.min(barColumns, Math.max(0, Math.floor(fraction * barColumns)));
  const bar = `${cyan("━".repeat(full))}${dim("─".repeat(barColumns - full))}`;
  return `${INDENT}${bar}  ${bold(text)}`;
}

function formatEta(etaMs: number | null): string {
  return etaMs === null ? "--" : `${formatDuration(etaMs)} left`;
}

/** A line that wraps would break the drawing; one column stays free, because some terminals wrap when the last one is used. */
function clip(line: string, { columns }: Screen): string {
  return widthOf(line) < columns ? line : truncateMiddle(stripColors(line), Math.max(1, columns - 1));
}

function stripColors(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colour codes begin with one.
  return text.replace(/\u001b\[[0-9;]*m/g, "");
}
