/**
 * Where everything lies in a Hugging Face cache, as huggingface_hub 1.x lays it out. Pure: paths in, paths out.
 *
 * ```
 * CACHEDIR.TAG
 * .locks/models--org--name/<etag>.lock
 * models--org--name/blobs/<etag>                    the content
 * models--org--name/blobs/<etag>.<8 hex>.incomplete a file on its way
 * models--org--name/refs/<revision>                 40 hex digits; a revision may hold `/`
 * models--org--name/snapshots/<commit>/<path>       a relative link to a blob
 * models--org--name/trees/<commit>.json
 * models--org--name/.no_exist/<commit>/<path>       asked for, and not there
 * ```
 */
import { join } from "node:path";
import {
  type BlobId,
  type CommitId,
  parseBlobId,
  parseRepoName,
  type RepoRef,
  type RepoType,
  type Revision,
} from "@swarmd/protocol";

/** What backup programs look for; the first line is fixed by the specification, the rest is as huggingface_hub writes it. */
export const CACHEDIR_TAG = [
  "Signature: 8a477f597d28d172789f06886806bc55",
  "# This file is a cache directory tag created by huggingface_hub.",
  "# For information about cache directory tags, see:",
  "#\thttps://bford.info/cachedir/",
  "",
].join("\n");

/** `models--org--name`. */
export function repoFolderName(repo: RepoRef): string {
  return [`${repo.type}s`, ...repo.name.split("/")].join("--");
}

const REPO_TYPES: Readonly<Record<string, RepoType>> = { models: "model", datasets: "dataset", spaces: "space" };

/** The inverse of {@link repoFolderName}; `undefined` for any other folder. */
export function findRepoOfFolder(folder: string): RepoRef | undefined {
  const [prefix, ...parts] = folder.split("--");
  const type = REPO_TYPES[prefix as string];
  if (type === undefined) return undefined;
  try {
    return { type, name: parseRepoName(parts.join("/")) };
  } catch {
    return undefined;
  }
}

/** The folder of one repo in a cache. */
export function repoPath(cacheDir: string, repo: RepoRef): string {
  return join(cacheDir, repoFolderName(repo));
}

/** The name of a blob's file: the bare digest, as the Hub's ETag has it. A provisional id gives a name that fits a file too. */
export function etagOf(blob: BlobId): string {
  const [algorithm, ...rest] = blob.split(":");
  return algorithm === "url" ? rest.join("-") : rest.join(":");
}

/** The blob a file in `blobs/` claims to be, by its name; `undefined` for files that are no finished blobs. */
export function findBlobOfName(name: string): BlobId | undefined {
  if (/^[0-9a-f]{64}$/.test(name)) return parseBlobId(`sha256:${name}`);
  if (/^[0-9a-f]{40}$/.test(name)) return parseBlobId(`git-sha1:${name}`);
  return undefined;
}

export function blobPath(repoFolder: string, blob: BlobId): string {
  return join(repoFolder, "blobs", etagOf(blob));
}

/** `blobs/<etag>.<8 hex>.incomplete`: on the file system of the blob, so that a rename finishes it. */
export function stagingPath(repoFolder: string, blob: BlobId, random8Hex: string): string {
  return `${blobPath(repoFolder, blob)}.${random8Hex}.incomplete`;
}

export function snapshotPath(repoFolder: string, commit: CommitId): string {
  return join(repoFolder, "snapshots", commit);
}

/** The text of the link at `snapshots/<commit>/<path>`: `../../blobs/<etag>`, with one `../` more per folder in `path`. */
export function linkTarget(path: string, blob: BlobId): string {
  const up = "../".repeat(path.split("/").length + 1);
  return `${up}blobs/${etagOf(blob)}`;
}

export function refPath(repoFolder: string, revision: Revision): string {
  return join(repoFolder, "refs", ...revision.split("/"));
}

export function treePath(repoFolder: string, commit: CommitId): string {
  return join(repoFolder, "trees", `${commit}.json`);
}

export function noExistPath(repoFolder: string, commit: CommitId): string {
  return join(repoFolder, ".no_exist", commit);
}

/** The lock that huggingface_hub takes while it downloads this blob into this repo. */
export function lockPath(cacheDir: string, repo: RepoRef, blob: BlobId): string {
  return join(cacheDir, ".locks", repoFolderName(repo), `${etagOf(blob)}.lock`);
}
