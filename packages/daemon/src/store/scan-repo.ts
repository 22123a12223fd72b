/** Reads one repo's folder of the cache: its revisions, their files and the refs that name them. Damage is counted, not thrown. */
import type { Stats } from "node:fs";
import { lstat, readdir, readFile, readlink, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { type BlobId, type CommitId, isCommitId, type RepoRef } from "@swarmd/protocol";
import { findBlobOfName, findRepoOfFolder, repoPath } from "./cache-layout.js";
import { throwIfAborted } from "./disk-faults.js";

export interface ScannedFile {
  /** As the repo names it. */
  readonly path: string;
  /** Absolute, in the snapshot. */
  readonly linkPath: string;
  /** By the name of the file the link leads to; `undefined` for a plain file, as where there are no links. */
  readonly blob: BlobId | undefined;
  /** Absolute path of the content, after all links. `undefined` when there is none: the link leads nowhere. */
  readonly contentPath: string | undefined;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  /** When it was last read, as far as the mount keeps that. */
  readonly atimeMs: number;
  /** Names the content: the same for all links to it, also in other repos. */
  readonly inode: string;
}

export interface ScannedRevision {
  readonly commit: CommitId;
  /** Absolute: the snapshot folder. */
  readonly path: string;
  readonly refs: readonly string[];
  readonly files: readonly ScannedFile[];
  readonly mtimeMs: number;
}

export interface ScannedRepo {
  readonly repo: RepoRef;
  /** Absolute. */
  readonly folder: string;
  readonly revisions: readonly ScannedRevision[];
}

/** All repos of a cache, by name. @throws SwarmError INTERRUPTED on abort. */
export async function scanCache(
  cacheDir: string,
  { signal }: { readonly signal: AbortSignal },
): Promise<ScannedRepo[]> {
  const names = await readdir(cacheDir).catch(() => []);
  const repos: ScannedRepo[] = [];
  for (const name of names.sort()) {
    const repo = findRepoOfFolder(name);
    if (repo !== undefined) repos.push(await scanRepo(join(cacheDir, name), repo, signal));
  }
  return repos;
}

/** One repo of a cache; without revisions when it is not there. @throws SwarmError INTERRUPTED on abort. */
export async function scanOne(cacheDir: string, repo: RepoRef, signal: AbortSignal): Promise<ScannedRepo> {
  return scanRepo(repoPath(cacheDir, repo), repo, signal);
}

/** One repo. @throws SwarmError INTERRUPTED on abort. */
export async function scanRepo(folder: string, repo: RepoRef, signal: AbortSignal): Promise<ScannedRepo> {
  const snapshots = join(folder, "snapshots");
  const names: string[] = await readdir(snapshots).catch(() => []);
  const commits = names.filter(isCommitId);
  const refs = await readRefs(join(folder, "refs"));
  const revisions: ScannedRevision[] = [];
  for (const commit of commits) {
    throwIfAborted(signal);
    revisions.push(await scanRevision(join(snapshots, commit), commit, refs.get(commit) ?? []));
  }
  return { repo, folder, revisions };
}

async function scanRevision(path: string, commit: CommitId, refs: readonly string[]): Promise<ScannedRevision> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => []);
  const links = entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
  const files = (await Promise.all(links.map((link) => scanFile(path, link)))).filter((file) => file !== undefined);
  const own = await stat(path).catch(() => undefined);
  // As huggingface_hub: a revision is as young as its youngest content.
  const mtimeMs = files.length === 0 ? (own?.mtimeMs ?? 0) : Math.max(...files.map((file) => file.mtimeMs));
  return { commit, path, refs, files, mtimeMs };
}

async function scanFile(snapshot: string, linkPath: string): Promise<ScannedFile | undefined> {
  const path = relative(snapshot, linkPath).split(sep).join("/");
  try {
    const own = await lstat(linkPath);
    const target = own.isSymbolicLink() ? await readlink(linkPath) : undefined;
    const blob = target === undefined ? undefined : findBlobOfName(basename(target));
    const content = target === undefined ? { at: linkPath, is: own } : await follow(linkPath, target);
    const { size, mtimeMs, atimeMs, dev, ino } = content?.is ?? { ...own, size: 0 };
    const inode = `${dev}:${ino}`;
    return { path, linkPath, blob, contentPath: content?.at, sizeBytes: size, mtimeMs, atimeMs, inode };
  } catch {
    // Gone since the folder was read.
    return undefined;
  }
}

/** One step is nearly always enough, and costs a fraction of resolving the whole path: that counts at 100,000 files. */
async function follow(
  linkPath: string,
  target: string,
): Promise<{ readonly at: string; readonly is: Stats } | undefined> {
  try {
    const next = resolve(dirname(linkPath), target);
    const is = await lstat(next);
    if (!is.isSymbolicLink()) return { at: next, is };
    const at = await realpath(next);
    return { at, is: await stat(at) };
  } catch {
    return undefined;
  }
}

/** Which refs name which commit. A ref may hold `/`. */
async function readRefs(folder: string): Promise<Map<string, string[]>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const byCommit = new Map<string, string[]>();
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const commit = (await readFile(path, "utf8").catch(() => "")).trim();
    const name = relative(folder, path).split(sep).join("/");
    byCommit.set(commit, [...(byCommit.get(commit) ?? []), name].sort());
  }
  return byCommit;
}
