/**
 * The names of things. Each is a plain string with a brand that only its `parse` function gives out,
 * so a string from outside can't pass for one that was checked.
 */
import type { Branded, NodeId } from "./brands.js";
import { SwarmError } from "./errors.js";

export type { NodeId } from "./brands.js";
/** 40 hex digits. */
export type CommitId = Branded<"CommitId">;
/** A branch, tag, pull-request ref or commit, as the user wrote it. */
export type Revision = Branded<"Revision">;
/** `org/name` or `name`, without the type. */
export type RepoName = Branded<"RepoName">;
/**
 * The content of one file: `sha256:<64 hex>`, `git-sha1:<40 hex>`, or, while nobody knows its digest, the provisional
 * `url:<sha256 of the URL>:<validator>:<size>`.
 */
export type BlobId = Branded<"BlobId">;

export type RepoType = "model" | "dataset" | "space";

export interface RepoRef {
  readonly type: RepoType;
  readonly name: RepoName;
}

const COMMIT = /^[0-9a-f]{40}$/;
const SHA256 = /^[0-9a-f]{64}$/;
const BLOB = /^(?:sha256:[0-9a-f]{64}|git-sha1:[0-9a-f]{40}|url:[0-9a-f]{64}:[0-9a-f]{16}:[0-9]{1,16})$/;
const NAME_PART = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?$/;
const NODE = /^[A-Za-z0-9]{1,128}$/;
const MAX_NAME_LENGTH = 96;
const MAX_REVISION_LENGTH = 255;

export function parseNodeId(text: string): NodeId {
  if (!NODE.test(text)) throw new SwarmError("USAGE", `not a node id: ${JSON.stringify(text)}`);
  return text as NodeId;
}

export function isCommitId(text: string): text is CommitId {
  return COMMIT.test(text);
}

export function parseCommitId(text: string): CommitId {
  if (!isCommitId(text)) throw new SwarmError("ORIGIN_FAULT", `not a commit: ${JSON.stringify(text)}`);
  return text;
}

export function isSha256Hex(text: string): boolean {
  return SHA256.test(text);
}

export function parseBlobId(text: string): BlobId {
  if (!BLOB.test(text)) throw new SwarmError("USAGE", `not a blob id: ${JSON.stringify(text)}`);
  return text as BlobId;
}

/** `sha256` and `git-sha1` name a digest that content can be checked against; `url` does not. */
export function digestOf(
  blob: BlobId,
): { readonly algorithm: "sha256" | "git-sha1"; readonly hex: string } | undefined {
  const [algorithm, hex] = blob.split(":");
  return algorithm === "sha256" || algorithm === "git-sha1" ? { algorithm, hex: hex as string } : undefined;
}

/**
 * A branch, tag or commit. Refused: what git refuses in a ref name and what could climb out of the `refs/` folder.
 */
export function parseRevision(text: string): Revision {
  const bad =
    text === "" ||
    text.length > MAX_REVISION_LENGTH ||
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
    /[\u0000-\u0020\u007f~^:?*[\\]/.test(text) ||
    text.split("/").some((part) => part === "" || part === "." || part === ".." || part.endsWith(".lock"));
  if (bad) {
    throw new SwarmError("USAGE", `not a revision: ${JSON.stringify(text)}`, {
      hint: "A revision is a branch (main), a tag (v1.0), a commit (40 hex digits) or a ref (refs/pr/1).",
    });
  }
  return text as Revision;
}

/** `name` or `org/name`, by the Hub's rules: letters, digits, `-`, `_`, `.`; no `--` or `..`; at most 96 characters a part. */
export function parseRepoName(text: string): RepoName {
  const parts = text.split("/");
  const bad =
    parts.length > 2 ||
    text.includes("--") ||
    text.includes("..") ||
    text.endsWith(".git") ||
    parts.some((part) => part.length > MAX_NAME_LENGTH || !NAME_PART.test(part));
  if (bad) {
    throw new SwarmError("USAGE", `not a repo name: ${JSON.stringify(text)}`, {
      hint: "A repo is written org/name, for example Qwen/Qwen2.5-0.5B-Instruct (datasets/org/name for a dataset).",
    });
  }
  return text as RepoName;
}

/** `org/name`, `datasets/org/name`, `spaces/org/name`, each with an optional `@revision`. */
export function parseRepoSpec(text: string): { readonly repo: RepoRef; readonly revision: Revision | undefined } {
  const at = text.indexOf("@");
  const path = at === -1 ? text : text.slice(0, at);
  const revision = at === -1 ? undefined : parseRevision(text.slice(at + 1));
  for (const [prefix, type] of [
    ["models/", "model"],
    ["datasets/", "dataset"],
    ["spaces/", "space"],
  ] as const) {
    if (path.startsWith(prefix) && path.split("/").length === 3) {
      return { repo: { type, name: parseRepoName(path.slice(prefix.length)) }, revision };
    }
  }
  return { repo: { type: "model", name: parseRepoName(path) }, revision };
}

/** The inverse of {@link parseRepoSpec}: a model goes without a prefix. */
export function formatRepo(repo: RepoRef): string {
  return repo.type === "model" ? repo.name : `${repo.type}s/${repo.name}`;
}
