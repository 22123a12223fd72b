/** What the disk, the book, the pins and the neighbours say, put into the form in which the policy reads it. Pure. */
import { type BlobId, type CommitId, formatRepo, type RepoRef } from "@swarmd/protocol";
import { type CacheIndex, indexCache } from "../core/policy/eviction/cache-index.js";
import type { CachedBlob, CachedRevision, CacheState, KeepReason } from "../core/policy/eviction/cache-state.js";
import type { KeptFile, KeptRepo, KeptRevision } from "./ports.js";

/** What each look-up is good for is said in {@link readInventory}. */
export interface InventorySources {
  readonly isOwn: (path: string) => boolean;
  /** Published by this node's owner: nobody else is sure to have it. */
  readonly isPublished: (repo: RepoRef, commit: CommitId) => boolean;
  readonly lastUseMs: (repo: RepoRef, revision: KeptRevision) => number;
  readonly copiesElsewhere: (blob: BlobId) => number;
  readonly isInUse: (blob: BlobId) => boolean;
  readonly isPinned: (repo: RepoRef, revision: KeptRevision, isOld: boolean) => boolean;
  /** A pull or a lease that holds on to a revision. */
  readonly holdOn: (repo: RepoRef, commit: CommitId) => "lease" | "pull" | undefined;
  /** Pulls under way: what they need of the cache is in use, though nothing leads to it yet. */
  readonly pulls: readonly { readonly repo: RepoRef; readonly blobs: ReadonlyMap<BlobId, number> }[];
  /** Files of others may go too. */
  readonly adoptEvict: boolean;
  readonly isStartupFile: ((file: KeptFile) => boolean) | undefined;
  readonly disk: CacheState["disk"];
}

/** A revision as the keeper needs it, beside what the policy sees. */
export interface Entry {
  readonly repo: RepoRef;
  readonly commit: CommitId;
  /** Of all its files. */
  readonly sizeBytes: number;
  /** All that it leads to. */
  readonly blobs: readonly BlobId[];
}

export interface Inventory {
  readonly state: CacheState;
  /** The same, in the form in which the policy reads it. */
  readonly cache: CacheIndex;
  readonly entries: ReadonlyMap<string, Entry>;
  /** By index of the policy's blobs; `undefined` for a plain file. */
  readonly blobIds: readonly (BlobId | undefined)[];
  /** Ours, and nothing leads to them. */
  readonly orphans: readonly { readonly repo: RepoRef; readonly orphan: KeptRepo["orphans"][number] }[];
}

export function readInventory(repos: readonly KeptRepo[], sources: InventorySources): Inventory {
  const blobs: CachedBlob[] = [];
  const blobIds: (BlobId | undefined)[] = [];
  const indexes = new Map<string, number>();
  const entries = new Map<string, Entry>();
  const revisions: CachedRevision[] = [];
  const orphans: Inventory["orphans"][number][] = [];

  const indexOf = (file: KeptFile): number => {
    const known = indexes.get(file.inode);
    if (known !== undefined) return known;
    const copiesElsewhere = file.blob === undefined ? 0 : sources.copiesElsewhere(file.blob);
    const isStartup = sources.isStartupFile?.(file) === true;
    blobIds.push(file.blob);
    indexes.set(file.inode, blobs.length);
    return blobs.push({ sizeBytes: file.sizeBytes, copiesElsewhere, isStartup }) - 1;
  };

  for (const kept of repos) {
    const model = formatRepo(kept.repo);
    for (const orphan of kept.orphans) {
      // Its size counts, though no revision can free it, unless it is a plain file's.
      if (!indexes.has(orphan.inode)) {
        indexes.set(orphan.inode, blobs.length);
        blobIds.push(orphan.blob);
        blobs.push({ sizeBytes: orphan.sizeBytes, copiesElsewhere: 0 });
      }
      if (!orphan.isTwin && sources.isOwn(orphan.path) && !sources.isInUse(orphan.blob))
        orphans.push({ repo: kept.repo, orphan });
    }
    for (const revision of kept.revisions) {
      const files = revision.files.filter(({ contentPath }) => contentPath !== undefined);
      const ids = [...new Set(files.flatMap(({ blob }) => (blob === undefined ? [] : [blob])))];
      const own = [
        ...new Set([...files.map(indexOf), ...twinsOf(kept, files).map((inode) => indexes.get(inode) as number)]),
      ];
      // What is left of a revision whose startup files were kept is no model, and has nothing that may go.
      if (own.length > 0 && own.every((index) => blobs[index]?.isStartup === true)) continue;
      const id = `${model}@${revision.commit}`;
      const sizeBytes = own.reduce((sum, index) => sum + (blobs[index]?.sizeBytes ?? 0), 0);
      entries.set(id, { repo: kept.repo, commit: revision.commit, sizeBytes, blobs: ids });
      const old = isOld(revision, kept.revisions);
      const isPinned = sources.isPinned(kept.repo, revision, old);
      revisions.push({
        id,
        model,
        lastUsedMs: sources.lastUseMs(kept.repo, revision),
        isOld: old,
        isPinned,
        keep: isPinned ? "pin" : findReason(kept, revision, ids, sources),
        blobs: own,
      });
    }
  }
  const byBlob = new Map(blobIds.map((blob, index) => [blob, index]));
  for (const [at, pull] of sources.pulls.entries()) {
    const model = formatRepo(pull.repo);
    const needed = [...pull.blobs.keys()].flatMap((blob) => byBlob.get(blob) ?? []);
    const name = { id: `${model}@pull-${at}`, model };
    revisions.push({ ...name, lastUsedMs: 0, isOld: false, isPinned: false, keep: "pull", blobs: needed });
  }
  const state = { blobs, revisions, disk: sources.disk };
  return { state, cache: indexCache(state), entries, blobIds, orphans };
}

/** The blobs behind plain files: they go with them. */
function twinsOf({ orphans }: KeptRepo, files: readonly KeptFile[]): readonly string[] {
  const twins = orphans.filter(({ isTwin }) => isTwin);
  if (twins.length === 0) return [];
  const sizes = new Set(files.filter(({ blob }) => blob === undefined).map(({ sizeBytes }) => sizeBytes));
  return twins.filter(({ sizeBytes }) => sizes.has(sizeBytes)).map(({ inode }) => inode);
}

function findReason(
  { repo }: KeptRepo,
  revision: KeptRevision,
  ids: readonly BlobId[],
  sources: InventorySources,
): KeepReason | undefined {
  const held = sources.holdOn(repo, revision.commit);
  if (held !== undefined) return held;
  if (sources.isPublished(repo, revision.commit)) return "published";
  const isForeign = ({ contentPath }: KeptFile) => contentPath !== undefined && !sources.isOwn(contentPath);
  if (!sources.adoptEvict && revision.files.some(isForeign)) return "foreign";
  return ids.some(sources.isInUse) ? "open" : undefined;
}

/** No branch or tag names it, and the repo has one that is named or younger. */
function isOld(revision: KeptRevision, all: readonly KeptRevision[]): boolean {
  if (revision.refs.length > 0) return false;
  return all.some((other) => other !== revision && (other.refs.length > 0 || other.mtimeMs > revision.mtimeMs));
}
