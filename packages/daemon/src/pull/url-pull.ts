import { type BlobId, SwarmError } from "@swarmd/protocol";
import type { DoneEvent, PullEvent } from "@swarmd/protocol/api";
import { SourceTally, wantAll } from "./blob-pull.js";
import type { BlobSources, FileOrigin, PullStore, UrlFile, UrlValidators } from "./ports.js";
import { PullMeter } from "./pull-meter.js";
import type { PullDeps, PullOptions } from "./repo-pull.js";
import { withProgress } from "./with-progress.js";

export interface UrlPullRequest extends PullOptions {
  readonly url: string;
}

export interface UrlPullDeps extends Omit<PullDeps, "origin" | "visibility" | "published" | "onPulled"> {
  readonly files: FileOrigin;
}

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
  const cached = await deps.store.findUrl(request.url);
  const changed = request.offline ? undefined : await describe(request, cached?.validators, deps, signal);
  if (changed === undefined && cached === undefined) throw offlineError(shown);
  const sizeBytes = changed?.sizeBytes ?? cached?.sizeBytes ?? 0;
  const partialBytes = changed === undefined ? sizeBytes : partialBytesOf(changed, deps.store);
  const about = { repo: shown, revision: "", commit: "", files: 1, bytes: sizeBytes };
  onEvent({ type: "start", ...about, bytesPresent: partialBytes });
  let path = cached?.path ?? "";
  if (changed === undefined) {
    tally.addCached(sizeBytes);
    onEvent({ type: "file", path: shown, bytes: sizeBytes, source: "cache" });
  } else if (!request.dryRun) {
    path = await fetchFile(changed, request, deps, { tally, onEvent, signal, partialBytes });
  }
  if (request.out !== undefined && !request.dryRun) {
    await deps.store.placeFile(path, request.out, { signal });
    path = request.out;
  }
  return {
    type: "done",
    ...about,
    path,
    bytesFromOrigin: tally.fromOriginBytes,
    bytesFromPeers: tally.fromPeersBytes,
    bytesFromCache: tally.fromCacheBytes,
    elapsedMs: Math.round(deps.nowMs() - startedMs),
    sources: tally.sources,
    ...(request.dryRun ? { dryRun: true } : {}),
  };
}

/** What the server has now; `undefined` when it still is what we know. */
async function describe(
  { url }: UrlPullRequest,
  known: UrlValidators | undefined,
  { files }: UrlPullDeps,
  signal: AbortSignal,
): Promise<UrlFile | undefined> {
  if (known !== undefined && (await files.isUnchanged(url, known, { signal }))) return undefined;
  return await files.describe(url, { signal });
}

function partialBytesOf({ blob, acceptsRanges }: UrlFile, store: PullStore): number {
  // A server without Range begins at 0 again, whatever is there.
  return acceptsRanges ? store.partialBytes(blob) : 0;
}

async function fetchFile(
  file: UrlFile,
  request: UrlPullRequest,
  deps: UrlPullDeps,
  run: {
    readonly tally: SourceTally;
    readonly onEvent: (event: PullEvent) => void;
    readonly signal: AbortSignal;
    readonly partialBytes: number;
  },
): Promise<string> {
  const { blob, sizeBytes, acceptsRanges, fileName, validators } = file;
  deps.locators.register(blob, { kind: "url", url: request.url, sizeBytes, validators });
  const meter = new PullMeter(
    { files: [{ path: fileName, blob, sizeBytes }], presentBytes: 0, filesPresent: 0 },
    (id) => deps.wants.view(id),
  );
  const want = {
    pull: request.pull,
    blob,
    sizeBytes,
    origin: acceptsRanges ? ("ranges" as const) : ("stream" as const),
    // Anyone may ask the server, but who may is not ours to say.
    isPrivate: true,
    hasAccess: false,
    home: undefined,
    peers: request.peers,
    fromOrigin: request.fromOrigin,
    originRequests: request.workers,
    order: 0,
    headBytes: 0,
  };
  const reservation = await deps.store.reserve(sizeBytes - run.partialBytes);
  let path = "";
  const onPresent = async (_: BlobId, sources: BlobSources) => {
    const source = run.tally.addFetched(sizeBytes, sources);
    ({ path } = await deps.store.noteUrl(request.url, { provisional: blob, validators }));
    meter.markDone(blob);
    run.onEvent({ type: "file", path: fileName, bytes: sizeBytes, source });
  };
  try {
    await withProgress(meter, deps.nowMs, run.onEvent, () => wantAll(deps.wants, [want], onPresent, run.signal));
  } finally {
    reservation.release();
  }
  return path;
}

function offlineError(shown: string): SwarmError {
  return new SwarmError("OFFLINE", `${shown} is not in the cache, and the node is offline`, {
    hint: "Pull it once without --offline (and without HF_HUB_OFFLINE).",
  });
}

/** A URL as it may be shown: without credentials, and without the query, which may be a signature. */
export function showUrl(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}
