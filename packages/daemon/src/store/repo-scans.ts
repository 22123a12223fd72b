/** What the cache holds, looked at again only where a folder has changed since. */
import { formatRepo, type RepoRef } from "@swarmd/protocol";
import type { ScannedRepo } from "./read-repo.js";
import { inTurns, listRepoFolders } from "./scan-repo.js";
import { scanThread } from "./scan-thread.js";

interface Known {
  readonly mark: string;
  readonly scanned: ScannedRepo;
}

export class RepoScans {
  readonly #cacheDir: string;
  #known = new Map<string, Known>();
  readonly #dirty = new Set<string>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(cacheDir: string) {
    this.#cacheDir = cacheDir;
  }

  /** We have changed something in it: folders inside a snapshot don't show that by themselves. */
  touch(repo: RepoRef): void {
    this.#dirty.add(formatRepo(repo));
  }

  /** All repos. `isFresh`: every file anew, for reading a file changes no folder. @throws SwarmError INTERRUPTED on abort, STORE_FAULT */
  all(options: { readonly signal: AbortSignal; readonly isFresh?: boolean }): Promise<readonly ScannedRepo[]> {
    // One at a time: whoever comes second has all that the first has found.
    const mine = this.#turn.then(() => this.#look(options));
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  async #look({ signal, isFresh = false }: { readonly signal: AbortSignal; readonly isFresh?: boolean }) {
    const folders = await listRepoFolders(this.#cacheDir);
    const dirty = new Set(this.#dirty);
    this.#dirty.clear();
    try {
      const entries = await inTurns(folders, async ({ folder, repo }): Promise<[string, Known]> => {
        const name = formatRepo(repo);
        const known = isFresh || dirty.has(name) ? undefined : this.#known.get(name);
        const { mark, scanned } = await scanThread.readRepo({ folder, repo, knownMark: known?.mark }, { signal });
        return [name, { mark, scanned: (scanned ?? known?.scanned) as ScannedRepo }];
      });
      // What is not there any more is forgotten.
      this.#known = new Map(entries);
      return entries.map(([, { scanned }]) => scanned);
    } catch (error) {
      for (const name of dirty) this.#dirty.add(name);
      throw error;
    }
  }
}
