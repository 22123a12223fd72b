import {
  type BlobId,
  compileFilePatterns,
  formatRepo,
  type RepoFile,
  type RepoManifest,
  type RepoRef,
  type Revision,
  SwarmError,
} from "@swarmd/protocol";
import type { Publication } from "@swarmd/protocol/wire";
import type { PullStore } from "./ports.js";
import { type AnchorDeps, findAnchors } from "./repo-anchors.js";

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
  /** The origin lets this node's own token have it. */
  readonly hasAccess: boolean;
  readonly mayAskOrigin: boolean;
  /** Of a repo that no origin has. */
  readonly publication?: Publication;
}

export interface PlanDeps extends AnchorDeps {
  readonly store: AnchorDeps["store"] & Pick<PullStore, "checkFileNames">;
}

/**
 * Finds the commit and its files, and those that were asked for.
 *
 * @throws SwarmError REPO_NOT_FOUND, REVISION_NOT_FOUND, FILE_NOT_FOUND, ACCESS_*, OFFLINE, UNSAFE_FILE_NAME, ORIGIN_*
 */
export async function planRepo(request: PlanRequest, deps: PlanDeps, signal: AbortSignal): Promise<RepoPlan> {
  const { repo, revision } = request;
  const {
    commit,
    files: all,
    isNew,
    member,
    isPrivate,
    hasAccess,
    mayAskOrigin,
  } = await findAnchors(request, deps, signal);
  const matches = compileFilePatterns(request);
  const files = all.filter(({ path }) => matches(path));
  await deps.store.checkFileNames(files.map(({ path }) => path));
  const manifest = { repo, revision, commit, files: all };
  // Before the list itself: it must never pass for the origin's.
  if (member !== undefined) await deps.basis.note(repo, commit, { member });
  if (isNew) await deps.store.writeTree(manifest);
  if (files.length === 0) {
    throw new SwarmError("FILE_NOT_FOUND", `no file of ${formatRepo(repo)}@${revision} was asked for`, {
      hint:
        all.length === 0
          ? "The repo is empty at this revision."
          : `The repo has ${all.length} files, such as ${all[0]?.path}; check --include and --exclude.`,
    });
  }
  return { manifest, files, isPrivate, hasAccess, mayAskOrigin };
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
