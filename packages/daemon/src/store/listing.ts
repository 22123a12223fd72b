/** What is in the cache, as `swarm ls` shows it. */
import { type BlobId, type CommitId, formatRepo, type RepoRef } from "@swarmd/protocol";
import type { CachedRepo, CachedRevision, CacheListing, PartialBlob } from "@swarmd/protocol/api";
import type { BlobStore } from "./blob-store.js";
import { type ScannedRepo, type ScannedRevision, scanCache, scanOne } from "./scan-repo.js";

/** @throws SwarmError INTERRUPTED on abort */
export async function listCache(store: BlobStore, options: { readonly signal: AbortSignal }): Promise<CacheListing> {
  const repos = await scanCache(store.cacheDir, options);
  const partial = await listPartial(store);
  return {
    cacheDir: store.cacheDir,
    repos: repos.filter(({ revisions }) => revisions.length > 0).map(toCachedRepo),
    revisions: repos.flatMap((repo) => repo.revisions.map((revision) => toCachedRevision(repo, revision))),
    partial,
    totalBytes: contentBytes(repos) + partial.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** What is half done, from the store's own journals; a blob that is open tells its bytes itself. */
export async function listPartial(store: BlobStore): Promise<PartialBlob[]> {
  const all = await store.stagingFiles.list();
  return all.map(({ blob, repo, sizeBytes }) => ({ repo, blob, sizeBytes, bytes: store.partialBytes(blob) }));
}

export function toCachedRevision({ repo }: ScannedRepo, revision: ScannedRevision): CachedRevision {
  return {
    repo: formatRepo(repo),
    commit: revision.commit,
    refs: revision.refs,
    files: revision.files.length,
    bytes: revision.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    lastModified: new Date(revision.mtimeMs).toISOString(),
    lastAccessed: new Date(accessedMs(revision)).toISOString(),
    // Pins are not the store's business.
    isPinned: false,
    path: revision.path,
  };
}

function toCachedRepo(repo: ScannedRepo): CachedRepo {
  const { revisions } = repo;
  return {
    repo: formatRepo(repo.repo),
    revisions: revisions.length,
    refs: revisions.flatMap(({ refs }) => refs),
    bytes: contentBytes([repo]),
    lastModified: new Date(Math.max(...revisions.map(({ mtimeMs }) => mtimeMs))).toISOString(),
    lastAccessed: new Date(Math.max(...revisions.map(accessedMs))).toISOString(),
    isPinned: false,
  };
}

function accessedMs({ files, mtimeMs }: ScannedRevision): number {
  return files.reduce((most, { atimeMs }) => Math.max(most, atimeMs), mtimeMs);
}

/** Bytes of all content, each counted once however many links lead to it. */
function contentBytes(repos: readonly ScannedRepo[]): number {
  const sizes = new Map<string, number>();
  for (const { revisions } of repos) {
    for (const { files } of revisions) {
      for (const { contentPath, sizeBytes } of files) if (contentPath !== undefined) sizes.set(contentPath, sizeBytes);
    }
  }
  return [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** A commit of which every file is in the cache. */
export interface WholeCommit {
  readonly repo: RepoRef;
  readonly commit: CommitId;
  readonly files: number;
  readonly bytes: number;
}

/** The commits that are whole, of one repo or of all; by their file lists, so one without a list is none. @throws SwarmError INTERRUPTED on abort */
export async function listWhole(
  store: BlobStore,
  { repo, signal }: { readonly repo?: RepoRef; readonly signal: AbortSignal },
): Promise<readonly WholeCommit[]> {
  const repos =
    repo === undefined ? await scanCache(store.cacheDir, { signal }) : [await scanOne(store.cacheDir, repo, signal)];
  const whole: WholeCommit[] = [];
  for (const { repo, revisions } of repos) {
    for (const { commit, files } of revisions) {
      const listed = await store.readTree(repo, commit);
      const there = new Set(files.flatMap(({ path, contentPath }) => (contentPath === undefined ? [] : [path])));
      if (listed === undefined || listed.length === 0 || !listed.every(({ path }) => there.has(path))) continue;
      whole.push({
        repo,
        commit,
        files: listed.length,
        bytes: listed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      });
    }
  }
  return whole;
}

/** One file of each repo of the cache that has a blob. @throws SwarmError INTERRUPTED on abort */
export async function findHomes(
  store: BlobStore,
  blob: BlobId,
  options: { readonly signal: AbortSignal },
): Promise<readonly { readonly repo: RepoRef; readonly commit: CommitId; readonly path: string }[]> {
  const repos = await scanCache(store.cacheDir, options);
  return repos.flatMap(({ repo, revisions }) => {
    for (const { commit, files } of revisions) {
      const found = files.find((file) => file.blob === blob && file.contentPath !== undefined);
      if (found !== undefined) return [{ repo, commit, path: found.path }];
    }
    return [];
  });
}

/** The whole blobs of each repo, by their names: for offering them to others. @throws SwarmError INTERRUPTED on abort */
export async function listRepos(
  cacheDir: string,
  options: { readonly signal: AbortSignal },
): Promise<
  { readonly repo: RepoRef; readonly blobs: readonly { readonly id: BlobId; readonly sizeBytes: number }[] }[]
> {
  const repos = await scanCache(cacheDir, options);
  return repos.map(({ repo, revisions }) => {
    const sizes = new Map<BlobId, number>();
    for (const { files } of revisions) {
      for (const { blob, contentPath, sizeBytes } of files) {
        if (blob !== undefined && contentPath !== undefined) sizes.set(blob, sizeBytes);
      }
    }
    return { repo, blobs: [...sizes].map(([id, sizeBytes]) => ({ id, sizeBytes })) };
  });
}
