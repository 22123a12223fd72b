/** Of several peers that can serve a shard, which is best: a pure order, held by a table test. */
import type { LinkClass } from "../catalog/announcement.js";

/** What ranking looks at. */
export interface Offer {
  readonly linkClass: LinkClass;
  readonly isComplete: boolean;
  /** Measured; 0 when never measured. */
  readonly rateBytesPerS: number;
  readonly freeSlots: number;
  /** A hash of asker, shard and peer: spreads askers evenly over equals. */
  readonly draw: number;
}

const CLASS_RANK: Record<LinkClass, number> = { rdma: 0, thunderbolt: 1, ethernet: 2, wifi: 3, routed: 4 };

/** Rates within a factor of four count as equal: finer, and all would crowd on whoever was measured best. */
function rateStep(rateBytesPerS: number): number {
  return rateBytesPerS <= 0 ? Number.POSITIVE_INFINITY : Math.floor(Math.log2(rateBytesPerS) / 2);
}

/** Below 0 when `a` is to be preferred. A peer never measured counts as fast: else it would never be. */
export function compareOffers(a: Offer, b: Offer): number {
  const byClass = CLASS_RANK[a.linkClass] - CLASS_RANK[b.linkClass];
  if (byClass !== 0) return byClass;
  if (a.isComplete !== b.isComplete) return a.isComplete ? -1 : 1;
  const stepA = rateStep(a.rateBytesPerS);
  const stepB = rateStep(b.rateBytesPerS);
  if (stepA !== stepB) return stepA > stepB ? -1 : 1;
  const bySlots = Number(b.freeSlots > 0) - Number(a.freeSlots > 0);
  return bySlots !== 0 ? bySlots : a.draw - b.draw;
}
