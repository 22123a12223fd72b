/** Repos, revisions and paths as they stand in addresses, checked. What can't be one is told as the Hub tells what it does not have. */
import { parseRepoName, parseRevision, type RepoRef, type RepoType, type Revision } from "@swarmd/protocol";
import { HubError } from "./hub-error.js";

/** One or two segments. */
export const REPO = "(?<repo>[^/]+(?:/[^/]+)?)";
/** Encoded as one segment; a ref may also be written out. */
export const REVISION = "(?<revision>refs/(?:pr|convert|heads|tags)/[^/]+|[^/]+)";
export const API_TYPE = "(?<type>models|datasets|spaces)";

const TYPES: Readonly<Record<string, RepoType>> = { models: "model", datasets: "dataset", spaces: "space" };

/** @throws HubError 404 RepoNotFound */
export function repoOf({ type = "models", repo = "" }: Readonly<Record<string, string>>): RepoRef {
  try {
    return { type: TYPES[type] ?? "model", name: parseRepoName(repo) };
  } catch (cause) {
    throw new HubError(404, `Repository not found: ${JSON.stringify(repo.slice(0, 200))} is no name of a repo`, {
      code: "RepoNotFound",
      cause,
    });
  }
}

/** @throws HubError 404 RevisionNotFound */
export function revisionOf({ revision = "main" }: Readonly<Record<string, string>>): Revision {
  try {
    return parseRevision(revision === "HEAD" ? "main" : revision);
  } catch (cause) {
    throw new HubError(404, `Invalid rev id: ${revision.slice(0, 200)}`, { code: "RevisionNotFound", cause });
  }
}

/** `/api/models/org/name`, and what comes behind it. */
export function apiTarget(repo: RepoRef, rest = "", query = ""): string {
  return `/api/${repo.type}s/${repo.name}${rest}${query === "" ? "" : `?${query}`}`;
}

/** `/org/name/resolve/<revision>/<path>`, quoted as the Hub's clients quote it. */
export function fileTarget(repo: RepoRef, verb: "resolve" | "raw", revision: string, path: string): string {
  const prefix = repo.type === "model" ? "" : `/${repo.type}s`;
  return `${prefix}/${repo.name}/${verb}/${quote(revision)}/${path.split("/").map(quote).join("/")}`;
}

/** All but letters, digits and `_.-~`. */
export function quote(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
