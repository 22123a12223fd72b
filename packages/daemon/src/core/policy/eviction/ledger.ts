/** The books of one decision: what is in use, and what is left of it as victims are named. */
import type { CachedRevision, CacheState } from "./cache-state.js";

export class Ledger {
  readonly #state: CacheState;
  /** How many revisions that stay use each blob. */
  readonly #users: Uint32Array;
  /** How many pinned ones. */
  readonly #pinners: Uint32Array;
  /** Revisions of each model; counted when somebody asks, for most caches bound bytes and not models. */
  #revisionsOf: Map<string, number> | undefined;
  readonly #removed = new Set<CachedRevision>();
  usedBytes = 0;
  unpinnedBytes = 0;
  freeBytes: number;
  /** By the victims named so far. */
  freedBytes = 0;

  constructor(state: CacheState) {
    this.#state = state;
    this.#users = new Uint32Array(state.blobs.length);
    this.#pinners = new Uint32Array(state.blobs.length);
    this.freeBytes = state.disk.freeBytes;
    for (const { blobs, isPinned } of state.revisions) {
      for (const index of blobs) {
        this.#users[index] = (this.#users[index] as number) + 1;
        if (isPinned) this.#pinners[index] = (this.#pinners[index] as number) + 1;
      }
    }
    for (let index = 0; index < state.blobs.length; index += 1) {
      const { sizeBytes } = state.blobs[index] as CacheState["blobs"][number];
      this.usedBytes += sizeBytes;
      if (this.#pinners[index] === 0) this.unpinnedBytes += sizeBytes;
    }
  }

  get models(): number {
    return this.#countRevisions().size;
  }

  hasModel(model: string): boolean {
    return this.#countRevisions().has(model);
  }

  /** How many revisions use this blob, those named as victims not counted. */
  usersOf(index: number): number {
    return this.#users[index] as number;
  }

  /** Whether some of what would be freed is nowhere else. */
  isLastCopy({ blobs }: CachedRevision): boolean {
    for (const index of blobs) {
      if (this.#users[index] !== 1) continue;
      const { copiesElsewhere, isStartup } = this.#state.blobs[index] as CacheState["blobs"][number];
      if (copiesElsewhere === 0 && isStartup !== true) return true;
    }
    return false;
  }

  /** What would be freed if this revision went now, and whether some of that is nowhere else. */
  weigh({ blobs }: CachedRevision): { readonly freedBytes: number; readonly isLastCopy: boolean } {
    let freedBytes = 0;
    let isLastCopy = false;
    for (const index of blobs) {
      if (this.#users[index] !== 1) continue;
      const { sizeBytes, copiesElsewhere, isStartup } = this.#state.blobs[index] as CacheState["blobs"][number];
      if (isStartup === true) continue;
      freedBytes += sizeBytes;
      if (copiesElsewhere === 0) isLastCopy = true;
    }
    return { freedBytes, isLastCopy };
  }

  /** The revision goes; `freedBytes` as {@link weigh} said. */
  remove(revision: CachedRevision, freedBytes: number): void {
    this.usedBytes -= freedBytes;
    this.freeBytes += freedBytes;
    this.freedBytes += freedBytes;
    // What can go is not pinned.
    this.unpinnedBytes -= freedBytes;
    for (const index of revision.blobs) this.#users[index] = (this.#users[index] as number) - 1;
    this.#removed.add(revision);
    if (this.#revisionsOf !== undefined) countDown(this.#revisionsOf, revision.model);
  }

  #countRevisions(): Map<string, number> {
    if (this.#revisionsOf !== undefined) return this.#revisionsOf;
    const counts = new Map<string, number>();
    for (const revision of this.#state.revisions) {
      if (!this.#removed.has(revision)) counts.set(revision.model, (counts.get(revision.model) ?? 0) + 1);
    }
    this.#revisionsOf = counts;
    return counts;
  }
}

function countDown(counts: Map<string, number>, model: string): void {
  const left = (counts.get(model) ?? 0) - 1;
  if (left > 0) counts.set(model, left);
  else counts.delete(model);
}
