/**
 * What can be said of a cache before anybody asks for room: who uses which blob, and in which order things would go. It is put together
 * when the cache is looked at; so a decision costs what it names, not what there is.
 */
import type { CachedRevision, CacheState } from "./cache-state.js";
import { type Candidate, compareForEviction, toCandidate } from "./order.js";

/** All revisions of a model that may go. */
export interface ModelCandidate extends Candidate {
  readonly revisions: readonly CachedRevision[];
}

export interface CacheIndex {
  readonly state: CacheState;
  /** How many revisions use each blob. */
  readonly users: Uint32Array;
  /** What goes with a blob; none of a startup file, for it stays. */
  readonly freedBytes: Float64Array;
  /** 1: no other node holds the blob, and it would go. */
  readonly isSole: Uint8Array;
  readonly usedBytes: number;
  readonly unpinnedBytes: number;
  /** How many revisions each model has. */
  readonly revisionsOf: ReadonlyMap<string, number>;
  /** Those that may go, as the state has them. */
  readonly free: readonly CachedRevision[];
  /** The same, those first that go first. */
  readonly order: readonly Candidate[];
  /** Whole models, the same way. */
  readonly models: readonly ModelCandidate[];
}

export function indexCache(state: CacheState): CacheIndex {
  const { blobs, revisions } = state;
  const users = new Uint32Array(blobs.length);
  const isPinned = new Uint8Array(blobs.length);
  const revisionsOf = new Map<string, number>();
  for (const revision of revisions) {
    revisionsOf.set(revision.model, (revisionsOf.get(revision.model) ?? 0) + 1);
    for (const index of revision.blobs) {
      users[index] = (users[index] as number) + 1;
      if (revision.isPinned) isPinned[index] = 1;
    }
  }
  const freedBytes = new Float64Array(blobs.length);
  const isSole = new Uint8Array(blobs.length);
  let [usedBytes, unpinnedBytes] = [0, 0];
  for (const [index, { sizeBytes, copiesElsewhere, isStartup }] of blobs.entries()) {
    usedBytes += sizeBytes;
    if (isPinned[index] === 0) unpinnedBytes += sizeBytes;
    if (isStartup === true) continue;
    freedBytes[index] = sizeBytes;
    if (copiesElsewhere === 0) isSole[index] = 1;
  }
  const free = revisions.filter(({ keep }) => keep === undefined);
  const isLastCopy = (one: CachedRevision) => one.blobs.some((index) => users[index] === 1 && isSole[index] === 1);
  const order = free.map((revision) => toCandidate(revision, isLastCopy(revision))).sort(compareForEviction);
  const models = groupModels(free)
    .map((all) => toModelCandidate(all, all.some(isLastCopy)))
    .sort(compareForEviction);
  return { state, users, freedBytes, isSole, usedBytes, unpinnedBytes, revisionsOf, free, order, models };
}

/** A model was used when the revision of it was that was used last. */
export function toModelCandidate(revisions: readonly CachedRevision[], isLastCopy: boolean): ModelCandidate {
  const newest = revisions.reduce((most, one) => (one.lastUsedMs > most.lastUsedMs ? one : most));
  return { ...toCandidate({ ...newest, isOld: false }, isLastCopy), revisions };
}

function groupModels(revisions: readonly CachedRevision[]): readonly (readonly CachedRevision[])[] {
  const byModel = new Map<string, CachedRevision[]>();
  for (const revision of revisions) {
    const all = byModel.get(revision.model);
    if (all === undefined) byModel.set(revision.model, [revision]);
    else all.push(revision);
  }
  return [...byModel.values()];
}
