import {
  type BlobId,
  formatRepo,
  type RepoFile,
  SHARD_BYTES,
  shardCount,
  shardLength,
  shardStart,
  toSwarmError,
} from "@swarmd/protocol";
import type { ManifestBlob, ManifestHead, ManifestTensor, ModelManifest } from "@swarmd/protocol/api";
import type { HeadSources, PlannedRepo } from "./ports.js";
import { formatOf, readTensors } from "./tensor-head.js";

/** Heads are read so many at a time: each waits for a disk or for the network. */
const AT_ONCE = 4;

/** All that can be said of a repo without its bytes. A head that can't be read is told as such. @throws SwarmError INTERRUPTED */
export async function describeModel(
  repo: PlannedRepo,
  sources: HeadSources,
  options: { readonly signal: AbortSignal },
): Promise<ModelManifest> {
  const { files, commit, revision } = repo.manifest;
  const heads = await readHeads(
    files.filter(({ path }) => formatOf(path) !== undefined),
    (file) => describeHead(file, repo, sources, options),
  );
  if (options.signal.aborted) throw toSwarmError(options.signal.reason, "INTERRUPTED");
  return {
    repo: formatRepo(repo.manifest.repo),
    revision,
    commit,
    publisher: repo.publisher ?? null,
    size: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    files: files.map(({ path, sizeBytes, blob, xetHash }) => {
      return { path, size: sizeBytes, blob, ...(xetHash === undefined ? {} : { xetHash }) };
    }),
    blobs: [...new Map(files.map(({ blob, sizeBytes }) => [blob, sizeBytes]))].map(describeBlob),
    tensors: heads.flatMap(({ tensors }) => tensors),
    heads: heads.map(({ head }) => head),
  };
}

export function describeBlob([id, size]: readonly [BlobId, number]): ManifestBlob {
  const shards = Array.from({ length: shardCount(size, SHARD_BYTES) }, (_, shard) => {
    return {
      id: `${id}#${shard}`,
      offset: shardStart(shard, SHARD_BYTES),
      size: shardLength(shard, size, SHARD_BYTES),
    };
  });
  return { id, size, shards };
}

interface Described {
  readonly head: ManifestHead;
  readonly tensors: readonly ManifestTensor[];
}

async function describeHead(
  file: RepoFile,
  repo: PlannedRepo,
  sources: HeadSources,
  options: { readonly signal: AbortSignal },
): Promise<Described> {
  const about = { file: file.path, format: formatOf(file.path) ?? "safetensors" };
  try {
    const { source, file: read } = await readTensors(file, sources.of(file, repo), options);
    const tensors = read.tensors.map(({ name, dtype, shape, startBytes, endBytes }): ManifestTensor => {
      return { name, file: file.path, offset: startBytes, length: endBytes - startBytes, dtype, shape };
    });
    return { head: { ...about, source, tensors: tensors.length }, tensors };
  } catch (error) {
    return { head: { ...about, source: null, tensors: 0, problem: toSwarmError(error).message }, tensors: [] };
  }
}

/** In the order of the files, whichever is read first. */
async function readHeads(
  files: readonly RepoFile[],
  read: (file: RepoFile) => Promise<Described>,
): Promise<readonly Described[]> {
  const results: Described[] = new Array(files.length);
  const queue = files.entries();
  const work = async () => {
    for (const [index, file] of queue) results[index] = await read(file);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return results;
}
