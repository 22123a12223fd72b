/** The answers about a repo: info, tree, paths-info, refs, commits, auth-check. */
import { admitToRepo, invalidToken, isGatedFor, passGate } from "./access.js";
import { lfsPointer, sha1Hex } from "./digest.js";
import { EarlyAnswer } from "./early-answer.js";
import type { Exchange } from "./exchange.js";
import { anchorOf, type HubCommit, type HubFile, type HubRepo, treeOidOf } from "./repos.js";
import { sendJson } from "./send-content.js";

/** What stands in place of a sha256 before a closed gate. */
const HIDDEN_SHA256 = "*".repeat(64);
const MAX_REQUEST_BODY_BYTES = 1024 * 1024;

/** The commit that the segments start with, and the path after it. A revision may hold `/`, encoded or not. */
export function splitRevision(
  ex: Exchange,
  repo: HubRepo,
  rest: readonly string[],
): { commit: HubCommit; path: string } {
  const isMissing = ex.faults.take("missingRevision") !== undefined;
  for (let i = 1; i <= rest.length && !isMissing; i++) {
    const commit = repo.findCommit(rest.slice(0, i).join("/"));
    if (commit) return { commit, path: rest.slice(i).join("/") };
  }
  throw EarlyAnswer.coded(404, "RevisionNotFound", `Invalid rev id: ${rest[0] ?? ""}`);
}

export function entryNotFound(commit: HubCommit): EarlyAnswer {
  return EarlyAnswer.coded(404, "EntryNotFound", "Entry not found", { "X-Repo-Commit": commit.id });
}

export async function answerWhoami(ex: Exchange): Promise<void> {
  if (ex.caller.kind === "invalid") throw invalidToken();
  if (ex.caller.kind === "anonymous") throw new EarlyAnswer(401, "A token is needed to say who you are.");
  const { name } = ex.caller.account;
  const accessToken = { displayName: "test", role: "read", createdAt: new Date(0) };
  const user = { type: "user", id: sha1Hex(name).slice(0, 24), name, fullname: name, email: `${name}@example.com` };
  await sendJson(ex, {
    ...user,
    emailVerified: true,
    isPro: false,
    orgs: [],
    auth: { type: "access_token", accessToken },
  });
}

export async function answerInfo(ex: Exchange): Promise<void> {
  const repo = admitToRepo(ex);
  const { commit } = splitRevision(ex, repo, ex.route.rest.length === 0 ? ["HEAD"] : ex.route.rest);
  const isHidden = isGatedFor(ex, repo);
  const withBlobs = isTrue(ex.url.searchParams.get("blobs"));
  const siblings = await Promise.all(
    [...commit.files.values()].sort(byPath).map(async (file) => {
      if (!withBlobs) return { rfilename: file.path };
      const { oid, size, lfs } = await describeFile(file, isHidden);
      return {
        rfilename: file.path,
        size,
        blobId: oid,
        ...(lfs && { lfs: { sha256: lfs.oid, size, pointerSize: lfs.pointerSize } }),
      };
    }),
  );
  const identity = { _id: sha1Hex(repo.urlPath).slice(0, 24), id: repo.name };
  const fields: Record<string, unknown> = {
    author: repo.name.includes("/") ? repo.name.split("/")[0] : undefined,
    cardData: {},
    createdAt: repo.findCommit("HEAD")?.date,
    disabled: repo.isDisabled,
    downloads: 0,
    gated: repo.isGated ? "auto" : false,
    lastModified: commit.date,
    likes: 0,
    modelId: repo.type === "model" ? repo.name : undefined,
    private: repo.isPrivate,
    sha: commit.id,
    siblings,
    tags: [],
  };
  const expand = ex.url.searchParams.getAll("expand");
  const chosen = Object.entries(fields).filter(([name]) => expand.length === 0 || expand.includes(name));
  await sendJson(ex, { ...identity, ...Object.fromEntries(chosen) });
}

export async function answerTree(ex: Exchange): Promise<void> {
  const repo = admitToRepo(ex);
  const { commit, path } = splitRevision(ex, repo, ex.route.rest);
  const query = ex.url.searchParams;
  const entries = listTree(commit, path, isTrue(query.get("recursive")));
  if (entries.length === 0 && path !== "") throw entryNotFound(commit);
  const limit = Math.min(Number(query.get("limit") ?? Infinity) || Infinity, ex.context.settings.treePageSize);
  const start = Number(Buffer.from(query.get("cursor") ?? "", "base64url").toString() || 0);
  const isHidden = isGatedFor(ex, repo);
  const expand = isTrue(query.get("expand"));
  const page = await Promise.all(entries.slice(start, start + limit).map((entry) => describe(entry, isHidden, expand)));
  const end = start + limit;
  await sendJson(ex, page, end < entries.length ? { Link: `<${nextPage(ex, limit, end)}>; rel="next"` } : {});
}

export async function answerPathsInfo(ex: Exchange): Promise<void> {
  const repo = admitToRepo(ex);
  const { commit } = splitRevision(ex, repo, ex.route.rest);
  const { paths, expand } = parsePathsInfo(await readRequestBody(ex), String(ex.req.headers["content-type"]));
  const all = listTree(commit, "", true);
  const isHidden = isGatedFor(ex, repo);
  const found = paths.flatMap((path) => all.filter((entry) => entry.path === path));
  await sendJson(ex, await Promise.all(found.map((entry) => describe(entry, isHidden, expand))));
}

