/** The books of one decision: what is in use, and what is left of it as victims are named. */
import type { CacheIndex } from "./cache-index.js";
import type { CachedRevision } from "./cache-state.js";

export class Ledger {
  readonly #index: CacheIndex;
  /** How many revisions that stay use each blob. */
  readonly #users: Uint32Array;
  readonly #removed = new Set<CachedRevision>();
  /** Of each model of which something goes. */
  readonly #removedOf = new Map<string, number>();
  models: number;
  usedBytes: number;
  unpinnedBytes: number;
  freeBytes: number;
  /** By the victims named so far. */
  freedBytes = 0;

  constructor(index: CacheIndex) {
    this.#index = index;
    this.#users = index.users.slice();
    this.models = index.revisionsOf.size;
    this.usedBytes = index.usedBytes;
    this.unpinnedBytes = index.unpinnedBytes;
    this.freeBytes = index.state.disk.freeBytes;
  }

  hasModel(model: string): boolean {
    return (this.#index.revisionsOf.get(model) ?? 0) > (this.#removedOf.get(model) ?? 0);
  }

  isRemoved(revision: CachedRevision): boolean {
    return this.#removed.has(revision);
  }

  /** How many revisions use this blob, those named as victims not counted. */
  usersOf(index: number): number {
    return this.#users[index] as number;
  }

  /** What would be freed if this revision went now. */
  weigh({ blobs }: CachedRevision): number {
    let freedBytes = 0;
    for (const index of blobs) if (this.#users[index] === 1) freedBytes += this.#index.freedBytes[index] as number;
    return freedBytes;
  }

  /** Whether some of what would be freed is nowhere else. */
  isLastCopy({ blobs }: CachedRevision): boolean {
    for (const index of blobs) if (this.#users[index] === 1 && this.#index.isSole[index] === 1) return true;
    return false;
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
    const { model } = revision;
    this.#removedOf.set(model, (this.#removedOf.get(model) ?? 0) + 1);
    if (!this.hasModel(model)) this.models -= 1;
  }
}
