/** What the local API shows of pulls that nobody waits for. Sizes in bytes. */
import type { ErrorBody } from "../errors.js";

/** Why a pull does not run: not its hours, the day's budget, somebody's pull, others before it, a failure a while ago. */
export type BackgroundReason = "hours" | "budget" | "yields" | "turn" | "retry";

export interface BackgroundJob {
  readonly id: number;
  /** With its revision, where one was given. */
  readonly target: string;
  /** The list that it stands in. */
  readonly list: string | null;
  readonly between: string | null;
  /** `failed`: it is not tried again by itself. */
  readonly state: "running" | "waiting" | "failed" | "done";
  /** Why it waits. */
  readonly reason: BackgroundReason | null;
  /** Local time from which it may go on, such as `22:00`, where that is known. */
  readonly until: string | null;
  /** What the last try ended with. */
  readonly error: ErrorBody | null;
  /** As far as is known since the node started. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly bytesPerSecond: number;
}

export interface ListProblem {
  /** From 1; 0 for the whole file. */
  readonly line: number;
  readonly message: string;
}

/** A list that is watched. */
export interface PrefetchList {
  readonly path: string;
  readonly between: string | null;
  /** Given to `swarmd start`. */
  readonly isConfigured: boolean;
  readonly problems: readonly ListProblem[];
}

/** What came from the origin since local midnight. */
export interface OriginUse {
  /** `2026-11-21`, local. */
  readonly day: string;
  readonly backgroundBytes: number;
  /** For those who wait. Counted in the budget, never stopped by it. */
  readonly foregroundBytes: number;
  /** Background pulls take no more from the origin when both together have reached it; `null` for no budget. */
  readonly budgetBytes: number | null;
}

export interface BackgroundStatus {
  readonly jobs: readonly BackgroundJob[];
  readonly lists: readonly PrefetchList[];
  readonly originToday: OriginUse;
}
