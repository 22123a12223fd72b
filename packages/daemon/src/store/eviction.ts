/**
 * Takes one revision out of the cache to make room. Under the locks that huggingface_hub takes too, and by a fresh look at the disk:
 * first what leads to the files, then the files that nothing else leads to. Cut short anywhere, it leaves no link that leads nowhere.
 */
import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { type BlobId, type CommitId, formatRepo, type RepoRef, SwarmError } from "@swarmd/protocol";
import type { BlobStore } from "./blob-store.js";
import { findBlobOfName, repoPath } from "./cache-layout.js";
import { toStoreError } from "./disk-faults.js";
import { Limiter } from "./limiter.js";
import { plainSizes } from "./read-repo.js";
import { findUnused, removeBlob, removeEmptyFolders, removeRevision, type UnusedBlob } from "./removal.js";
import { type ScannedFile, type ScannedRepo, type ScannedRevision, scanRepo } from "./scan-repo.js";
import { isStartupFile } from "./startup-files.js";

export interface EvictionOrder {
  readonly repo: RepoRef;
  readonly commit: CommitId;
  /** Its startup files stay, with the links to them. */
  readonly keepStartup: boolean;
  /** Asked once more when the locks are held, in the turn in which the removal begins. */
  readonly isStillDue: () => boolean;
}

interface Cancellable {
  readonly signal: AbortSignal;
}

const MOST_LOCKS = 256;
/** Steps on the disk, of all evictions together: a few more than the threads that take them. */
const atOnce = new Limiter(8);

/**
 * @returns bytes freed
 * @throws SwarmError STORE_FAULT when a file can't be removed or is being fetched; INTERRUPTED when it is not due any more
 */
export async function evictRevision(store: BlobStore, order: EvictionOrder, options: Cancellable): Promise<number> {
  const folder = repoPath(store.cacheDir, order.repo);
  const seen = getRevision(await scanRepo(folder, order.repo, options.signal), order);
  const release = await lockAll(store, order.repo, largest(seen));
  try {
    // With the locks held nobody adds a link to these blobs: now the look counts.
    const scanned = await scanRepo(folder, order.repo, options.signal);
    const revision = getRevision(scanned, order);
    const unused = [...(await findUnused(scanned, [revision])), ...findTwins(scanned, revision)];
    const stays = order.keepStartup ? new Set(blobsOf(revision, isStartupFile)) : new Set<BlobId>();
    const doomed = unused.filter(({ path }) => !stays.has(findBlobOfName(basename(path)) as BlobId));
    if (!order.isStillDue()) throw new SwarmError("INTERRUPTED", `${formatRepo(order.repo)} is in use again`);
    if (stays.size > 0) await removeLinks(store, revision);
    else await removeRevision(store, scanned, revision);
    await removeAll(store, doomed);
    if (stays.size === 0 && scanned.revisions.length === 1) await removeEmptyFolders(folder);
    return doomed.reduce((sum, { freedBytes }) => sum + freedBytes, plainBytes(revision, stays.size > 0));
  } finally {
    await release();
  }
}

/** A blob that nothing leads to. @returns bytes freed. @throws SwarmError STORE_FAULT */
export async function evictOrphan(
  store: BlobStore,
  repo: RepoRef,
  orphan: { readonly blob: BlobId; readonly path: string },
  { signal }: Cancellable,
): Promise<number> {
  const release = await lockAll(store, repo, [orphan.blob]);
  try {
    const scanned = await scanRepo(repoPath(store.cacheDir, repo), repo, signal);
    if (scanned.revisions.some((revision) => blobsOf(revision).includes(orphan.blob))) return 0;
    const found = await store.find(orphan.blob, { repo });
    await removeBlob(store, orphan.path);
    return found?.path === orphan.path ? found.sizeBytes : 0;
  } finally {
    await release();
  }
}

/** Where there are no links: the blobs behind the plain files of this revision alone. */
function findTwins({ revisions, orphans }: ScannedRepo, revision: ScannedRevision): readonly UnusedBlob[] {
  // The last revision takes everything with it anyway.
  if (revisions.length === 1) return [];
  const [own, others] = [plainSizes([revision]), plainSizes(revisions.filter((other) => other !== revision))];
  const twins = orphans.filter(({ isTwin, sizeBytes }) => isTwin && own.has(sizeBytes) && !others.has(sizeBytes));
  return twins.map(({ path, sizeBytes }) => ({ path, freedBytes: sizeBytes }));
}

function getRevision(scanned: ScannedRepo, { repo, commit }: EvictionOrder): ScannedRevision {
  const found = scanned.revisions.find((revision) => revision.commit === commit);
  if (found !== undefined) return found;
  throw new SwarmError("REVISION_NOT_FOUND", `${formatRepo(repo)}@${commit} is not in the cache any more`);
}

/** Those that take time to fetch; a lock takes a file handle. */
function largest({ files }: ScannedRevision): readonly BlobId[] {
  const bySize = [...files].sort((a, b) => b.sizeBytes - a.sizeBytes);
  return [...new Set(bySize.flatMap(({ blob }) => (blob === undefined ? [] : [blob])))].slice(0, MOST_LOCKS);
}

function blobsOf({ files }: ScannedRevision, of: (file: ScannedFile) => boolean = () => true): readonly BlobId[] {
  return [...new Set(files.filter(of).flatMap(({ blob }) => (blob === undefined ? [] : [blob])))];
}

/** Bytes of files that are no links: where the file system has none. */
function plainBytes({ files }: ScannedRevision, keepStartup: boolean): number {
  const gone = files.filter((file) => file.blob === undefined && !(keepStartup && isStartupFile(file)));
  return gone.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

async function removeLinks(store: BlobStore, { files, path: folder }: ScannedRevision): Promise<void> {
  for (const { path, blob } of files.filter((file) => !isStartupFile(file))) {
    const linkPath = join(folder, path);
    await rm(linkPath, { force: true }).catch((error) => {
      throw toStoreError(error, "remove", linkPath);
    });
    if (blob === undefined) store.noteRemoved(linkPath);
  }
}

/** Settles when nothing is under way any more: what goes on after the locks are free could hit a file that has just come. */
async function removeAll(store: BlobStore, blobs: readonly UnusedBlob[]): Promise<void> {
  const removals = blobs.map(({ path }) => atOnce.run(() => removeBlob(store, path)));
  for (const one of await Promise.allSettled(removals)) if (one.status === "rejected") throw one.reason;
}

/** All or none; each is only tried, so that nobody waits for anybody. */
async function lockAll(store: BlobStore, repo: RepoRef, blobs: readonly BlobId[]): Promise<() => Promise<void>> {
  const held: (() => Promise<void>)[] = [];
  const release = async () => void (await Promise.all(held.map((free) => free())));
  const tries = await Promise.allSettled(
    blobs.map((blob) =>
      atOnce.run(async () => {
        const free = await store.tryLock(blob, repo);
        if (free !== undefined) held.push(free);
      }),
    ),
  );
  if (held.length === blobs.length) return release;
  await release();
  for (const one of tries) if (one.status === "rejected") throw one.reason;
  throw new SwarmError("STORE_FAULT", `${formatRepo(repo)} is being read or fetched`, {
    hint: "It stays until that is done.",
  });
}
