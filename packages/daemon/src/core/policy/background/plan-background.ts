/**
 * Which pull that nobody waits for runs now, whether it may ask the origin, and why the others do not. Pure: asked again whenever something
 * changes, it gives the same answer to the same question.
 */
import { type DayHours, type ErrorCode, exitCodeOf, formatMinute } from "@swarmd/protocol";
import type { BackgroundReason } from "@swarmd/protocol/api";
import { isWithin } from "./hours.js";

/** A pull that is not done. */
export interface WaitingJob {
  readonly id: number;
  readonly hours: DayHours | undefined;
  /** Not before; the engine's clock. 0 for at once. */
  readonly retryAtMs: number;
  /** The last try went without the origin, and would do better with it. */
  readonly lacksOrigin: boolean;
  /** Peers are no use to it. */
  readonly needsOrigin: boolean;
}

export interface Running {
  readonly id: number;
  readonly fromOrigin: boolean;
}

export interface Situation {
  /** The clock that never goes back. */
  readonly nowMs: number;
  /** Of the local day. */
  readonly minute: number;
  readonly isSomebodyWaiting: boolean;
  /** Since when nobody waits. */
  readonly calmSinceMs: number;
  /** What the day's budget leaves. */
  readonly originLeftBytes: number;
  readonly hasPeers: boolean;
  readonly running: Running | undefined;
}

export interface Hold {
  readonly reason: BackgroundReason;
  /** Local time of day, where it is known. */
  readonly until: string | undefined;
}

export interface BackgroundPlan {
  readonly run: Running | undefined;
  /** Of all that do not run. */
  readonly holds: ReadonlyMap<number, Hold>;
}

/** A program that loads a model asks for one file after the other: nothing begins in the moments between. */
export const CALM_MS = 2_000;
const FIRST_RETRY_MS = 30_000;
const MAX_RETRY_MS = 3_600_000;
/** How often peers are looked through for what the origin may not be asked for. */
export const PEERS_AGAIN_MS = 60_000;

/** @param jobs in the order in which they are to be had */
export function planBackground(jobs: readonly WaitingJob[], situation: Situation): BackgroundPlan {
  const holds = new Map<number, Hold>();
  const able: Running[] = [];
  for (const job of jobs) {
    const hold = findHold(job, situation);
    if (hold === undefined) able.push({ id: job.id, fromOrigin: situation.originLeftBytes > 0 });
    else holds.set(job.id, hold);
  }
  // Whoever has begun goes on.
  const run = able.find(({ id }) => id === situation.running?.id) ?? able[0];
  for (const { id } of able) if (id !== run?.id) holds.set(id, { reason: "turn", until: undefined });
  return { run, holds };
}

function findHold(job: WaitingJob, situation: Situation): Hold | undefined {
  const { nowMs, minute, isSomebodyWaiting, calmSinceMs, originLeftBytes, hasPeers, running } = situation;
  if (!isWithin(job.hours, minute)) return { reason: "hours", until: formatMinute(job.hours?.fromMinute ?? 0) };
  const mayAskOrigin = originLeftBytes > 0;
  const isOff = job.retryAtMs > nowMs && running?.id !== job.id && !(job.lacksOrigin && mayAskOrigin);
  if (!mayAskOrigin && (job.needsOrigin || !hasPeers || (isOff && job.lacksOrigin))) {
    return { reason: "budget", until: formatMinute(0) };
  }
  if (isSomebodyWaiting || (running === undefined && nowMs - calmSinceMs < CALM_MS)) {
    return { reason: "yields", until: undefined };
  }
  return isOff ? { reason: "retry", until: undefined } : undefined;
}

/** How long to wait after so many failures in a row. */
export function retryAfterMs(failures: number): number {
  return Math.min(FIRST_RETRY_MS * 2 ** Math.max(0, failures - 1), MAX_RETRY_MS);
}

/** What may do better later: no source, no room, a fault of this machine. What does not exist, or is not allowed, is for a person to mend. */
export function isWorthAnotherTry(code: ErrorCode): boolean {
  return [1, 6, 7, 130].includes(exitCodeOf(code));
}
