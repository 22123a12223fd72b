/** What a pull looks like right now, folded from its events. Pure. */
import type { DoneEvent, ProgressEvent, PullEvent, StartEvent } from "@swarmd/protocol/api";

export interface PullView {
  readonly start: StartEvent | undefined;
  readonly progress: ProgressEvent | undefined;
  /** Files that are whole: `file` events so far, or what the last progress said, whichever is ahead. */
  readonly filesDone: number;
  readonly fileEvents: number;
  readonly done: DoneEvent | undefined;
}

export const EMPTY_VIEW: PullView = {
  start: undefined,
  progress: undefined,
  filesDone: 0,
  fileEvents: 0,
  done: undefined,
};

export function foldPullEvent(view: PullView, event: Exclude<PullEvent, { type: "error" }>): PullView {
  switch (event.type) {
    case "start":
      return { ...view, start: event };
    case "progress":
      return { ...view, progress: event, filesDone: Math.max(view.filesDone, event.filesDone) };
    case "file": {
      const fileEvents = view.fileEvents + 1;
      return { ...view, fileEvents, filesDone: Math.max(view.filesDone, fileEvents) };
    }
    case "done":
      return { ...view, done: event };
    case "warning":
      return view;
  }
}

/** 100 is kept for what is done: until then, every byte there still means "being checked". */
export function percentOf(doneBytes: number, totalBytes: number, isDone: boolean): number {
  if (isDone) return 100;
  if (totalBytes <= 0) return 0;
  return Math.min(99, Math.max(0, Math.floor((100 * doneBytes) / totalBytes)));
}
