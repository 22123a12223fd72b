/** `swarm add`: takes a folder into the cache under a name, and signs that these are its files. */
import { formatRepo, parseRepoSpec, parseRevision, type RepoFile, type RepoRef, SwarmError } from "@swarmd/protocol";
import type { AddEvent, AddRequest } from "@swarmd/protocol/api";
import { encodeFileList, LIST_BYTES_MAX } from "@swarmd/protocol/wire";
import type { KeptPublications } from "./kept.js";
import type { NameAtOrigin, PublishStore, Signer } from "./ports.js";
import { commitOf, publish } from "./signed.js";
import { type FoundFile, walkFolder } from "./walk-folder.js";

export interface AddDeps {
  readonly store: PublishStore;
  readonly kept: KeptPublications;
  readonly signer: () => Promise<Signer>;
  /** Where it may be read: the cluster's id, or the open swarm. */
  readonly cluster: string;
  readonly nameAtOrigin: (repo: RepoRef, options: { readonly signal: AbortSignal }) => Promise<NameAtOrigin>;
  /** All is in the cache and signed: the LAN may know. */
  readonly onPublished: (files: readonly RepoFile[]) => Promise<void>;
  readonly wallMs: () => number;
}

/** Files are imported so many at a time: most of the time is the disk's. */
const AT_ONCE = 4;

/**
 * Publishes a folder or a file. Once more with the same files, it changes nothing.
 *
 * @throws SwarmError USAGE for a name that the origin or another publisher has, and for what can't be published; NO_SPACE, STORE_FAULT,
 *   UNSAFE_FILE_NAME, INTERRUPTED
 */
export async function addToSwarm(
  request: AddRequest,
  deps: AddDeps,
  onEvent: (event: AddEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const { repo, revision = parseRevision("main") } = parseRepoSpec(request.as);
  const signer = await deps.signer();
  await checkName(repo, signer, deps, onEvent, signal);
  const found = await walkFolder(request.path, { signal });
  await deps.store.checkFileNames(found.map(({ path }) => path));
  const files = await importAll(found, repo, deps.store, onEvent, signal);
  const list = encodeFileList(files);
  if (list.length > LIST_BYTES_MAX) {
    throw new SwarmError(
      "USAGE",
      `the names of ${files.length} files take ${list.length} bytes, more than can be published`,
      {
        hint: "Publish its parts under names of their own, or pack the files into archives.",
      },
    );
  }
  const commit = commitOf(repo, list);
  for (const { path, blob } of files) await deps.store.link({ repo, commit, path, blob }, { signal });
  await deps.store.writeTree({ repo, revision, commit, files });
  const before = await deps.kept.find(repo, revision, signer.id);
  const isSame = before?.commit === commit && before.cluster === deps.cluster;
  if (!isSame) {
    // A clock that was set back must not make this word older than the last one.
    const timeMs = Math.max(deps.wallMs(), (before?.timeMs ?? 0) + 1);
    await deps.kept.keep(await publish({ repo, revision, files, cluster: deps.cluster, timeMs }, signer));
  }
  await deps.store.writeRef(repo, revision, commit);
  await deps.onPublished(files);
  const bytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const path = deps.store.snapshotPath(repo, commit);
  const about = { repo: formatRepo(repo), revision, commit, files: files.length, bytes };
  onEvent({ type: "added", ...about, path, publisher: signer.id, isSame });
}

/** A name means one thing on this LAN: what the origin has goes by it, else what its first publisher here has. */
async function checkName(
  repo: RepoRef,
  { id }: Signer,
  deps: AddDeps,
  onEvent: (event: AddEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const name = formatRepo(repo);
  const hint = "Choose a name of your own, such as one that begins with your user or company name.";
  const publisher = await deps.kept.publisherOf(repo);
  if (publisher !== undefined && publisher !== id) {
    throw new SwarmError("USAGE", `${name} here is what node ${publisher} publishes`, {
      hint: `${hint} Or remove that one first: swarm rm ${name}.`,
    });
  }
  const atOrigin = await deps.nameAtOrigin(repo, { signal });
  if (atOrigin === "exists") {
    throw new SwarmError("USAGE", `${name} is a repo at the origin; two things would go by one name`, { hint });
  }
  if (atOrigin === "unknown") {
    onEvent({
      type: "warning",
      message: `the origin could not be asked whether it has a ${name}; if it has, other nodes will refuse this one`,
    });
  }
}

async function importAll(
  found: readonly FoundFile[],
  repo: RepoRef,
  store: PublishStore,
  onEvent: (event: AddEvent) => void,
  signal: AbortSignal,
): Promise<readonly RepoFile[]> {
  const reservation = await store.reserve(found.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  const files: RepoFile[] = [];
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const queue = found[Symbol.iterator]();
  const work = async (): Promise<void> => {
    for (const { path, source } of queue) {
      const { blob, sizeBytes } = await store.importFile(source, repo, { signal: either });
      files.push({ path, blob, sizeBytes });
      onEvent({ type: "file", path, bytes: sizeBytes, source: "cache" });
    }
  };
  const workers = Array.from({ length: Math.min(AT_ONCE, found.length) }, () =>
    work().catch((error) => {
      failed.abort(error);
      throw error;
    }),
  );
  try {
    const [firstFailure] = (await Promise.allSettled(workers)).flatMap((one) =>
      one.status === "rejected" ? [one.reason as unknown] : [],
    );
    if (failed.signal.aborted) throw failed.signal.reason ?? firstFailure;
  } finally {
    reservation.release();
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}
