/** Addresses on the Hub, quoted as huggingface_hub quotes them. */
import { type CommitId, formatRepo, type RepoRef, type Revision, SwarmError } from "@swarmd/protocol";

/** Model info (type-specific) at a revision: commit, privacy, gate. */
export function repoInfoUrl(endpoint: string, repo: RepoRef, revision: Revision): URL {
  return new URL(`${endpoint}/api/${repo.type}s/${repo.name}/revision/${quote(revision)}`);
}

/** First page of the file list. */
export function treeUrl(endpoint: string, repo: RepoRef, commit: CommitId): URL {
  return new URL(`${endpoint}/api/${repo.type}s/${repo.name}/tree/${commit}?recursive=true&expand=false`);
}

/** The content of one file. @throws SwarmError UNSAFE_FILE_NAME for a path that would lead elsewhere */
export function resolveUrl(endpoint: string, repo: RepoRef, commit: CommitId, path: string): URL {
  return new URL(`${endpoint}/${formatRepo(repo)}/resolve/${commit}/${quotePath(path)}`);
}

/** Each segment quoted, the slashes kept. */
function quotePath(path: string): string {
  const segments = path.split("/");
  const isSafe = segments.every((segment) => segment !== "" && segment !== "." && segment !== "..");
  if (!isSafe) throw unsafe(path);
  try {
    return segments.map(quote).join("/");
  } catch (cause) {
    throw unsafe(path, cause);
  }
}

/** All but letters, digits and `_.-~`. @throws URIError for half a surrogate pair */
function quote(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

function unsafe(path: string, cause?: unknown): SwarmError {
  return new SwarmError(
    "UNSAFE_FILE_NAME",
    `the repo has a file that can't be asked for by its name: ${JSON.stringify(path)}`,
    {
      cause,
    },
  );
}
