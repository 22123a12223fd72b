/** What the cache holds, looked at again only where a folder has changed since. */
import { lstat, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type BlobId, formatRepo, type RepoRef } from "@swarmd/protocol";
import { findBlobOfName, findRepoOfFolder, repoPath } from "./cache-layout.js";
import { throwIfAborted } from "./disk-faults.js";
import { type ScannedRepo, scanRepo } from "./scan-repo.js";

/** A blob that no revision uses: left by a removal that was cut short, or by another tool. */
export interface OrphanBlob {
  readonly blob: BlobId;
  readonly path: string;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly inode: string;
}

export interface KeptRepo extends ScannedRepo {
  readonly orphans: readonly OrphanBlob[];
}

interface Known {
  readonly mark: string;
  readonly repo: KeptRepo;
}

export class RepoScans {
  readonly #cacheDir: string;
  readonly #known = new Map<string, Known>();
  readonly #dirty = new Set<string>();

  constructor(cacheDir: string) {
    this.#cacheDir = cacheDir;
  }

  /** We have changed something in it: folders inside a snapshot don't show that by themselves. */
  touch(repo: RepoRef): void {
    this.#dirty.add(formatRepo(repo));
  }

  /** All repos. @throws SwarmError INTERRUPTED on abort */
  async all(options: { readonly signal: AbortSignal }): Promise<readonly KeptRepo[]> {
    const names = await readdir(this.#cacheDir).catch(() => []);
    const found: KeptRepo[] = [];
    for (const name of names.sort()) {
      const repo = findRepoOfFolder(name);
      if (repo !== undefined) found.push(await this.one(repo, options));
    }
    const there = new Set(found.map(({ repo }) => formatRepo(repo)));
    for (const name of [...this.#known.keys()]) if (!there.has(name)) this.#known.delete(name);
    return found;
  }

  /** One repo; empty when it is not there. @throws SwarmError INTERRUPTED on abort */
  async one(repo: RepoRef, { signal }: { readonly signal: AbortSignal }): Promise<KeptRepo> {
    throwIfAborted(signal);
    const name = formatRepo(repo);
    const folder = repoPath(this.#cacheDir, repo);
    const isDirty = this.#dirty.delete(name);
    const mark = await markOf(folder);
    const known = this.#known.get(name);
    if (known?.mark === mark && !isDirty) return known.repo;
    const scanned = await scanRepo(folder, repo, signal);
    const kept = { ...scanned, orphans: await findOrphans(scanned) };
    this.#known.set(name, { mark, repo: kept });
    return kept;
  }
}

/** Changes with everything that is added to or taken from these folders. */
async function markOf(folder: string): Promise<string> {
  const snapshots = join(folder, "snapshots");
  const commits = await readdir(snapshots).catch(() => []);
  const folders = ["blobs", "refs", "snapshots"].map((name) => join(folder, name));
  const all = [...folders, ...commits.sort().map((commit) => join(snapshots, commit))];
  const times = await Promise.all(all.map((path) => stat(path, { bigint: true }).catch(() => undefined)));
  return times.map((one) => `${one?.ino}.${one?.mtimeNs}`).join(" ");
}

async function findOrphans({ folder, revisions }: ScannedRepo): Promise<readonly OrphanBlob[]> {
  const used = new Set(revisions.flatMap(({ files }) => files.map(({ blob }) => blob)));
  const orphans: OrphanBlob[] = [];
  for (const name of await readdir(join(folder, "blobs")).catch(() => [])) {
    const blob = findBlobOfName(name);
    if (blob === undefined || used.has(blob)) continue;
    const path = join(folder, "blobs", name);
    const own = await lstat(path).catch(() => undefined);
    if (own?.isFile() !== true) continue;
    const { size, mtimeMs, dev, ino } = own;
    orphans.push({ blob, path, sizeBytes: size, mtimeMs, inode: `${dev}:${ino}` });
  }
  return orphans;
}
