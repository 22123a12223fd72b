/** `swarm diff`: what changed between two revisions, and what a pull of the second would move. */
import { formatRepo, parseRepoSpec, parseRevision, type RepoFile, SHARD_BYTES, shardCount } from "@swarmd/protocol";
import type { DiffFile, DiffRequest, DiffResult } from "@swarmd/protocol/api";
import type { PullStore } from "./ports.js";
import { planRepo, type RepoPlan } from "./repo-plan.js";
import { NOBODY, type PullDeps } from "./repo-pull.js";

export interface DiffDeps extends PullDeps {
  readonly offline: boolean;
  readonly peers: boolean;
}

/** @throws SwarmError as the plan of a pull does: REPO_NOT_FOUND, REVISION_NOT_FOUND, ACCESS_*, OFFLINE, ORIGIN_* */
export async function diffRevisions(request: DiffRequest, deps: DiffDeps, signal: AbortSignal): Promise<DiffResult> {
  const plan = (target: string): Promise<RepoPlan> => {
    const { repo, revision = parseRevision("main") } = parseRepoSpec(target);
    const members = deps.peers ? deps.members : NOBODY;
    const asked = { repo, revision, include: [], exclude: [], offline: deps.offline };
    return planRepo(asked, { ...deps, members, warn: () => undefined }, signal);
  };
  const [from, to] = [await plan(request.from), await plan(request.to)];
  const files = compareFiles(from.manifest.files, to.manifest.files);
  const missing = await findMissing(to, deps.store);
  const lacking = files.map((file) => ({ ...file, shards: missing.has(file.path) ? file.shards : 0 }));
  const all = [...missing.values()];
  return {
    from: nameOf(from),
    to: nameOf(to),
    files: lacking,
    sameFiles: to.manifest.files.length - files.filter(({ state }) => state !== "removed").length,
    moveBytes: all.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    moveShards: all.reduce((sum, { sizeBytes }) => sum + shardCount(sizeBytes, SHARD_BYTES), 0),
  };
}

/** By path; in the order of paths. Pure; exported for its test. */
export function compareFiles(from: readonly RepoFile[], to: readonly RepoFile[]): readonly DiffFile[] {
  const before = new Map(from.map((file) => [file.path, file]));
  const after = new Map(to.map((file) => [file.path, file]));
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort();
  return paths.flatMap((path): DiffFile[] => {
    const [old, now] = [before.get(path), after.get(path)];
    if (old?.blob === now?.blob) return [];
    const state = old === undefined ? "added" : now === undefined ? "removed" : "changed";
    const [fromBytes, toBytes] = [old?.sizeBytes ?? 0, now?.sizeBytes ?? 0];
    return [{ path, state, fromBytes, toBytes, shards: now === undefined ? 0 : shardCount(toBytes, SHARD_BYTES) }];
  });
}

/** Files of the revision whose content is nowhere in the cache, each content once. */
async function findMissing({ manifest }: RepoPlan, store: PullStore): Promise<ReadonlyMap<string, RepoFile>> {
  const seen = new Set<string>();
  const missing = new Map<string, RepoFile>();
  for (const file of manifest.files) {
    const { blob, sizeBytes, path } = file;
    if (seen.has(blob)) continue;
    seen.add(blob);
    if ((await store.find(blob, { repo: manifest.repo, sizeBytes })) === undefined) missing.set(path, file);
  }
  return missing;
}

function nameOf({ manifest }: RepoPlan): string {
  return `${formatRepo(manifest.repo)}@${manifest.commit}`;
}
