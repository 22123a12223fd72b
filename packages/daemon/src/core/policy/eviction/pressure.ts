/** How far over its bounds a cache is. Pure. */
import type { Admission, CacheBounds, Victim } from "./cache-state.js";
import type { Ledger } from "./ledger.js";

/**
 * Once something has to go, a tenth of the bound goes: else every pull into a full cache would evict, and the pulls that come together
 * would each wait for it.
 */
const LOW_SHARE = 0.9;

/** Beyond this something has to go (`high`), and this is where it ends (`low`). */
export type Mark = "high" | "low";

export interface Pressure {
  readonly why: Victim["why"];
  readonly overBytes: number;
}

/** The bound that is most exceeded once the newcomer is in; `undefined` when all hold. */
export function findBytesPressure(
  ledger: Ledger,
  bounds: CacheBounds,
  newcomer: Admission | undefined,
  mark: Mark,
): Pressure | undefined {
  const { maxBytes, minFreeBytes, reservedPinnedShare = 0 } = bounds;
  const neededBytes = newcomer?.neededBytes ?? 0;
  const share = mark === "high" ? 1 : LOW_SHARE;
  let why: Victim["why"] = "bytes";
  let worst = 0;
  if (maxBytes !== undefined) {
    worst = Math.max(0, ledger.usedBytes + neededBytes - maxBytes * share);
    const comesUnpinned = newcomer?.isPinned === true ? 0 : neededBytes;
    const overBytes = ledger.unpinnedBytes + comesUnpinned - maxBytes * (1 - reservedPinnedShare) * share;
    if (reservedPinnedShare > 0 && overBytes > worst) [why, worst] = ["reserved", overBytes];
  }
  if (minFreeBytes !== undefined) {
    const lacking = minFreeBytes * (2 - share) - (ledger.freeBytes - neededBytes);
    const ownBytes = neededBytes * (2 - share) - ledger.freedBytes;
    const overBytes = bounds.isMinFreeSoft === true ? Math.min(lacking, ownBytes) : lacking;
    if (overBytes > worst) [why, worst] = ["disk", overBytes];
  }
  return worst > 0 ? { why, overBytes: worst } : undefined;
}

/** Models beyond the bound, once the newcomer is in. */
export function countExtraModels(ledger: Ledger, bounds: CacheBounds, newcomer: Admission | undefined): number {
  if (bounds.maxModels === undefined) return 0;
  const comes = newcomer !== undefined && !ledger.hasModel(newcomer.model) ? 1 : 0;
  return Math.max(0, ledger.models + comes - bounds.maxModels);
}
