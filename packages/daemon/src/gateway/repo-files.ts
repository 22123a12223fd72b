/** The files of a commit, by their paths: from memory, from the cache, else from the Hub. */
import { type CommitId, checkFileNames, formatRepo, type RepoFile, type RepoRef } from "@swarmd/protocol";
import type { Caller } from "./caller.js";
import { SingleFlight } from "./expiring-map.js";
import { HubError } from "./hub-error.js";
import { isDown } from "./patient-upstream.js";
import type { FileLists, Members, RepoStore } from "./ports.js";
import { gone, type RepoAccess, type RepoView } from "./repo-access.js";

export interface RepoFilesDeps {
  readonly lists: FileLists;
  readonly store: Pick<RepoStore, "readTree" | "writeTree" | "findLinked" | "isKnownAbsent">;
  readonly access: RepoAccess;
  readonly members: Members;
}

export type FileTable = ReadonlyMap<string, RepoFile>;

/** A large list takes some tens of megabytes. */
const MOST_TABLES = 16;
const MOST_FILES = 200_000;
/** They are near, or not there. */
const MEMBERS_MS = 5_000;
const LIST_DEADLINE_MS = 60_000;

export class RepoFiles {
  readonly #deps: RepoFilesDeps;
  /** The one that was used last stands last. */
  readonly #tables = new Map<string, FileTable>();
  readonly #flights = new SingleFlight<FileTable>();

  constructor(deps: RepoFilesDeps) {
    this.#deps = deps;
  }

  /** Only what memory or cache have. */
  async findTable(repo: RepoRef, commit: CommitId): Promise<FileTable | undefined> {
    const key = `${formatRepo(repo)} ${commit}`;
    const known = this.#tables.get(key);
    if (known !== undefined) {
      this.#tables.delete(key);
      this.#tables.set(key, known);
      return known;
    }
    const files = await this.#deps.store.readTree(repo, commit);
    return files && this.#keep(key, files);
  }

  /** @throws SwarmError ORIGIN_*, OFFLINE, ACCESS_GATED where the Hub hides the digests from this caller */
  async table(caller: Caller, view: RepoView): Promise<FileTable> {
    const { repo, commit, isRestricted } = view;
    const known = await this.findTable(repo, commit);
    if (known !== undefined) return known;
    // Who asks matters only where not everybody is told the same.
    const key = `${formatRepo(repo)} ${commit} ${isRestricted ? caller.key : ""}`;
    return this.#flights.run(key, () => this.#fetch(caller, view));
  }

  /**
   * One file; where nobody can tell all files of the commit, what the snapshot knows of it.
   *
   * @throws HubError 404 EntryNotFound, 504; SwarmError as {@link table}
   */
  async get(caller: Caller, view: RepoView, path: string): Promise<RepoFile> {
    let table: FileTable;
    try {
      table = await this.table(caller, view);
    } catch (error) {
      if (!isDown(error)) throw error;
      await this.#deps.access.checkOffline(caller, view.repo, error);
      return this.#getLinked(view, path, error);
    }
    const file = table.get(path);
    if (file === undefined) throw noEntry(view, path);
    return file;
  }

  async #getLinked(view: RepoView, path: string, error: Parameters<typeof gone>[1]): Promise<RepoFile> {
    const { repo, commit } = view;
    if (!isName(path)) throw noEntry(view, path);
    const held = await this.#deps.store.findLinked(repo, commit, path);
    if (held !== undefined) return { path, ...held };
    if (await this.#deps.store.isKnownAbsent(repo, commit, path)) throw noEntry(view, path);
    throw gone(`${path} of ${formatRepo(repo)} is not in the cache`, error);
  }

  async #fetch(caller: Caller, { repo, revision, commit, isRestricted }: RepoView): Promise<FileTable> {
    const token = isRestricted ? caller.authorization?.slice("Bearer ".length) : undefined;
    const signal = AbortSignal.timeout(LIST_DEADLINE_MS);
    let files: readonly RepoFile[];
    try {
      files = await this.#deps.lists.tree(repo, commit, token, { signal });
    } catch (error) {
      const said = isDown(error) ? await this.#askMembers(repo, commit) : undefined;
      if (said === undefined) throw error;
      // On a member's word: good for now, but not for the cache, where it would pass for the Hub's.
      return this.#keep(`${formatRepo(repo)} ${commit}`, said);
    }
    await this.#deps.store.writeTree({ repo, revision, commit, files });
    return this.#keep(`${formatRepo(repo)} ${commit}`, files);
  }

  async #askMembers(repo: RepoRef, commit: CommitId): Promise<readonly RepoFile[] | undefined> {
    const { members } = this.#deps;
    if (!members.areThere) return undefined;
    const said = await members.files(repo, commit, { signal: AbortSignal.timeout(MEMBERS_MS) }).catch(() => undefined);
    return said?.files;
  }

  #keep(key: string, files: readonly RepoFile[]): FileTable {
    const table = new Map(files.map((file) => [file.path, file]));
    if (table.size > MOST_FILES) return table;
    this.#tables.set(key, table);
    if (this.#tables.size > MOST_TABLES) this.#tables.delete(this.#tables.keys().next().value as string);
    return table;
  }
}

export function noEntry({ repo, commit }: Pick<RepoView, "repo" | "commit">, path: string): HubError {
  return new HubError(404, `Entry not found: ${path.slice(0, 200)} is not in ${formatRepo(repo)} at ${commit}`, {
    code: "EntryNotFound",
    headers: { "x-repo-commit": commit },
  });
}

function isName(path: string): boolean {
  try {
    checkFileNames([path]);
    return true;
  } catch {
    return false;
  }
}
