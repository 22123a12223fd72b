import {
  type BlobId,
  type CommitId,
  compileFilePatterns,
  formatRepo,
  isCommitId,
  type RepoFile,
  type RepoManifest,
  type RepoRef,
  type Revision,
  SwarmError,
  toSwarmError,
} from "@swarmd/protocol";
import type { KnownVisibility, PullStore, RepoOrigin } from "./ports.js";

export interface PlanRequest {
  readonly repo: RepoRef;
  readonly revision: Revision;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly offline: boolean;
}

/** What a pull of a repo comes down to. */
export interface RepoPlan {
  readonly manifest: RepoManifest;
  /** The files that were asked for. */
  readonly files: readonly RepoFile[];
  /** Private or gated: not for everybody. */
  readonly isPrivate: boolean;
}

interface PlanDeps {
  readonly origin: RepoOrigin;
  readonly visibility: KnownVisibility;
  readonly store: Pick<PullStore, "readRef" | "readTree" | "writeTree" | "checkFileNames">;
  readonly warn: (message: string) => void;
}

/**
 * Finds the commit and its files: from the cache where that can't be out of date, else from the origin.
 *
 * @throws SwarmError REPO_NOT_FOUND, REVISION_NOT_FOUND, FILE_NOT_FOUND, ACCESS_*, OFFLINE, UNSAFE_FILE_NAME, ORIGIN_*
 */
export async function planRepo(request: PlanRequest, deps: PlanDeps, signal: AbortSignal): Promise<RepoPlan> {
  const { repo, revision } = request;
  const { commit, isPrivate } = await resolveCommit(request, deps, signal);
  const known = await deps.store.readTree(repo, commit);
  if (known === undefined && request.offline) throw offlineError(repo, revision);
  const all = known ?? (await deps.origin.tree(repo, commit, { signal }));
  const matches = compileFilePatterns(request);
  const files = all.filter(({ path }) => matches(path));
  await deps.store.checkFileNames(files.map(({ path }) => path));
  const manifest = { repo, revision, commit, files: all };
  if (known === undefined) await deps.store.writeTree(manifest);
  if (files.length === 0) {
    throw new SwarmError("FILE_NOT_FOUND", `no file of ${formatRepo(repo)}@${revision} was asked for`, {
      hint:
        all.length === 0
          ? "The repo is empty at this revision."
          : `The repo has ${all.length} files, such as ${all[0]?.path}; check --include and --exclude.`,
    });
  }
  return { manifest, files, isPrivate };
}

async function resolveCommit(
  { repo, revision, offline }: PlanRequest,
  { origin, store, visibility, warn }: PlanDeps,
  signal: AbortSignal,
): Promise<{ readonly commit: CommitId; readonly isPrivate: boolean }> {
  if (isCommitId(revision)) {
    const commit: CommitId = revision;
    if (offline || (await store.readTree(repo, commit)) !== undefined) {
      return { commit, isPrivate: await isKnownPrivate(repo, visibility) };
    }
  }
  if (offline) {
    const commit = await store.readRef(repo, revision);
    if (commit === undefined) throw offlineError(repo, revision);
    return { commit, isPrivate: await isKnownPrivate(repo, visibility) };
  }
  try {
    const { commit, isPrivate, isGated } = await origin.resolve(repo, revision, { signal });
    await visibility.note(repo, { isPrivate, isGated });
    // What is behind a gate was given to this user, not to the neighbours: it moves no further than private files do.
    return { commit, isPrivate: isPrivate || isGated };
  } catch (error) {
    const { code, message } = toSwarmError(error);
    if (CLOSED.has(code)) await visibility.note(repo, undefined);
    const commit = ORIGIN_DOWN.has(code) ? await store.readRef(repo, revision) : undefined;
    if (commit === undefined) throw error;
    warn(`${message}: going by what ${revision} was when it was last pulled (${commit.slice(0, 8)})`);
    return { commit, isPrivate: await isKnownPrivate(repo, visibility) };
  }
}

/** By what the origin last said. A repo of which it said nothing may be private: so it is treated as if it were. */
async function isKnownPrivate(repo: RepoRef, visibility: KnownVisibility): Promise<boolean> {
  const known = await visibility.find(repo);
  return known === undefined || known.isPrivate || known.isGated;
}

/** What was open to all no longer is. */
const CLOSED: ReadonlySet<string> = new Set(["REPO_NOT_FOUND", "ACCESS_DENIED", "ACCESS_GATED"]);

const ORIGIN_DOWN: ReadonlySet<string> = new Set([
  "ORIGIN_UNREACHABLE",
  "ORIGIN_FAULT",
  "ORIGIN_BUSY",
  "ORIGIN_STALLED",
]);

function offlineError(repo: RepoRef, revision: Revision): SwarmError {
  return new SwarmError("OFFLINE", `${formatRepo(repo)}@${revision} is not in the cache, and the node is offline`, {
    hint: "Pull it once without --offline (and without HF_HUB_OFFLINE).",
  });
}

/** Small files first: whoever waits for the repo can read its configuration at once. Then as the repo lists them. */
const SMALL_BYTES = 1024 * 1024;

/** One entry per blob, in the order in which they are to be fetched; equal files are fetched once. */
export function blobsInOrder(
  files: readonly RepoFile[],
): { readonly blob: BlobId; readonly files: readonly RepoFile[] }[] {
  const byBlob = new Map<BlobId, RepoFile[]>();
  const small = files.filter(({ sizeBytes }) => sizeBytes < SMALL_BYTES);
  const large = files.filter(({ sizeBytes }) => sizeBytes >= SMALL_BYTES);
  for (const file of [...small, ...large]) {
    const same = byBlob.get(file.blob);
    if (same === undefined) byBlob.set(file.blob, [file]);
    else same.push(file);
  }
  return [...byBlob].map(([blob, same]) => ({ blob, files: same }));
}

/** The header of a tensor file says where everything is: loaders read it before all else. */
const HEADER_BYTES = 128 * 1024;

export function headBytesOf(path: string): number {
  return /\.(?:safetensors|gguf)$/i.test(path) ? HEADER_BYTES : 0;
}
