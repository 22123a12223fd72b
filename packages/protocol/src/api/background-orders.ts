/** What is ordered of the background over the local API. */
import type { BackgroundJob, ListProblem } from "./background-types.js";
import type { ErrorEvent, PullRequest } from "./types.js";

/** A pull for when nobody waits for another. */
export interface BackgroundRequest {
  /** Without `dryRun`. */
  readonly pull: PullRequest;
  /** `22:00-06:00`; when left out, as the node was started. */
  readonly between?: string;
}

/** A file that lists repos. */
export interface PrefetchRequest {
  /** Absolute. */
  readonly path: string;
  readonly between?: string;
  /** Read it now, and never again. */
  readonly once?: boolean;
}

export interface StopPrefetchRequest {
  readonly path: string;
}

export interface CancelRequest {
  /** `org/model[@rev]` or a URL, as it was asked for, or the number of the job. */
  readonly target: string;
}

export interface CancelResult {
  readonly cancelled: readonly BackgroundJob[];
}

export interface PrefetchResult {
  /** Those of the list, in its order. */
  readonly jobs: readonly BackgroundJob[];
  readonly problems: readonly ListProblem[];
}

export interface WatchRequest {
  /** Ids. */
  readonly jobs: readonly number[];
}

/** `job` once for each at first, and when what becomes of it changes; `finished` when none of them goes on. */
export type WatchEvent =
  | { readonly type: "job"; readonly job: BackgroundJob }
  | { readonly type: "finished"; readonly done: number; readonly failed: number; readonly cancelled: number }
  | ErrorEvent;