export async function answerRefs(ex: Exchange): Promise<void> {
  const repo = admitToRepo(ex);
  const refs = (found: Iterable<[string, HubCommit]>, prefix: string) =>
    [...found].map(([name, commit]) => ({ name, ref: prefix + name, targetCommit: commit.id }));
  const branches = [...repo.branches];
  const answer = {
    tags: refs(repo.tags, "refs/tags/"),
    branches: refs(
      branches.filter(([name]) => !name.startsWith("refs/")),
      "refs/heads/",
    ),
    converts: refs(
      branches.filter(([name]) => name.startsWith("refs/convert/")),
      "",
    ),
  };
  const pullRequests = refs(
    branches.filter(([name]) => name.startsWith("refs/pr/")),
    "",
  );
  await sendJson(ex, isTrue(ex.url.searchParams.get("include_prs")) ? { ...answer, pullRequests } : answer);
}

export async function answerCommits(ex: Exchange): Promise<void> {
  const repo = admitToRepo(ex);
  const { commit } = splitRevision(ex, repo, ex.route.rest);
  const history: HubCommit[] = [];
  for (let one: HubCommit | undefined = commit; one; one = one.parent) history.push(one);
  const described = history.map(({ id, message, date }) => ({ id, title: message, message: "", authors: [], date }));
  await sendJson(ex, described, { "X-Total-Count": String(history.length) });
}

export async function answerAuthCheck(ex: Exchange): Promise<void> {
  passGate(ex, admitToRepo(ex), "");
  await sendJson(ex, {});
}

type TreeEntry = { readonly path: string; readonly file: HubFile | undefined; readonly under: readonly HubFile[] };

/** Folders and files below a path; only the next level unless recursive. A folder knows the files under it. */
function listTree(commit: HubCommit, path: string, recursive: boolean): TreeEntry[] {
  const prefix = path === "" ? "" : `${path}/`;
  const folders = new Map<string, HubFile[]>();
  const entries: TreeEntry[] = [];
  for (const file of commit.files.values()) {
    if (!file.path.startsWith(prefix)) continue;
    const parts = file.path.slice(prefix.length).split("/");
    for (let depth = 1; depth < parts.length && (recursive || depth === 1); depth++) {
      const folder = prefix + parts.slice(0, depth).join("/");
      folders.set(folder, [...(folders.get(folder) ?? []), file]);
    }
    if (recursive || parts.length === 1) entries.push({ path: file.path, file, under: [file] });
  }
  for (const [folder, under] of folders) entries.push({ path: folder, file: undefined, under });
  return entries.sort(byPath);
}

async function describe(entry: TreeEntry, isHidden: boolean, expand: boolean) {
  const { id, message, date } = entry.under.map((file) => file.commit).reduce((a, b) => (a.date >= b.date ? a : b));
  const more = expand ? { lastCommit: { id, title: message, date } } : {};
  if (entry.file) return { ...(await describeFile(entry.file, isHidden)), ...more };
  const oid = sha1Hex(entry.under.map((file) => `${file.path} ${file.content.key}`).join("\n"));
  return { type: "directory", oid, size: 0, path: entry.path, ...more };
}

interface FileItem {
  readonly type: "file";
  /** git sha1; for LFS files of the pointer. */
  readonly oid: string;
  readonly size: number;
  readonly path: string;
  readonly lfs?: { readonly oid: string; readonly size: number; readonly pointerSize: number };
  readonly xetHash?: string;
}

async function describeFile(file: HubFile, isHidden: boolean): Promise<FileItem> {
  const size = file.content.sizeBytes;
  const item = { type: "file" as const, oid: await treeOidOf(file), size, path: file.path };
  if (!file.isLfs) return item;
  const sha256 = await anchorOf(file);
  const lfs = { oid: isHidden ? HIDDEN_SHA256 : sha256, size, pointerSize: lfsPointer(sha256, size).length };
  return { ...item, lfs, ...(file.xetHash === undefined || isHidden ? {} : { xetHash: file.xetHash }) };
}

/** Absolute, with the host the client used, the query kept and the cursor moved on. */
function nextPage(ex: Exchange, limit: number, cursor: number): string {
  const url = new URL(ex.url.href);
  url.host = ex.req.headers.host ?? url.host;
  url.searchParams.set("limit", String(limit));
  url.searchParams.set("cursor", Buffer.from(String(cursor)).toString("base64url"));
  return url.href;
}

function parsePathsInfo(body: string, contentType: string): { paths: readonly string[]; expand: boolean } {
  if (!contentType.startsWith("application/json")) {
    const form = new URLSearchParams(body);
    return { paths: form.getAll("paths"), expand: isTrue(form.get("expand")) };
  }
  try {
    const { paths, expand } = JSON.parse(body) as { paths?: unknown; expand?: unknown };
    return { paths: [paths ?? []].flat().map(String), expand: expand === true };
  } catch {
    throw new EarlyAnswer(400, "The body is not JSON.");
  }
}

async function readRequestBody(ex: Exchange): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of ex.req as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_REQUEST_BODY_BYTES) throw new EarlyAnswer(413, "The body is too large.");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** Python sends `True`. */
function isTrue(value: string | null): boolean {
  return value === "true" || value === "True" || value === "1";
}

function byPath(a: { readonly path: string }, b: { readonly path: string }): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
}
