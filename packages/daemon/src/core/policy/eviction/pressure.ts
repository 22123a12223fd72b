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
  const all: Pressure[] = [];
  if (maxBytes !== undefined) {
    all.push({ why: "bytes", overBytes: ledger.usedBytes + neededBytes - maxBytes * share });
    const open = maxBytes * (1 - reservedPinnedShare);
    const comesUnpinned = newcomer?.isPinned === true ? 0 : neededBytes;
    const overBytes = ledger.unpinnedBytes + comesUnpinned - open * share;
    if (reservedPinnedShare > 0) all.push({ why: "reserved", overBytes });
  }
  if (minFreeBytes !== undefined) {
    const overBytes = minFreeBytes * (2 - share) - (ledger.freeBytes - neededBytes);
    const ownBytes = neededBytes * (2 - share) - ledger.freedBytes;
    all.push({ why: "disk", overBytes: bounds.isMinFreeSoft === true ? Math.min(overBytes, ownBytes) : overBytes });
  }
  const worst = all.reduce<Pressure | undefined>(
    (most, one) => (most === undefined || one.overBytes > most.overBytes ? one : most),
    undefined,
  );
  return worst === undefined || worst.overBytes <= 0 ? undefined : worst;
}

/** Models beyond the bound, once the newcomer is in. */
export function countExtraModels(ledger: Ledger, bounds: CacheBounds, newcomer: Admission | undefined): number {
  if (bounds.maxModels === undefined) return 0;
  const comes = newcomer !== undefined && !ledger.hasModel(newcomer.model) ? 1 : 0;
  return Math.max(0, ledger.models + comes - bounds.maxModels);
}
