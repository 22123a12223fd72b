/**
 * What the origin last said of who may read a repo, so that a pull that does not ask the origin knows it too. Only the origin's word is
 * written here; of what is not here nobody knows.
 */
import { readFile } from "node:fs/promises";
import { formatRepo, type RepoRef } from "@swarmd/protocol";
import { writeAtomically } from "./atomic-file.js";

export interface RepoVisibility {
  readonly isPrivate: boolean;
  readonly isGated: boolean;
}

/** The one that was noted first goes first: its pulls count as private again, until the origin is asked. */
const MOST_REPOS = 10_000;

export class VisibilityRecords {
  readonly #path: string;
  readonly #endpoint: string;
  #records: Promise<Map<string, RepoVisibility>> | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** @param endpoint whose word it is: another origin may have a repo of the same name. */
  constructor(options: { readonly path: string; readonly endpoint: string }) {
    this.#path = options.path;
    this.#endpoint = options.endpoint;
  }

  async find(repo: RepoRef): Promise<RepoVisibility | undefined> {
    return (await this.#load()).get(this.#keyOf(repo));
  }

  /** `undefined`: the origin no longer says anything of this repo. @throws SwarmError NO_SPACE, STORE_FAULT. */
  async note(repo: RepoRef, visibility: RepoVisibility | undefined): Promise<void> {
    const records = await this.#load();
    const key = this.#keyOf(repo);
    const known = records.get(key);
    if (known?.isPrivate === visibility?.isPrivate && known?.isGated === visibility?.isGated) return;
    records.delete(key);
    if (visibility !== undefined) records.set(key, { isPrivate: visibility.isPrivate, isGated: visibility.isGated });
    if (records.size > MOST_REPOS) records.delete(records.keys().next().value as string);
    const write = () => writeAtomically(this.#path, format(records));
    const writing = this.#writing.then(write, write);
    this.#writing = writing;
    await writing;
  }

  #load(): Promise<Map<string, RepoVisibility>> {
    this.#records ??= readFile(this.#path, "utf8").then(parse, () => new Map());
    return this.#records;
  }

  #keyOf(repo: RepoRef): string {
    return `${this.#endpoint} ${formatRepo(repo)}`;
  }
}

function format(records: ReadonlyMap<string, RepoVisibility>): string {
  return `${JSON.stringify({ repos: [...records] }, null, 1)}\n`;
}

/** What makes no sense is left out: then nobody knows, which is always safe. */
function parse(json: string): Map<string, RepoVisibility> {
  const records = new Map<string, RepoVisibility>();
  try {
    const { repos } = JSON.parse(json) as { repos: unknown[] };
    for (const entry of repos) {
      const [key, visibility] = entry as [unknown, Partial<RepoVisibility> | null];
      const { isPrivate, isGated } = visibility ?? {};
      if (typeof key !== "string" || typeof isPrivate !== "boolean" || typeof isGated !== "boolean") continue;
      records.set(key, { isPrivate, isGated });
    }
  } catch {
    // Damaged from here on; what was read before it counts.
  }
  return records;
}
