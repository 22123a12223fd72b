/** What has to go so that the cache keeps its bounds, or that a newcomer fits. A pure function of what it is shown. */
import type { Admission, CacheBounds, CachedRevision, CacheState, Victim } from "./cache-state.js";
import { Ledger } from "./ledger.js";
import { MinHeap } from "./min-heap.js";
import { type Candidate, compareForEviction, toCandidate } from "./order.js";
import { POLICIES, type PolicyName } from "./policies.js";
import { countExtraModels, findBytesPressure, type Mark } from "./pressure.js";

export interface EvictionQuestion {
  readonly state: CacheState;
  readonly policy: PolicyName;
  readonly bounds: CacheBounds;
  /** Without one, the cache is only held to its bounds. */
  readonly newcomer?: Admission;
  readonly nowMs: number;
}

export type EvictionPlan =
  | { readonly kind: "go"; readonly victims: readonly Victim[] }
  /** The newcomer does not fit, whatever may go; so nothing goes. */
  | { readonly kind: "full"; readonly why: Victim["why"]; readonly overBytes: number };

export function planEviction({ state, policy, bounds, newcomer, nowMs }: EvictionQuestion): EvictionPlan {
  const { makesRoom, expires, isBounded } = POLICIES[policy];
  const ledger = new Ledger(state);
  const victims: Victim[] = [];
  let rest: readonly CachedRevision[] = state.revisions.filter((revision) => revision.keep === undefined);
  if (expires && bounds.ttlMs !== undefined) {
    const { ttlMs } = bounds;
    const hasExpired = ({ lastUsedMs }: CachedRevision) => nowMs - lastUsedMs >= ttlMs;
    for (const revision of rest.filter(hasExpired)) take(revision, "expired", ledger, victims);
    rest = rest.filter((revision) => !hasExpired(revision));
  }
  if (!isBounded) return { kind: "go", victims };
  if (makesRoom) {
    rest = dropModels(rest, ledger, bounds, newcomer, victims);
    dropBytes(rest, ledger, bounds, newcomer, victims);
  }
  return refuse(ledger, bounds, newcomer) ?? { kind: "go", victims };
}

/** Whole models, those first whose last use is longest ago. */
function dropModels(
  revisions: readonly CachedRevision[],
  ledger: Ledger,
  bounds: CacheBounds,
  newcomer: Admission | undefined,
  victims: Victim[],
): readonly CachedRevision[] {
  if (countExtraModels(ledger, bounds, newcomer) === 0) return revisions;
  const byModel = new Map<string, CachedRevision[]>();
  for (const revision of revisions) byModel.set(revision.model, [...(byModel.get(revision.model) ?? []), revision]);
  const candidates = [...byModel.values()].map((all) => {
    const newest = all.reduce((most, one) => (one.lastUsedMs > most.lastUsedMs ? one : most));
    const isLastCopy = all.some((revision) => ledger.isLastCopy(revision));
    return toCandidate({ ...newest, isOld: false }, isLastCopy);
  });
  const heap = new MinHeap<Candidate>(candidates, compareForEviction);
  const gone = new Set<string>();
  while (heap.size > 0 && countExtraModels(ledger, bounds, newcomer) > 0) {
    const { model } = (heap.pop() as Candidate).revision;
    if (model === newcomer?.model) continue;
    for (const revision of byModel.get(model) ?? []) take(revision, "models", ledger, victims);
    gone.add(model);
  }
  return revisions.filter(({ model }) => !gone.has(model));
}

function dropBytes(
  revisions: readonly CachedRevision[],
  ledger: Ledger,
  bounds: CacheBounds,
  newcomer: Admission | undefined,
  victims: Victim[],
): void {
  if (findBytesPressure(ledger, bounds, newcomer, "high") === undefined) return;
  const candidates = revisions.map((revision) => toCandidate(revision, ledger.isLastCopy(revision)));
  const heap = new MinHeap<Candidate>(candidates, compareForEviction);
  const sharers: CachedRevision[] = [];
  for (let mark: Mark = "low"; heap.size > 0; ) {
    const pressure = findBytesPressure(ledger, bounds, newcomer, mark);
    if (pressure === undefined) return;
    const candidate = heap.pop() as Candidate;
    const weight = ledger.weigh(candidate.revision);
    const { isLastCopy } = weight;
    if (isLastCopy && !candidate.isLastCopy) {
      // The one it shared its content with has just been named.
      heap.push(toCandidate(candidate.revision, true));
      continue;
    }
    // For the sake of a watermark no last copy goes: only for the bound itself.
    if (isLastCopy && mark === "low") {
      mark = "high";
      heap.push(candidate);
      continue;
    }
    if (weight.freedBytes > 0) take(candidate.revision, pressure.why, ledger, victims, weight);
    else sharers.push(candidate.revision);
  }
  dropSharers(sharers, ledger, bounds, newcomer, victims);
}

/** Revisions of which none frees anything alone, because they share all they have: together they do. */
function dropSharers(
  sharers: readonly CachedRevision[],
  ledger: Ledger,
  bounds: CacheBounds,
  newcomer: Admission | undefined,
  victims: Victim[],
): void {
  const among = new Map<number, number>();
  for (const { blobs } of sharers) for (const index of blobs) among.set(index, (among.get(index) ?? 0) + 1);
  const isOnlyAmong = ({ blobs }: CachedRevision) => blobs.every((index) => among.get(index) === ledger.usersOf(index));
  for (const revision of sharers.filter((one) => one.blobs.length > 0 && isOnlyAmong(one))) {
    const pressure = findBytesPressure(ledger, bounds, newcomer, "high");
    if (pressure === undefined) return;
    take(revision, pressure.why, ledger, victims);
  }
}

function take(
  revision: CachedRevision,
  why: Victim["why"],
  ledger: Ledger,
  victims: Victim[],
  weight = ledger.weigh(revision),
): void {
  const { freedBytes, isLastCopy } = weight;
  victims.push({ revision, freedBytes, isLastCopy, why });
  ledger.remove(revision, freedBytes);
}

function refuse(ledger: Ledger, bounds: CacheBounds, newcomer: Admission | undefined): EvictionPlan | undefined {
  if (newcomer === undefined) return undefined;
  const extraModels = countExtraModels(ledger, bounds, newcomer);
  if (extraModels > 0) return { kind: "full", why: "models", overBytes: 0 };
  if (newcomer.neededBytes === 0) return undefined;
  const { minFreeBytes: _default, ...asked } = bounds;
  const pressure = findBytesPressure(ledger, bounds.isMinFreeSoft === true ? asked : bounds, newcomer, "high");
  return pressure && { kind: "full", ...pressure };
}
