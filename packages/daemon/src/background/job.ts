/** One pull that nobody waits for. */
import type { DayHours, SwarmError } from "@swarmd/protocol";
import { formatDayHours, toErrorBody } from "@swarmd/protocol";
import { type BackgroundJob, isUrlTarget, type PullEvent, type PullRequest } from "@swarmd/protocol/api";
import type { Hold, WaitingJob } from "../core/policy/background/plan-background.js";

export type JobState = "queued" | "failed" | "done";

export class Job {
  readonly id: number;
  readonly request: PullRequest;
  /** The watched list that it stands in. */
  readonly list: string | undefined;
  /** What tells it from others of the same list, or of none. */
  readonly key: string;
  hours: DayHours | undefined;
  state: JobState = "queued";
  failures = 0;
  retryAtMs = 0;
  lacksOrigin = false;
  error: SwarmError | undefined;
  #progress = { doneBytes: 0, totalBytes: 0, bytesPerSecond: 0 };

  constructor(
    id: number,
    request: PullRequest,
    options: { readonly list?: string; readonly hours: DayHours | undefined },
  ) {
    this.id = id;
    this.request = request;
    this.key = keyOf(request);
    this.list = options.list;
    this.hours = options.hours;
  }

  /** As it was asked for. */
  get target(): string {
    const { target, revision } = this.request;
    return revision === undefined || target.includes("@") ? target : `${target}@${revision}`;
  }

  /** For the plan. */
  get waiting(): WaitingJob {
    const { id, hours, retryAtMs, lacksOrigin, request } = this;
    const needsOrigin = isUrlTarget(request.target) || request.noPeer === true;
    return { id, hours, retryAtMs, lacksOrigin, needsOrigin };
  }

  /** A person asks for it again: whatever became of it before is forgotten. */
  again(): void {
    this.state = "queued";
    this.failures = 0;
    this.retryAtMs = 0;
    this.lacksOrigin = false;
    this.error = undefined;
  }

  note(event: PullEvent): void {
    if (event.type === "start") {
      this.#progress = { doneBytes: event.bytesPresent, totalBytes: event.bytes, bytesPerSecond: 0 };
    } else if (event.type === "progress") {
      const { bytes, totalBytes, bytesPerSecond } = event;
      this.#progress = { doneBytes: bytes, totalBytes, bytesPerSecond };
    } else if (event.type === "done") {
      this.#progress = { doneBytes: event.bytes, totalBytes: event.bytes, bytesPerSecond: 0 };
    }
  }

  view(isRunning: boolean, hold: Hold | undefined): BackgroundJob {
    const isQueued = this.state === "queued";
    const state = this.state !== "queued" ? this.state : isRunning ? "running" : "waiting";
    return {
      id: this.id,
      target: this.target,
      list: this.list ?? null,
      between: this.hours === undefined ? null : formatDayHours(this.hours),
      state,
      reason: isQueued && !isRunning ? (hold?.reason ?? "turn") : null,
      until: isQueued && !isRunning ? (hold?.until ?? null) : null,
      error: this.error === undefined ? null : toErrorBody(this.error),
      ...this.#progress,
      bytesPerSecond: isRunning ? this.#progress.bytesPerSecond : 0,
    };
  }
}

/** The same for the same request. */
export function keyOf(request: PullRequest): string {
  return JSON.stringify(request);
}
