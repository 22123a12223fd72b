/** Which of two revisions goes first. Pure comparators. */
import type { CachedRevision } from "./cache-state.js";

/** A revision that may go, with what the order looks at. */
export interface Candidate {
  readonly revision: CachedRevision;
  /** Some of what would be freed is on no other node. */
  isLastCopy: boolean;
}

/**
 * What other nodes hold goes before what only this one has; of those, old revisions before current ones; of those, the least
 * recently used. Names break ties, so that the same cache gives the same answer everywhere.
 *
 * @returns below 0 when `a` goes first
 */
export function compareForEviction(a: Candidate, b: Candidate): number {
  return (
    Number(a.isLastCopy) - Number(b.isLastCopy) ||
    Number(b.revision.isOld) - Number(a.revision.isOld) ||
    a.revision.lastUsedMs - b.revision.lastUsedMs ||
    compareText(a.revision.id, b.revision.id)
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
