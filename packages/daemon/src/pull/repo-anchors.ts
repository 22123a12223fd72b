/** What a revision is and which files it has: from the origin; from the cache where that can't be out of date; else from members of the cluster. */
import {
  type CommitId,
  type ErrorCode,
  formatRepo,
  isCommitId,
  type NodeId,
  type RepoFile,
  type RepoRef,
  type Revision,
  SwarmError,
  toSwarmError,
} from "@swarmd/protocol";
import type { AnchorBasis, KnownVisibility, PullStore, RepoMembers, RepoOrigin } from "./ports.js";

export interface AnchorRequest {
  readonly repo: RepoRef;
  readonly revision: Revision;
  readonly offline: boolean;
}

export interface AnchorDeps {
  readonly origin: RepoOrigin;
  readonly visibility: KnownVisibility;
  readonly store: Pick<PullStore, "readRef" | "readTree" | "writeTree">;
  readonly members: RepoMembers;
  readonly basis: AnchorBasis;
  readonly warn: (message: string) => void;
}

export interface RepoAnchors {
  readonly commit: CommitId;
  readonly files: readonly RepoFile[];
  /** The cache does not have the list yet, or another one. */
  readonly isNew: boolean;
  /** Who gave the list, if not the origin. */
  readonly member: NodeId | undefined;
  /** Private or gated: not for everybody. Where nobody can tell, it is. */
  readonly isPrivate: boolean;
  /** The origin has let this node's own token see it, in this very pull. */
  readonly hasAccess: boolean;
  readonly mayAskOrigin: boolean;
}

interface Resolved {
  readonly commit: CommitId;
  readonly isPrivate: boolean;
  readonly isGated: boolean;
  readonly source: "origin" | "cache" | { readonly member: NodeId };
  /** The origin said no to this node's token. */
  readonly isRefused: boolean;
}

const ORIGIN_DOWN: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "ORIGIN_UNREACHABLE",
  "ORIGIN_FAULT",
  "ORIGIN_BUSY",
  "ORIGIN_STALLED",
]);
/** A repo that is private is not found by those who may not see it. */
const REFUSED: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["ACCESS_GATED", "ACCESS_DENIED", "REPO_NOT_FOUND"]);

/** @throws SwarmError REPO_NOT_FOUND, REVISION_NOT_FOUND, ACCESS_*, OFFLINE, ORIGIN_*, INTERRUPTED */
export async function findAnchors(request: AnchorRequest, deps: AnchorDeps, signal: AbortSignal): Promise<RepoAnchors> {
  const resolved = await resolve(request, deps, signal);
  const { commit, isPrivate, source, isRefused } = resolved;
  const known = await deps.store.readTree(request.repo, commit);
  const common = { commit, isPrivate, mayAskOrigin: !request.offline && !isRefused };
  if (source === "origin") return { ...common, ...(await listFromOrigin(request, resolved, known, deps, signal)) };
  if (known !== undefined) return { ...common, files: known, isNew: false, member: undefined, hasAccess: false };
  if (source === "cache" && !request.offline) {
    return { ...common, ...(await listFromOrigin(request, resolved, known, deps, signal)), hasAccess: false };
  }
  const first = source === "cache" ? undefined : source.member;
  const list = await listFromMembers(request, commit, first, deps, signal);
  if (list === undefined) throw offlineError(request);
  return { ...common, ...list };
}

async function resolve(request: AnchorRequest, deps: AnchorDeps, signal: AbortSignal): Promise<Resolved> {
  const { repo, revision, offline } = request;
  const { origin, store, visibility } = deps;
  if (isCommitId(revision)) {
    const commit: CommitId = revision;
    if ((await store.readTree(repo, commit)) !== undefined) return cached(commit, repo, deps);
  }
  if (offline) {
    const commit = isCommitId(revision) ? undefined : await store.readRef(repo, revision);
    if (commit !== undefined) return cached(commit, repo, deps);
    const said = await askMembers(request, deps, signal, false);
    if (said === undefined) throw offlineError(request);
    return said;
  }
  try {
    const { commit, isPrivate, isGated } = await origin.resolve(repo, revision, { signal });
    await visibility.note(repo, { isPrivate, isGated });
    // What is behind a gate was given to this user, not to the neighbours: it moves no further than private files do.
    return { commit, isPrivate: isPrivate || isGated, isGated, source: "origin", isRefused: false };
  } catch (error) {
    return await resolveWithout(toSwarmError(error), request, deps, signal);
  }
}

/** The origin can't be asked, or said no. */
async function resolveWithout(
  error: SwarmError,
  request: AnchorRequest,
  deps: AnchorDeps,
  signal: AbortSignal,
): Promise<Resolved> {
  const { repo, revision } = request;
  const { code, message } = error;
  if (REFUSED.has(code)) await deps.visibility.note(repo, undefined);
  const isDown = ORIGIN_DOWN.has(code);
  const commit = isDown ? await deps.store.readRef(repo, revision) : undefined;
  if (commit !== undefined) {
    deps.warn(`${message}: going by what ${revision} was when it was last pulled (${commit.slice(0, 8)})`);
    return cached(commit, repo, deps);
  }
  if (!mayAsk(code, deps.members)) throw error;
  const said = await askMembers(request, deps, signal, !isDown);
  if (said !== undefined) return said;
  throw withoutMembers(error);
}

