/** Which of two revisions goes first. Pure. */
import type { CachedRevision } from "./cache-state.js";

/** A revision that may go. */
export interface Candidate {
  readonly revision: CachedRevision;
  /** Some of what would be freed is on no other node. */
  readonly isLastCopy: boolean;
  /** Lower goes first: the whole order but for ties in one number, because comparing is most of what a decision does. */
  readonly rank: number;
}

/** Above every time there will be in ms, and far enough below 2 ** 53 for fractions. */
const TIER = 2 ** 44;

/**
 * What other nodes hold goes before what only this one has; of those, old revisions before current ones; of those, the least
 * recently used.
 */
export function toCandidate(revision: CachedRevision, isLastCopy: boolean): Candidate {
  const tier = (isLastCopy ? 2 : 0) + (revision.isOld ? 0 : 1);
  const usedMs = Math.min(TIER - 1, Math.max(0, revision.lastUsedMs));
  return { revision, isLastCopy, rank: tier * TIER + usedMs };
}

/** Names break ties, so that the same cache gives the same answer everywhere. @returns below 0 when `a` goes first */
export function compareForEviction(a: Candidate, b: Candidate): number {
  if (a.rank !== b.rank) return a.rank - b.rank;
  return a.revision.id < b.revision.id ? -1 : a.revision.id > b.revision.id ? 1 : 0;
}
