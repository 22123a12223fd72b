/** What has to go so that the cache keeps its bounds, or that a newcomer fits. A pure function of what it is shown. */
import { type CacheIndex, toModelCandidate } from "./cache-index.js";
import type { Admission, CacheBounds, CachedRevision, Victim } from "./cache-state.js";
import { Ledger } from "./ledger.js";
import { NextVictim } from "./next-victim.js";
import { toCandidate } from "./order.js";
import { POLICIES, type PolicyName } from "./policies.js";
import { countExtraModels, findBytesPressure, type Mark } from "./pressure.js";

export interface EvictionQuestion {
  readonly cache: CacheIndex;
  readonly policy: PolicyName;
  readonly bounds: CacheBounds;
  /** Without one, the cache is only held to its bounds. */
  readonly newcomer?: Admission;
  readonly nowMs: number;
}

export type EvictionPlan =
  /** Once the first `urgent` victims are gone the newcomer may come; the others go to leave room for the next. */
  | { readonly kind: "go"; readonly victims: readonly Victim[]; readonly urgent: number }
  /** The newcomer does not fit, whatever may go; so nothing goes. */
  | { readonly kind: "full"; readonly why: Victim["why"]; readonly overBytes: number };

/** What one decision is about, and what it has come to so far. */
interface Draft {
  readonly cache: CacheIndex;
  readonly bounds: CacheBounds;
  readonly newcomer: Admission | undefined;
  readonly ledger: Ledger;
  readonly victims: Victim[];
  urgent: number;
}

export function planEviction({ cache, policy, bounds, newcomer, nowMs }: EvictionQuestion): EvictionPlan {
  const { makesRoom, expires, isBounded } = POLICIES[policy];
  const draft: Draft = { cache, bounds, newcomer, ledger: new Ledger(cache), victims: [], urgent: 0 };
  if (expires && bounds.ttlMs !== undefined) dropExpired(draft, nowMs - bounds.ttlMs);
  const { victims } = draft;
  if (!isBounded) return { kind: "go", victims, urgent: 0 };
  if (makesRoom) {
    dropModels(draft);
    dropBytes(draft);
  }
  return refuse(draft) ?? { kind: "go", victims, urgent: draft.urgent };
}

function dropExpired(draft: Draft, lastMs: number): void {
  for (const revision of draft.cache.free) if (revision.lastUsedMs <= lastMs) take(draft, revision, "expired");
}

/** Whole models, those first whose last use is longest ago. */
function dropModels(draft: Draft): void {
  const { cache, ledger, bounds, newcomer } = draft;
  const next = new NextVictim(cache.models);
  while (countExtraModels(ledger, bounds, newcomer) > 0) {
    const candidate = next.pop();
    if (candidate === undefined) return;
    const { revisions, isLastCopy, revision } = candidate;
    const left = revisions.filter((one) => !ledger.isRemoved(one));
    if (left.length === 0 || revision.model === newcomer?.model) continue;
    if (!isLastCopy && left.some((one) => ledger.isLastCopy(one))) {
      next.putBack(toModelCandidate(left, true));
      continue;
    }
    for (const one of left) take(draft, one, "models");
    draft.urgent = draft.victims.length;
  }
}

/** Down to the low watermark, once the bound itself does not hold. */
function dropBytes(draft: Draft): void {
  const { cache, ledger, bounds, newcomer, victims } = draft;
  if (findBytesPressure(ledger, bounds, newcomer, "high") === undefined) return;
  const next = new NextVictim(cache.order);
  const sharers: CachedRevision[] = [];
  const hasRemoved = victims.length > 0;
  let isUrgent = true;
  for (let mark: Mark = "low"; ; ) {
    const pressure = findBytesPressure(ledger, bounds, newcomer, mark);
    if (pressure === undefined) return;
    const candidate = next.pop();
    if (candidate === undefined) break;
    const { revision } = candidate;
    if (hasRemoved && ledger.isRemoved(revision)) continue;
    const isLastCopy = ledger.isLastCopy(revision);
    if (isLastCopy && !candidate.isLastCopy) {
      // The one it shared its content with has just been named.
      next.putBack(toCandidate(revision, true));
      continue;
    }
    // For the sake of a watermark no last copy goes: only for the bound itself.
    if (isLastCopy && mark === "low") {
      mark = "high";
      next.putBack(candidate);
      continue;
    }
    const freedBytes = ledger.weigh(revision);
    if (freedBytes === 0) {
      sharers.push(revision);
      continue;
    }
    // What goes only takes pressure away.
    isUrgent &&= findBytesPressure(ledger, bounds, newcomer, "high") !== undefined;
    take(draft, revision, pressure.why, { freedBytes, isLastCopy });
    if (isUrgent) draft.urgent = victims.length;
  }
  dropSharers(draft, sharers);
}

/** Revisions of which none frees anything alone, because they share all they have: together they do. */
function dropSharers(draft: Draft, sharers: readonly CachedRevision[]): void {
  const { ledger, bounds, newcomer, victims } = draft;
  const among = new Map<number, number>();
  for (const { blobs } of sharers) for (const index of blobs) among.set(index, (among.get(index) ?? 0) + 1);
  const isOnlyAmong = ({ blobs }: CachedRevision) => blobs.every((index) => among.get(index) === ledger.usersOf(index));
  for (const revision of sharers.filter((one) => one.blobs.length > 0 && isOnlyAmong(one))) {
    const pressure = findBytesPressure(ledger, bounds, newcomer, "high");
    if (pressure === undefined) return;
    take(draft, revision, pressure.why);
    draft.urgent = victims.length;
  }
}

function take(
  { ledger, victims }: Draft,
  revision: CachedRevision,
  why: Victim["why"],
  { freedBytes, isLastCopy } = { freedBytes: ledger.weigh(revision), isLastCopy: ledger.isLastCopy(revision) },
): void {
  victims.push({ revision, freedBytes, isLastCopy, why });
  ledger.remove(revision, freedBytes);
}

function refuse({ ledger, bounds, newcomer }: Draft): EvictionPlan | undefined {
  if (newcomer === undefined) return undefined;
  const extraModels = countExtraModels(ledger, bounds, newcomer);
  if (extraModels > 0) return { kind: "full", why: "models", overBytes: 0 };
  if (newcomer.neededBytes === 0) return undefined;
  const { minFreeBytes: _default, ...asked } = bounds;
  const pressure = findBytesPressure(ledger, bounds.isMinFreeSoft === true ? asked : bounds, newcomer, "high");
  return pressure && { kind: "full", ...pressure };
}