/** By what the origin last said. A repo of which it said nothing may be private: so it is treated as if it were. */
async function cached(commit: CommitId, repo: RepoRef, { visibility }: AnchorDeps): Promise<Resolved> {
  const known = await visibility.find(repo);
  const isPrivate = known === undefined || known.isPrivate || known.isGated;
  return { commit, isPrivate, isGated: known?.isGated === true, source: "cache", isRefused: false };
}

async function askMembers(
  { repo, revision }: AnchorRequest,
  { members, warn }: AnchorDeps,
  signal: AbortSignal,
  isRefused: boolean,
): Promise<Resolved | undefined> {
  if (!members.areThere) return undefined;
  const said = await members.resolve(repo, revision, { signal });
  if (said === undefined) return undefined;
  const { commit, isPrivate, from } = said;
  warn(`${formatRepo(repo)}@${revision} is ${commit.slice(0, 8)}, says member ${from} of the cluster`);
  return { commit, isPrivate, isGated: false, source: { member: from }, isRefused };
}

type FileList = Pick<RepoAnchors, "files" | "isNew" | "member" | "hasAccess"> & { readonly mayAskOrigin?: boolean };

async function listFromOrigin(
  request: AnchorRequest,
  { commit, isGated }: Resolved,
  known: readonly RepoFile[] | undefined,
  deps: AnchorDeps,
  signal: AbortSignal,
): Promise<FileList> {
  const { origin, basis, members, warn } = deps;
  const { repo } = request;
  const said = known === undefined ? undefined : await basis.find(repo, commit);
  // The Hub tells of a gated repo to everybody, but hashes only to those who are let in: so the list shows whether we are.
  const mustAsk = known === undefined || said !== undefined || (isGated && members.areThere);
  if (!mustAsk) return { files: known, isNew: false, member: undefined, hasAccess: !isGated };
  try {
    const files = await origin.tree(repo, commit, { signal });
    if (said !== undefined) {
      if (!isSame(files, known ?? []))
        warn(`member ${said.member} gave another file list than the origin; going by that`);
      await basis.clear(repo, commit);
    }
    const isLetIn = !isGated || files.some(({ blob }) => blob.startsWith("sha256:"));
    return { files, isNew: known === undefined || said !== undefined, member: undefined, hasAccess: isLetIn };
  } catch (error) {
    const failure = toSwarmError(error);
    if (!mayAsk(failure.code, members)) {
      if (known === undefined) throw error;
      return { files: known, isNew: false, member: undefined, hasAccess: false };
    }
    const list = await listFromMembers(request, commit, undefined, deps, signal);
    const isRefused = REFUSED.has(failure.code);
    if (list !== undefined) return isRefused ? { ...list, mayAskOrigin: false } : list;
    if (known !== undefined) return { files: known, isNew: false, member: undefined, hasAccess: false };
    throw withoutMembers(failure);
  }
}

async function listFromMembers(
  { repo }: AnchorRequest,
  commit: CommitId,
  first: NodeId | undefined,
  { members }: AnchorDeps,
  signal: AbortSignal,
): Promise<FileList | undefined> {
  if (!members.areThere) return undefined;
  const list = await members.files(repo, commit, { signal, ...(first === undefined ? {} : { first }) });
  return list && { files: list.files, isNew: true, member: list.from, hasAccess: false };
}

/** Members are asked when the origin is out of reach; and when it said no, where the cluster shares with all its members. */
function mayAsk(code: ErrorCode, { areThere, shareGated }: RepoMembers): boolean {
  return areThere && (ORIGIN_DOWN.has(code) || (shareGated && REFUSED.has(code)));
}

function isSame(a: readonly RepoFile[], b: readonly RepoFile[]): boolean {
  const toKeys = (files: readonly RepoFile[]) =>
    files.map(({ path, blob, sizeBytes }) => `${path} ${blob} ${sizeBytes}`).sort();
  return JSON.stringify(toKeys(a)) === JSON.stringify(toKeys(b));
}

function withoutMembers(error: SwarmError): SwarmError {
  const { code, message, hint } = error;
  const details = hint === undefined ? {} : { hint };
  return new SwarmError(code, `${message}; and no member of the cluster knows the repo`, { cause: error, ...details });
}

function offlineError({ repo, revision }: AnchorRequest): SwarmError {
  return new SwarmError("OFFLINE", `${formatRepo(repo)}@${revision} is not in the cache, and the node is offline`, {
    hint: "Pull it once without --offline (and without HF_HUB_OFFLINE); members of a cluster can also have it from each other.",
  });
}
