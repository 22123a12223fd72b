/** Who holds on to what: pulls under way, and commands that run under `swarm hold`. */
import { type BlobId, type CommitId, formatRepo, type RepoRef } from "@swarmd/protocol";

/** One hold. */
export interface Held {
  readonly kind: "lease" | "pull";
  readonly repo: RepoRef;
  /** All of the repo when left out. */
  readonly commit: CommitId | undefined;
  /** What a pull needs, wherever in the cache it lies, with the sizes. */
  readonly blobs: ReadonlyMap<BlobId, number>;
  /** Room was made for what it lacks: others must not count on that. */
  isAdmitted: boolean;
}

export class Leases {
  readonly #held = new Set<Held>();

  take(hold: Omit<Held, "isAdmitted">): Held {
    const held = { ...hold, isAdmitted: false };
    this.#held.add(held);
    return held;
  }

  release(held: Held): void {
    this.#held.delete(held);
  }

  /** Whether a revision is held by its name. */
  find(repo: RepoRef, commit: CommitId): Held["kind"] | undefined {
    const name = formatRepo(repo);
    for (const held of this.#held) {
      const isThis = formatRepo(held.repo) === name && (held.commit === undefined || held.commit === commit);
      if (isThis) return held.kind;
    }
    return undefined;
  }

  /** Whether a pull needs one of these. */
  needs(blobs: readonly BlobId[]): boolean {
    for (const held of this.#held) if (blobs.some((blob) => held.blobs.has(blob))) return true;
    return false;
  }

  get pulls(): readonly Held[] {
    return [...this.#held].filter(({ kind }) => kind === "pull");
  }
}
