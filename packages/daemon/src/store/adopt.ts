/** Learns what a cache holds that others have filled, and takes damage as it comes. */
import { realpath } from "node:fs/promises";
import { join } from "node:path";
import type { BlobIndex } from "./blob-index.js";
import { blobPath } from "./cache-layout.js";
import { inTurns, listRepoFolders } from "./scan-repo.js";
import { scanThread } from "./scan-thread.js";

export interface AdoptResult {
  readonly blobs: number;
  readonly bytes: number;
  /** Links that lead nowhere or out of the cache, folders that can't be read, and the like. */
  readonly problems: number;
}

/**
 * Adds every finished blob to the index. A root is a cache (with a folder per repo) or itself a folder with `blobs/`.
 *
 * @throws SwarmError INTERRUPTED on abort, STORE_FAULT
 */
export async function adoptCache(
  roots: readonly string[],
  index: BlobIndex,
  { signal }: { readonly signal: AbortSignal },
): Promise<AdoptResult> {
  let [blobs, bytes, problems] = [0, 0, 0];
  for (const root of roots) {
    const realRoot = await realpath(root).catch(() => root);
    const folders = (await listRepoFolders(root)).map(({ folder }) => folder);
    await inTurns([root, ...folders], async (folder) => {
      const found = await scanThread.readBlobs({ folder: join(folder, "blobs"), realRoot }, { signal });
      for (const blob of found.blobs) index.add(blob, blobPath(folder, blob));
      blobs += found.blobs.length;
      bytes += found.bytes;
      problems += found.problems;
    });
  }
  return { blobs, bytes, problems };
}
