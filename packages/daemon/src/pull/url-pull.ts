import { type RepoRef, SwarmError } from "@swarmd/protocol";
import type { DoneEvent, PullEvent } from "@swarmd/protocol/api";
import { SourceTally, wantAll } from "./blob-pull.js";
import type { FileOrigin, PresentBlob, PullStore, UrlFile } from "./ports.js";
import { PullMeter } from "./pull-meter.js";
import type { PullDeps, PullOptions } from "./repo-pull.js";
import { withProgress } from "./with-progress.js";

export interface UrlPullRequest extends PullOptions {
  readonly url: string;
}

export interface UrlPullDeps extends Omit<PullDeps, "origin"> {
  readonly files: FileOrigin;
}

/** The file behind a URL has no commit; this is what stands in its place. */
const NO_REPO: RepoRef | undefined = undefined;

/**
 * Pulls the file behind a plain URL. What was pulled before is asked about (If-None-Match) and, unchanged, used again.
 *
 * @throws SwarmError ORIGIN_*, FILE_NOT_FOUND, ACCESS_DENIED, NO_SPACE, OFFLINE
 */
export async function pullUrl(
  request: UrlPullRequest,
  deps: UrlPullDeps,
  onEvent: (event: PullEvent) => void,
  signal: AbortSignal,
): Promise<DoneEvent> {
  const startedMs = deps.nowMs();
  const tally = new SourceTally();
  const shown = showUrl(request.url);
  const cached = await findCurrent(request, deps, signal);
  let path = cached?.path;
  let sizeBytes = cached?.sizeBytes ?? 0;
  const start = (bytesPresent: number) =>
    onEvent({ type: "start", repo: shown, revision: "", commit: "", files: 1, bytes: sizeBytes, bytesPresent });
  if (cached !== undefined) {
    start(sizeBytes);
    tally.addCached(sizeBytes);
  } else {
    const file = await deps.files.describe(request.url, { signal });
    sizeBytes = file.sizeBytes;
    start(deps.store.partialBytes(file.blob));
    if (!request.dryRun) path = (await fetchFile(file, request, deps, { tally, onEvent, signal })).path;
  }
  if (path !== undefined && !request.dryRun) path = await placeUrlFile(path, request, deps.store);
  if (cached !== undefined) onEvent({ type: "file", path: shown, bytes: sizeBytes, source: "cache" });
  return {
    type: "done",
    repo: shown,
    revision: "",
    commit: "",
    path: path ?? "",
    files: 1,
    bytes: sizeBytes,
    bytesFromOrigin: tally.fromOriginBytes,
    bytesFromPeers: tally.fromPeersBytes,
    bytesFromCache: tally.fromCacheBytes,
    elapsedMs: Math.round(deps.nowMs() - startedMs),
    sources: tally.sources,
    ...(request.dryRun ? { dryRun: true } : {}),
  };
}

/** What an earlier pull of this URL brought, if the server says that it still is the same. */
async function findCurrent(
  { url, offline }: UrlPullRequest,
  { store, files }: UrlPullDeps,
  signal: AbortSignal,
): Promise<PresentBlob | undefined> {
  const known = await store.findUrl(url);
  if (offline) {
    if (known !== undefined) return known;
    throw new SwarmError("OFFLINE", `${showUrl(url)} is not in the cache, and the node is offline`, {
      hint: "Pull it once without --offline (and without HF_HUB_OFFLINE).",
    });
  }
  if (known === undefined) return undefined;
  return (await files.isUnchanged(url, known.validators, { signal })) ? known : undefined;
}

async function fetchFile(
  file: UrlFile,
  request: UrlPullRequest,
  deps: UrlPullDeps,
  run: { readonly tally: SourceTally; readonly onEvent: (event: PullEvent) => void; readonly signal: AbortSignal },
): Promise<PresentBlob> {
  const { blob, sizeBytes, validators, acceptsRanges, fileName } = file;
  deps.locators.register(blob, { kind: "url", url: request.url, sizeBytes, validators });
  const meter = new PullMeter({ files: [{ path: fileName, blob, sizeBytes }], presentBytes: 0, filesPresent: 0 }, (id) =>
    deps.wants.view(id),
  );
  const want = {
    pull: request.pull,
    blob,
    sizeBytes,
    origin: acceptsRanges ? ("ranges" as const) : ("stream" as const),
    // Anyone may ask the server, but who may is not ours to say.
    isPrivate: true,
    home: NO_REPO,
    peers: request.peers,
    originRequests: request.workers,
    order: 0,
    headBytes: 0,
  };
  const reservation = await deps.store.reserve(sizeBytes - deps.store.partialBytes(blob));
  try {
    await withProgress(meter, deps.nowMs, run.onEvent, () =>
      wantAll(
        deps.wants,
        [want],
        async (_, sources) => {
          const source = run.tally.addFetched(sizeBytes, sources);
          meter.markDone(blob);
          run.onEvent({ type: "file", path: fileName, bytes: sizeBytes, source });
        },
        run.signal,
      ),
    );
  } finally {
    reservation.release();
  }
  return await deps.store.noteUrl(request.url, { provisional: blob, validators });
}

async function placeUrlFile(path: string, { out }: UrlPullRequest, store: PullStore): Promise<string> {
  if (out === undefined) return path;
  await store.placeFile(path, out);
  return out;
}

/** A URL as it may be shown: without credentials, and without the query, which may be a signature. */
export function showUrl(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}
