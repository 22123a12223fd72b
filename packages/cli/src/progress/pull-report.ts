/** Tells the user how a pull goes: as JSON lines, as a living picture, as plain lines, or not at all. */
import type { DoneEvent, PullEvent } from "@swarmd/protocol/api";
import { stderrColors } from "../colors.js";
import { sanitize } from "../text.js";
import { Painter } from "./painter.js";
import { renderPull } from "./progress-lines.js";
import { EMPTY_VIEW, foldPullEvent, type PullView } from "./pull-view.js";
import { describeDone, describeFile, describeProgress, describeStart } from "./summary.js";

export type ReportedEvent = Exclude<PullEvent, { type: "error" }>;

export interface PullReport {
  onEvent(event: ReportedEvent): void;
  /** A remark or a log line of this process, not of the pull. */
  print(line: string): void;
  /** No more events; the screen is given back. */
  stop(): void;
}

/** Where logs are read, a line now and then is plenty. */
const PLAIN_INTERVAL_MS = 5000;
const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

export function createPullReport(options: { readonly json: boolean; readonly quiet: boolean }): PullReport {
  if (options.json) return createJsonReport();
  if (options.quiet) return createQuietReport();
  return process.stderr.isTTY === true && process.env.TERM !== "dumb" ? createLiveReport() : createPlainReport();
}

function createJsonReport(): PullReport {
  return { onEvent: (event) => writeOut(JSON.stringify(event)), print: writeErr, stop: () => undefined };
}

function createQuietReport(): PullReport {
  return {
    onEvent: (event) => {
      if (event.type === "done") writeOut(event.path);
      else if (event.type === "warning") writeErr(formatWarning(event.message));
    },
    print: () => undefined,
    stop: () => undefined,
  };
}

function createLiveReport(): PullReport {
  let view: PullView = EMPTY_VIEW;
  let painter: Painter | undefined;
  const colors = stderrColors();
  const screen = () => ({
    columns: process.stderr.columns || DEFAULT_COLUMNS,
    rows: process.stderr.rows || DEFAULT_ROWS,
    colors,
  });
  const print = (line: string) => (painter === undefined ? writeErr(line) : painter.print(line));
  return {
    onEvent: (event) => {
      view = foldPullEvent(view, event);
      if (event.type === "start") print(describeStart(event));
      else if (event.type === "warning") print(formatWarning(event.message));
      if (event.type === "done") {
        painter?.stop();
        writeDone(event);
      } else if (event.type === "progress") {
        // The first progress comes once something moves: a pull of what is there draws nothing.
        painter ??= new Painter(process.stderr, () => renderPull(view, screen()));
      }
      painter?.update();
    },
    print,
    stop: () => painter?.stop(),
  };
}

function createPlainReport(): PullReport {
  let view: PullView = EMPTY_VIEW;
  let lastLineMs = performance.now();
  return {
    onEvent: (event) => {
      view = foldPullEvent(view, event);
      const isDue = event.type !== "progress" || performance.now() - lastLineMs >= PLAIN_INTERVAL_MS;
      if (!isDue) return;
      if (event.type === "done") return writeDone(event);
      const line = describeEvent(event, view);
      if (line === undefined) return;
      writeErr(line);
      lastLineMs = performance.now();
    },
    print: writeErr,
    stop: () => undefined,
  };
}

function describeEvent(event: Exclude<ReportedEvent, DoneEvent>, view: PullView): string | undefined {
  switch (event.type) {
    case "start":
      return describeStart(event);
    case "warning":
      return formatWarning(event.message);
    case "progress":
      return describeProgress(event);
    case "file":
      // Nothing happened to a file that was there.
      return event.source === "cache" ? undefined : describeFile(event, view.filesDone, view.start?.files ?? 0);
  }
}

/** The last two lines of every pull, on stdout: where it is, and where it came from. */
function writeDone(done: DoneEvent): void {
  writeOut(done.path);
  writeOut(describeDone(done));
}

function formatWarning(message: string): string {
  return `${stderrColors().yellow("warning:")} ${sanitize(message)}`;
}

function writeOut(line: string): void {
  process.stdout.write(`${line}\n`);
}

function writeErr(line: string): void {
  process.stderr.write(`${line}\n`);
}
