/** The Hub's answers about a repo, made from what the cache knows, for when the Hub can't be asked. Pure. */
import { createHash } from "node:crypto";
import { type CommitId, digestOf, type RepoFile, type RepoRef, type Revision } from "@swarmd/protocol";
import type { FileTable } from "./repo-files.js";

/** As the Hub pages it. */
export const PAGE_ENTRIES = 1_000;

export function infoOf(
  repo: RepoRef,
  commit: CommitId,
  table: FileTable,
  options: { readonly withBlobs: boolean; readonly isPrivate: boolean; readonly isGated: boolean },
): Record<string, unknown> {
  const files = [...table.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  const { isPrivate, isGated } = options;
  return {
    _id: sha1(`${repo.type} ${repo.name}`).slice(0, 24),
    id: repo.name,
    ...(repo.type === "model" ? { modelId: repo.name } : {}),
    ...(repo.name.includes("/") ? { author: repo.name.split("/")[0] } : {}),
    sha: commit,
    private: isPrivate,
    gated: isGated ? "auto" : false,
    disabled: false,
    downloads: 0,
    likes: 0,
    tags: [],
    siblings: files.map((file) => (options.withBlobs ? siblingOf(file) : { rfilename: file.path })),
  };
}

function siblingOf(file: RepoFile): Record<string, unknown> {
  const { oid, size, lfs } = entryOf(file);
  const sibling = { rfilename: file.path, size, blobId: oid };
  return lfs === undefined ? sibling : { ...sibling, lfs: { sha256: lfs.oid, size, pointerSize: lfs.pointerSize } };
}

export interface TreeEntry {
  readonly type: "file" | "directory";
  readonly path: string;
  readonly size: number;
  readonly oid: string;
  readonly lfs?: { readonly oid: string; readonly size: number; readonly pointerSize: number };
}

export function entryOf(file: RepoFile): TreeEntry {
  const { path, sizeBytes, blob } = file;
  const pointer = pointerOf(file);
  const hex = digestOf(blob)?.hex ?? "";
  if (pointer === undefined) return { type: "file", oid: hex, size: sizeBytes, path };
  const lfs = { oid: hex, size: sizeBytes, pointerSize: pointer.length };
  return { type: "file", oid: sha1(`blob ${pointer.length}\0${pointer}`), size: sizeBytes, lfs, path };
}

/** What git has in place of a file whose content lies in LFS or Xet; `undefined` for one that git has itself. */
export function pointerOf({ blob, sizeBytes }: RepoFile): string | undefined {
  const digest = digestOf(blob);
  if (digest?.algorithm !== "sha256") return undefined;
  return `version https://git-lfs.github.com/spec/v1\noid sha256:${digest.hex}\nsize ${sizeBytes}\n`;
}

/** What lies below a folder (`""`: all), as the Hub lists it: sorted, with the folders on the way. */
export function listTree(table: FileTable, folder: string, isRecursive: boolean): TreeEntry[] {
  const prefix = folder === "" ? "" : `${folder}/`;
  const entries = new Map<string, TreeEntry>();
  for (const file of table.values()) {
    if (!file.path.startsWith(prefix)) continue;
    const segments = file.path.slice(prefix.length).split("/");
    const depth = isRecursive ? segments.length : 1;
    for (let i = 1; i < Math.min(depth + 1, segments.length); i += 1) {
      const path = prefix + segments.slice(0, i).join("/");
      if (!entries.has(path)) entries.set(path, folderEntry(path));
    }
    if (depth >= segments.length) entries.set(file.path, entryOf(file));
  }
  return [...entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Files and folders by name; what is not there is left out. */
export function describePaths(table: FileTable, paths: readonly string[]): TreeEntry[] {
  return paths.flatMap((given) => {
    const path = given.replace(/^\/+|\/+$/g, "");
    const file = table.get(path);
    if (file !== undefined) return [entryOf(file)];
    for (const other of table.keys()) if (other.startsWith(`${path}/`)) return [folderEntry(path)];
    return [];
  });
}

/** git's own name of a folder is not known here; clients need one to be there. */
function folderEntry(path: string): TreeEntry {
  return { type: "directory", oid: sha1(`tree ${path}`), size: 0, path };
}

export function refsOf(
  refs: readonly { readonly revision: Revision; readonly commit: CommitId }[],
): Record<string, readonly unknown[]> {
  const branches: unknown[] = [];
  const converts: unknown[] = [];
  const pullRequests: unknown[] = [];
  for (const { revision, commit } of refs) {
    if (revision.startsWith("refs/pr/")) pullRequests.push({ name: revision, ref: revision, targetCommit: commit });
    else if (revision.startsWith("refs/convert/")) {
      converts.push({ name: revision, ref: revision, targetCommit: commit });
    } else branches.push({ name: revision, ref: `refs/heads/${revision}`, targetCommit: commit });
  }
  return { branches, converts, tags: [], pullRequests };
}

function sha1(text: string): string {
  return createHash("sha1").update(text).digest("hex");
}
