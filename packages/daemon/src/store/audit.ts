/** `swarm verify`: holds what is in the cache against its digests. Each content is read once, however many files lead to it. */
import { type BlobId, digestOf, formatRepo, parseRepoSpec, SwarmError, toSwarmError } from "@swarmd/protocol";
import type { FileGround, VerifyEvent, VerifyRequest } from "@swarmd/protocol/api";
import type { BlobStore } from "./blob-store.js";
import { blobPath, repoPath } from "./cache-layout.js";
import { throwIfAborted } from "./disk-faults.js";
import { type ScannedFile, type ScannedRepo, type ScannedRevision, scanCache } from "./scan-repo.js";

/** The verify room's check of one file; throws INTEGRITY. */
export type CheckFile = (path: string, blob: BlobId, options: { readonly signal: AbortSignal }) => Promise<unknown>;

export interface AuditRequest extends VerifyRequest {
  readonly onEvent: (event: VerifyEvent) => void;
  /** Whether this node can prove any part of a blob to others. */
  readonly canProve: (blob: BlobId) => Promise<boolean>;
  /** Fetches a damaged file again. @returns whether it is whole now */
  readonly mendFile: (file: DamagedFile) => Promise<boolean>;
  readonly signal: AbortSignal;
}

export interface DamagedFile {
  readonly repo: ScannedRepo["repo"];
  readonly commit: ScannedRevision["commit"];
  readonly path: string;
  readonly blob: BlobId;
}

/** What came of one file: nothing, or what is wrong. */
type Verdict = string | undefined;

/**
 * Tells of each file, and at the end of all. Files that are wrong are events, not errors.
 *
 * @throws SwarmError USAGE, REPO_NOT_FOUND, REVISION_NOT_FOUND, or INTERRUPTED on abort
 */
export async function auditCache(store: BlobStore, check: CheckFile, request: AuditRequest): Promise<void> {
  const { onEvent, signal } = request;
  const verdicts = new Map<string, Promise<Verdict>>();
  const total = { files: 0, bytes: 0, bad: 0 };
  const damaged: DamagedFile[] = [];
  await store.findLost({ signal });
  for (const { repo, revision } of await chooseTargets(store, request)) {
    const anchors = new Map((await store.readTree(repo, revision.commit))?.map(({ path, blob }) => [path, blob]));
    for (const file of revision.files) {
      throwIfAborted(signal);
      const problem = await judge(file, anchors.get(file.path), check, verdicts, signal);
      // Wrong bytes must not go on to others; the file stays for its owner to look at.
      if (problem !== undefined && file.blob !== undefined && file.contentPath !== undefined) {
        store.forget(file.blob, blobPath(repoPath(store.cacheDir, repo), file.blob));
      }
      total.files += 1;
      total.bytes += file.sizeBytes;
      if (problem !== undefined) total.bad += 1;
      const should = anchors.get(file.path) ?? file.blob;
      if (problem !== undefined && should !== undefined) {
        damaged.push({ repo, commit: revision.commit, path: file.path, blob: should });
      }
      const about = { path: file.path, repo: formatRepo(repo), bytes: file.sizeBytes };
      const anchor = anchors.get(file.path);
      const blob = file.blob ?? anchor;
      const restsOn =
        request.explain === true && problem === undefined && blob !== undefined
          ? { restsOn: await explain(store, blob, anchor !== undefined, await request.canProve(blob)) }
          : {};
      const what = problem === undefined ? restsOn : { problem };
      onEvent({ type: "checked", ...about, ok: problem === undefined, ...what });
    }
  }
  for (const file of request.mend === true ? damaged : []) {
    throwIfAborted(signal);
    const ok = await request.mendFile(file);
    if (ok) total.bad -= 1;
    onEvent({ type: "mended", path: file.path, repo: formatRepo(file.repo), ok });
  }
  onEvent({ type: "verified", ...total });
}

async function explain(store: BlobStore, blob: BlobId, isAnchored: boolean, canProve: boolean): Promise<FileGround> {
  const kept = await store.keptGrounds.find(blob);
  return {
    digest: digestOf(blob)?.algorithm ?? "sha256",
    vouchedBy: isAnchored ? "origin" : "name",
    fetchedAt: kept?.verifiedAt ?? null,
    shards: kept?.counts ?? null,
    canProve,
  };
}

interface Target {
  readonly repo: ScannedRepo["repo"];
  readonly revision: ScannedRevision;
}

async function chooseTargets(store: BlobStore, { target, signal }: AuditRequest): Promise<Target[]> {
  const repos = await scanCache(store.cacheDir, { signal });
  const all = repos.flatMap(({ repo, revisions }) => revisions.map((revision) => ({ repo, revision })));
  if (target === undefined) return all;
  const wanted = parseRepoSpec(target);
  const name = formatRepo(wanted.repo);
  const ofRepo = all.filter(({ repo }) => formatRepo(repo) === name);
  if (ofRepo.length === 0) {
    throw new SwarmError("REPO_NOT_FOUND", `${name} is not in the cache ${store.cacheDir}`, {
      hint: "swarm ls shows what is there.",
    });
  }
  const { revision: asked } = wanted;
  if (asked === undefined) return ofRepo;
  const chosen = ofRepo.filter(
    ({ revision }) => revision.refs.includes(asked) || revision.commit === (asked as string),
  );
  if (chosen.length > 0) return chosen;
  throw new SwarmError("REVISION_NOT_FOUND", `${name}@${asked} is not in the cache`, {
    hint: `In the cache are: ${ofRepo.map(({ revision }) => revision.refs[0] ?? revision.commit).join(", ")}.`,
  });
}

async function judge(
  file: ScannedFile,
  anchor: BlobId | undefined,
  check: CheckFile,
  verdicts: Map<string, Promise<Verdict>>,
  signal: AbortSignal,
): Promise<Verdict> {
  if (file.contentPath === undefined) return "the link leads nowhere: its blob is missing";
  if (anchor !== undefined && file.blob !== undefined && file.blob !== anchor) {
    return `the link leads to ${file.blob}, but the repo has ${anchor}`;
  }
  const blob = file.blob ?? anchor;
  if (blob === undefined) return "nothing says what this file should be: it is no link to a blob";
  const key = `${blob} ${file.contentPath}`;
  let verdict = verdicts.get(key);
  if (verdict === undefined) {
    verdict = checkContent(file.contentPath, blob, check, signal);
    verdicts.set(key, verdict);
  }
  return verdict;
}

async function checkContent(path: string, blob: BlobId, check: CheckFile, signal: AbortSignal): Promise<Verdict> {
  try {
    await check(path, blob, { signal });
    return undefined;
  } catch (error) {
    throwIfAborted(signal);
    return toSwarmError(error).message;
  }
}
