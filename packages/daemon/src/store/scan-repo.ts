/** Looks through the cache: every file anew. The folders are read by a thread of its own, so that nothing else waits for the disk. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { RepoRef } from "@swarmd/protocol";
import { findRepoOfFolder, repoPath } from "./cache-layout.js";
import { Limiter } from "./limiter.js";
import type { ScannedRepo } from "./read-repo.js";
import { scanThread } from "./scan-thread.js";

export type { OrphanBlob, ScannedFile, ScannedRepo, ScannedRevision } from "./read-repo.js";

/** The folders of all repos of a cache, by name. */
export async function listRepoFolders(
  cacheDir: string,
): Promise<readonly { readonly folder: string; readonly repo: RepoRef }[]> {
  const names = await readdir(cacheDir).catch(() => []);
  return names.sort().flatMap((name) => {
    const repo = findRepoOfFolder(name);
    return repo === undefined ? [] : [{ folder: join(cacheDir, name), repo }];
  });
}

/** A few ahead of the thread, and in order. */
const MOST_AHEAD = 8;

/** Does the same for each of them, a few at a time, and ends with the first that fails. */
export async function inTurns<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const limiter = new Limiter(MOST_AHEAD);
  return Promise.all(items.map((item) => limiter.run(() => work(item))));
}

/** All repos of a cache, by name. @throws SwarmError INTERRUPTED on abort, STORE_FAULT */
export async function scanCache(
  cacheDir: string,
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly ScannedRepo[]> {
  const folders = await listRepoFolders(cacheDir);
  return inTurns(folders, ({ folder, repo }) => scanRepo(folder, repo, signal));
}

/** One repo of a cache; without revisions when it is not there. @throws SwarmError INTERRUPTED on abort, STORE_FAULT */
export async function scanOne(cacheDir: string, repo: RepoRef, signal: AbortSignal): Promise<ScannedRepo> {
  return scanRepo(repoPath(cacheDir, repo), repo, signal);
}

/** One repo. @throws SwarmError INTERRUPTED on abort, STORE_FAULT */
export async function scanRepo(folder: string, repo: RepoRef, signal: AbortSignal): Promise<ScannedRepo> {
  const { scanned } = await scanThread.readRepo({ folder, repo }, { signal });
  return scanned as ScannedRepo;
}
