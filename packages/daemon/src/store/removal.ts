/**
 * Takes revisions out of the cache: first what leads to them (refs, links), then the blobs that no other revision uses. A blob
 * that is being fetched, and its staging file, stay.
 */
import { lstat, readdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { formatRepo, parseRepoSpec, type RepoRef, type Revision, SwarmError } from "@swarmd/protocol";
import type { RemoveRequest, RemoveResult } from "@swarmd/protocol/api";
import type { BlobStore } from "./blob-store.js";
import { findBlobOfName, noExistPath, refPath, treePath } from "./cache-layout.js";
import { errnoOf, throwIfAborted, toStoreError } from "./disk-faults.js";
import { toCachedRevision } from "./listing.js";
import { type ScannedRepo, type ScannedRevision, scanCache } from "./scan-repo.js";

interface Cancellable {
  readonly signal: AbortSignal;
}

/** @throws SwarmError USAGE, REPO_NOT_FOUND, REVISION_NOT_FOUND, STORE_FAULT, or INTERRUPTED on abort */
export async function removeFromCache(
  store: BlobStore,
  request: RemoveRequest,
  options: Cancellable,
): Promise<RemoveResult> {
  const { repo, revision } = parseRepoSpec(request.target);
  if (request.partial === true) {
    return { revisions: [], freedBytes: await removePartial(store, repo, request.dryRun === true) };
  }
  const scanned = await getRepo(store, repo, options);
  const doomed = chooseRevisions(scanned, revision);
  const blobs = await findUnused(scanned, doomed);
  const freedBytes = blobs.reduce((sum, { freedBytes }) => sum + freedBytes, 0);
  if (request.dryRun !== true) {
    for (const gone of doomed) {
      throwIfAborted(options.signal);
      await removeRevision(store, scanned, gone);
    }
    for (const { path } of blobs) await removeBlob(store, path);
    if (doomed.length === scanned.revisions.length) await removeEmptyFolders(scanned.folder);
  }
  return { revisions: doomed.map((gone) => toCachedRevision(scanned, gone)), freedBytes };
}

async function getRepo(store: BlobStore, repo: RepoRef, options: Cancellable): Promise<ScannedRepo> {
  const name = formatRepo(repo);
  const repos = await scanCache(store.cacheDir, options);
  const found = repos.find((scanned) => formatRepo(scanned.repo) === name && scanned.revisions.length > 0);
  if (found !== undefined) return found;
  throw new SwarmError("REPO_NOT_FOUND", `${name} is not in the cache ${store.cacheDir}`, {
    hint: "swarm ls shows what is there; swarm rm --partial removes what an interrupted pull left.",
  });
}

/** All, or the one that a ref, a commit or the beginning of a commit names. */
function chooseRevisions(scanned: ScannedRepo, revision: Revision | undefined): readonly ScannedRevision[] {
  if (revision === undefined) return scanned.revisions;
  const found = scanned.revisions.filter(
    ({ commit, refs }) => refs.includes(revision) || (revision.length >= 7 && commit.startsWith(revision)),
  );
  if (found.length === 1) return found;
  const known = scanned.revisions.map(({ commit, refs }) => refs[0] ?? commit.slice(0, 12)).join(", ");
  throw new SwarmError(
    "REVISION_NOT_FOUND",
    found.length === 0
      ? `${formatRepo(scanned.repo)}@${revision} is not in the cache`
      : `${revision} is the beginning of ${found.length} commits of ${formatRepo(scanned.repo)}`,
    { hint: `In the cache are: ${known}.` },
  );
}

export interface UnusedBlob {
  readonly path: string;
  /** Nothing for a blob that is also linked into another repo or folder. */
  readonly freedBytes: number;
}

/** Blobs of the repo that only the doomed revisions use, and those that no revision uses when all of them go. */
export async function findUnused(scanned: ScannedRepo, doomed: readonly ScannedRevision[]): Promise<UnusedBlob[]> {
  const kept = scanned.revisions.filter((revision) => !doomed.includes(revision));
  const blobsOf = (revisions: readonly ScannedRevision[]) =>
    new Set(revisions.flatMap(({ files }) => files.map(({ blob }) => blob)));
  const [used, unused] = [blobsOf(kept), blobsOf(doomed)];
  const folder = join(scanned.folder, "blobs");
  const found: UnusedBlob[] = [];
  for (const name of await readdir(folder).catch(() => [])) {
    const blob = findBlobOfName(name);
    if (blob === undefined || used.has(blob) || (kept.length > 0 && !unused.has(blob))) continue;
    const path = join(folder, name);
    const own = await lstat(path).catch(() => undefined);
    // A link to content that other repos may share frees nothing by itself.
    if (own !== undefined) found.push({ path, freedBytes: own.isFile() && own.nlink === 1 ? own.size : 0 });
  }
  return found;
}

/** What leads to it: refs, links, notes. Its blobs stay; where there are no links, its files go. @throws SwarmError STORE_FAULT */
export async function removeRevision(
  store: BlobStore,
  { folder }: ScannedRepo,
  { commit, refs, path, files }: ScannedRevision,
): Promise<void> {
  for (const ref of refs) await remove(refPath(folder, ref as Revision));
  for (const gone of [path, treePath(folder, commit), noExistPath(folder, commit)]) await remove(gone);
  for (const file of files) if (file.blob === undefined) store.noteRemoved(join(path, file.path));
}

/** @throws SwarmError STORE_FAULT */
export async function removeBlob(store: BlobStore, path: string): Promise<void> {
  await remove(path);
  store.noteRemoved(path);
}

/** What an interrupted pull left of this repo, but for what is being fetched now. Returns the bytes freed. */
async function removePartial(store: BlobStore, repo: RepoRef, isDryRun: boolean): Promise<number> {
  const name = formatRepo(repo);
  let freedBytes = 0;
  for (const left of await store.stagingFiles.list()) {
    if (left.repo !== name || store.findOpen(left.blob) !== undefined) continue;
    freedBytes += isDryRun ? left.bytes : await store.removePartial(left);
  }
  return freedBytes;
}

/** A folder that still holds something, such as a staging file, stays. */
export async function removeEmptyFolders(folder: string): Promise<void> {
  const names = ["blobs", "refs", "snapshots", "trees", ".no_exist"];
  for (const path of [...names.map((name) => join(folder, name)), folder]) await removeEmptyTree(path);
}

async function removeEmptyTree(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeEmptyTree(join(folder, entry.name));
  await rmdir(folder).catch(() => undefined);
}

async function remove(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw toStoreError(error, "remove", path);
  }
}
