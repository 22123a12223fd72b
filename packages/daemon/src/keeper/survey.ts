/** Looks at the cache as it is: what lies there, whose it is, what is pinned, held or promised. Remembers the last look. */
import { type BlobId, type CommitId, formatRepo, type RepoRef } from "@swarmd/protocol";
import { type Inventory, readInventory } from "./inventory.js";
import type { Leases } from "./leases.js";
import type { KeeperDeps, KeeperOptions, KeptRepo, KeptRevision } from "./ports.js";

export interface SurveyDeps extends KeeperDeps {
  readonly leases: Leases;
  /** How many other nodes hold a blob, as far as that can be relied on. */
  readonly copiesElsewhere: (blob: BlobId) => number;
}

export class Survey {
  readonly #options: KeeperOptions;
  readonly #deps: SurveyDeps;
  /** Copies that other nodes have asked us to hold, and until when. */
  readonly #copiesUntilMs = new Map<string, number>();
  #known: Inventory | undefined;

  constructor(options: KeeperOptions, deps: SurveyDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** As the cache was when last looked at. */
  get known(): Inventory | undefined {
    return this.#known;
  }

  /** Another node counts on our copy for so long. */
  holdCopy(repo: RepoRef, commit: CommitId, leaseMs: number): void {
    this.#copiesUntilMs.set(`${formatRepo(repo)}@${commit}`, performance.now() + leaseMs);
  }

  /** @param stuck revisions that could not be evicted just now. `isFresh`: with the access times of now. @throws SwarmError INTERRUPTED, STORE_FAULT */
  async look(
    stuck: ReadonlySet<string>,
    { signal, isFresh = false }: { readonly signal: AbortSignal; readonly isFresh?: boolean },
  ): Promise<Inventory> {
    const { store, book, clock, wallMs, published, leases, copiesElsewhere } = this.#deps;
    const [repos, disk, own] = await Promise.all([store.repos({ signal, isFresh }), store.disk(), published()]);
    if (this.#known === undefined) await book.forgetGone(pathsOf(repos));
    const wallNowMs = wallMs();
    const lastUseMs = (repo: RepoRef, revision: KeptRevision) => {
      const noted = book.lastUseMs(repo, revision.commit) ?? 0;
      if (revision.files.length === 0) return Math.max(noted, clock.fromWall(revision.mtimeMs, wallNowMs));
      return revision.files.reduce((most, { atimeMs, mtimeMs }) => {
        return Math.max(most, clock.fromWall(atimeMs, wallNowMs), clock.fromWall(mtimeMs, wallNowMs));
      }, noted);
    };
    this.#known = readInventory(repos, {
      isOwn: (path) => book.isOwn(path),
      isPublished: (repo, commit) => own.has(`${formatRepo(repo)}@${commit}`),
      lastUseMs,
      copiesElsewhere,
      isInUse: (blob) => store.isInUse(blob),
      isPinned: (repo, { commit, refs }, isOld) => this.isPinned(repo, commit, refs, isOld),
      holdOn: (repo, commit) => {
        return leases.find(repo, commit) ?? (stuck.has(`${formatRepo(repo)}@${commit}`) ? "lease" : undefined);
      },
      pulls: leases.pulls,
      adoptEvict: this.#options.adoptEvict,
      isStartupFile: this.#options.keepStartup ? (file) => store.isStartupFile(file) : undefined,
      disk,
    });
    const { blobs, revisions } = this.#known.state;
    const bytes = blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    book.noteExtent({ bytes, models: new Set(revisions.map(({ model }) => model)).size });
    return this.#known;
  }

  /** By people, or by another node that counts on it. */
  isPinned(repo: RepoRef, commit: CommitId, refs: readonly string[], isOld: boolean): boolean {
    const name = formatRepo(repo);
    if ((this.#copiesUntilMs.get(`${name}@${commit}`) ?? 0) > performance.now()) return true;
    return this.#deps.pins.pins.some((pin) => {
      if (pin.repo !== name) return false;
      if (pin.revision === undefined) return !isOld;
      return refs.includes(pin.revision) || (pin.revision.length >= 7 && commit.startsWith(pin.revision));
    });
  }
}

function* pathsOf(repos: readonly KeptRepo[]): Generator<string> {
  for (const { revisions, orphans } of repos) {
    for (const { files } of revisions) for (const { contentPath } of files) if (contentPath) yield contentPath;
    for (const { path } of orphans) yield path;
  }
}
