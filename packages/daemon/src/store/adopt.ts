/** Learns what a cache holds that others have filled: walks it without haste, and takes damage as it comes. */
import type { Dirent } from "node:fs";
import { lstat, opendir, realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import type { BlobIndex } from "./blob-index.js";
import { findBlobOfName, findRepoOfFolder } from "./cache-layout.js";
import { errnoOf, throwIfAborted } from "./disk-faults.js";

export interface AdoptResult {
  readonly blobs: number;
  readonly bytes: number;
  /** Links that lead nowhere or out of the cache, folders that can't be read, and the like. */
  readonly problems: number;
}

interface Tally {
  blobs: number;
  bytes: number;
  problems: number;
}

/** So many files are looked at before the event loop gets its turn. */
const BATCH = 32;

/**
 * Adds every finished blob to the index. A root is a cache (with a folder per repo) or itself a folder with `blobs/`.
 *
 * @throws SwarmError INTERRUPTED on abort; nothing else
 */
export async function adoptCache(
  roots: readonly string[],
  index: BlobIndex,
  { signal }: { readonly signal: AbortSignal },
): Promise<AdoptResult> {
  const tally: Tally = { blobs: 0, bytes: 0, problems: 0 };
  for (const root of roots) {
    const real = await realpath(root).catch(() => root);
    await adoptBlobs(root, real, index, tally, signal);
    await eachEntry(root, tally, signal, async (entry) => {
      if (findRepoOfFolder(entry.name) === undefined) return;
      await adoptBlobs(join(root, entry.name), real, index, tally, signal);
    });
  }
  return tally;
}

async function adoptBlobs(
  repoFolder: string,
  realRoot: string,
  index: BlobIndex,
  tally: Tally,
  signal: AbortSignal,
): Promise<void> {
  const folder = join(repoFolder, "blobs");
  let batch: Promise<void>[] = [];
  await eachEntry(folder, tally, signal, async (entry) => {
    batch.push(adoptFile(join(folder, entry.name), entry.name, realRoot, index, tally));
    if (batch.length < BATCH) return;
    await Promise.all(batch);
    batch = [];
  });
  await Promise.all(batch);
}

async function adoptFile(path: string, name: string, realRoot: string, index: BlobIndex, tally: Tally): Promise<void> {
  const blob = findBlobOfName(name);
  if (blob === undefined) return;
  try {
    const sizeBytes = await sizeOf(path, realRoot);
    if (sizeBytes === undefined) throw new Error("not a file of this cache");
    index.add(blob, path);
    tally.blobs += 1;
    tally.bytes += sizeBytes;
  } catch {
    tally.problems += 1;
  }
}

/** Newer huggingface_hub keeps content once per cache, and `blobs/<etag>` may be a link to it. Links that lead out are not followed. */
async function sizeOf(path: string, realRoot: string): Promise<number | undefined> {
  const found = await lstat(path);
  if (!found.isSymbolicLink()) return found.isFile() ? found.size : undefined;
  if (!(await realpath(path)).startsWith(realRoot + sep)) return undefined;
  const target = await stat(path);
  return target.isFile() ? target.size : undefined;
}

async function eachEntry(
  folder: string,
  tally: Tally,
  signal: AbortSignal,
  visit: (entry: Dirent) => Promise<void>,
): Promise<void> {
  throwIfAborted(signal);
  try {
    for await (const entry of await opendir(folder)) {
      throwIfAborted(signal);
      await visit(entry);
    }
  } catch (error) {
    throwIfAborted(signal);
    if (errnoOf(error) !== "ENOENT") tally.problems += 1;
  }
}
