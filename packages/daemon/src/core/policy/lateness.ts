/** How long our own node was away from its work: starved of processor time, or asleep. */

/** Timers of a node that is merely busy are late by less. */
const USUAL_MS = 50;

export interface Moment {
  readonly nowMs: number;
  /** When something was last dealt with. */
  readonly beforeMs: number;
  /** When the earliest timer was to ring; Infinity for none. */
  readonly dueMs: number;
}

/** @returns milliseconds, 0 for a node that is on time. Until the timer was due there was nothing to do, which is not to be away. */
export function lateness({ nowMs, beforeMs, dueMs }: Moment): number {
  const lateMs = nowMs - Math.max(beforeMs, dueMs);
  return lateMs > USUAL_MS ? lateMs : 0;
}
