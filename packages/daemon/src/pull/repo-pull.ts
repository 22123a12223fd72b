import {
  type BlobId,
  formatRepo,
  type NodeId,
  type RepoFile,
  type RepoRef,
  type Revision,
  SwarmError,
} from "@swarmd/protocol";
import type { DoneEvent, PullEvent } from "@swarmd/protocol/api";
import { SourceTally, wantAll } from "./blob-pull.js";
import { patientWants } from "./patient-wants.js";
import type {
  AnchorBasis,
  Anchors,
  BlobWants,
  CacheKeeper,
  CacheStay,
  KnownVisibility,
  Locators,
  PublishedRepos,
  PullStore,
  RepoMembers,
  RepoOrigin,
  WantRequest,
} from "./ports.js";
import { planAny } from "./published-plan.js";
import { PullMeter } from "./pull-meter.js";
import { blobsInOrder, headBytesOf, type RepoPlan } from "./repo-plan.js";
import { withProgress } from "./with-progress.js";

/** What every kind of pull needs. */
export interface PullOptions {
  readonly pull: number;
  readonly workers: number;
  readonly peers: boolean;
  readonly offline: boolean;
  /** `false`: no bytes of files from the origin, though it is asked what it has. */
  readonly fromOrigin: boolean;
  readonly dryRun: boolean;
  readonly out: string | undefined;
  readonly localDir: string | undefined;
}

export interface RepoPullRequest extends PullOptions {
  readonly repo: RepoRef;
  readonly revision: Revision;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** The node whose files are meant, for a repo that no origin has. */
  readonly from: NodeId | undefined;
}

export interface PullDeps {
  readonly origin: RepoOrigin;
  readonly visibility: KnownVisibility;
  readonly published: PublishedRepos;
  /** A repo was linked: what this node has by name may have changed. */
  readonly onPulled: (repo: RepoRef) => void;
  readonly store: PullStore;
  readonly locators: Locators;
  readonly anchors: Anchors;
  readonly wants: BlobWants;
  readonly members: RepoMembers;
  readonly basis: AnchorBasis;
  readonly keeper: CacheKeeper;
  readonly nowMs: () => number;
}

/** Pulls a repo: plan, fetch what is missing, link as it arrives, and point the ref at it last. */
export async function pullRepo(
  request: RepoPullRequest,
  deps: PullDeps,
  onEvent: (event: PullEvent) => void,
  signal: AbortSignal,
): Promise<DoneEvent> {
  const startedMs = deps.nowMs();
  const warn = (message: string) => onEvent({ type: "warning", message });
  const members = request.peers ? deps.members : NOBODY;
  const plan = await planAny(request, { ...deps, members, warn }, signal);
  if (request.out !== undefined && plan.files.length !== 1) {
    throw new SwarmError("USAGE", `--out names one file, but ${plan.files.length} were asked for`, {
      hint: "Choose one with --include, or use --local-dir.",
    });
  }
  const { repo, commit } = plan.manifest;
  for (const { blob, sizeBytes, xetHash } of plan.files) deps.anchors.note(blob, sizeBytes, xetHash);
  const blobs = new Map(plan.files.map(({ blob, sizeBytes }) => [blob, sizeBytes]));
  const stay = await deps.keeper.hold({ repo, commit, blobs });
  try {
    return await pullPlanned({ request, plan, stay, startedMs }, deps, onEvent, signal);
  } finally {
    stay.release();
  }
}

async function pullPlanned(
  {
    request,
    plan,
    stay,
    startedMs,
  }: {
    readonly request: RepoPullRequest;
    readonly plan: RepoPlan;
    readonly stay: CacheStay;
    readonly startedMs: number;
  },
  deps: PullDeps,
  onEvent: (event: PullEvent) => void,
  signal: AbortSignal,
): Promise<DoneEvent> {
  const { repo, commit } = plan.manifest;
  const { present, missing } = await sortByPresence(plan, deps.store);
  const tally = new SourceTally();
  const bytes = plan.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const partialBytes = missing.reduce((sum, { blob }) => sum + deps.store.partialBytes(blob), 0);
  const about = { repo: formatRepo(repo), revision: plan.manifest.revision, commit, files: plan.files.length, bytes };
  onEvent({ type: "start", ...about, bytesPresent: sizeOf(present) + partialBytes });

  let isAllLinked = true;
  const phasesMs = { decide: 0, fetch: 0, link: 0 };
  const timed = async <Result>(phase: keyof typeof phasesMs, work: () => Promise<Result>): Promise<Result> => {
    const beganMs = deps.nowMs();
    const result = await work();
    phasesMs[phase] += deps.nowMs() - beganMs;
    return result;
  };
  const placeAll = async (files: readonly RepoFile[]): Promise<void> => {
    for (const file of files) {
      const wasLinked = await placeRepoFile(file, { plan, request, store: deps.store, signal });
      isAllLinked &&= wasLinked;
    }
  };
  const place = (files: readonly RepoFile[]) => timed("link", () => placeAll(files));
  if (!request.dryRun) {
    if ((request.offline || plan.publication !== undefined) && !request.peers && missing.length > 0)
      throw missingOffline(missing);
    if (missing.length > 0) await timed("decide", () => stay.makeRoom({ signal }));
    for (const { files } of present) {
      await place(files);
      for (const file of files) {
        tally.addCached(file.sizeBytes);
        onEvent({ type: "file", path: file.path, bytes: file.sizeBytes, source: "cache" });
      }
    }
    const work = { request, plan, missing, present, partialBytes, place, tally };
    const linkedMs = phasesMs.link;
    await timed("fetch", () => fetchMissing(work, deps, onEvent, signal));
    // What was linked while the rest arrived.
    phasesMs.fetch = Math.max(0, phasesMs.fetch - (phasesMs.link - linkedMs));
    await deps.store.writeRef(repo, plan.manifest.revision, commit);
    if (missing.length === 0) deps.keeper.noteServed(repo, commit, isAllLinked ? "hit" : "link");
    else deps.keeper.noteUse(repo, commit);
    if (plan.publication !== undefined) await deps.published.keep(plan.publication);
    deps.onPulled(repo);
  }
  return {
    type: "done",
    ...about,
    path: request.out ?? request.localDir ?? deps.store.snapshotPath(repo, commit),
    bytesFromOrigin: tally.fromOriginBytes,
    bytesFromPeers: tally.fromPeersBytes,
    bytesFromCache: tally.fromCacheBytes,
    elapsedMs: Math.round(deps.nowMs() - startedMs),
    sources: tally.sources,
    phasesMs,
    ...(request.dryRun ? { dryRun: true } : {}),
  };
}

/** For a pull that goes without peers. */
export const NOBODY: RepoMembers = {
  areThere: false,
  shareGated: false,
  resolve: async () => undefined,
  files: async () => undefined,
};

type BlobFiles = ReturnType<typeof blobsInOrder>[number];

async function sortByPresence(
  { files, manifest: { repo } }: RepoPlan,
  store: PullStore,
): Promise<{ readonly present: readonly BlobFiles[]; readonly missing: readonly BlobFiles[] }> {
  const present: BlobFiles[] = [];
  const missing: BlobFiles[] = [];
  for (const entry of blobsInOrder(files)) {
    const { sizeBytes } = entry.files[0] as RepoFile;
    const found = await store.find(entry.blob, { repo, sizeBytes });
    (found === undefined ? missing : present).push(entry);
  }
  return { present, missing };
}

function sizeOf(blobs: readonly BlobFiles[]): number {
  return blobs.reduce((sum, { files }) => sum + files.reduce((all, { sizeBytes }) => all + sizeBytes, 0), 0);
}

function missingOffline(missing: readonly BlobFiles[]): SwarmError {
  const [first] = missing;
  return new SwarmError("OFFLINE", `${missing.length} files are not in the cache, such as ${first?.files[0]?.path}`, {
    hint: "Pull without --no-peer if another node has them, or without --offline (and without HF_HUB_OFFLINE).",
  });
}

async function fetchMissing(
  work: {
    readonly request: RepoPullRequest;
    readonly plan: RepoPlan;
    readonly missing: readonly BlobFiles[];
    readonly present: readonly BlobFiles[];
    readonly partialBytes: number;
    readonly place: (files: readonly RepoFile[]) => Promise<void>;
    readonly tally: SourceTally;
  },
  deps: PullDeps,
  onEvent: (event: PullEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const { request, plan, missing, present, partialBytes, place, tally } = work;
  if (missing.length === 0) return;
  const { repo, commit } = plan.manifest;
  const filesOf = new Map<BlobId, readonly RepoFile[]>(missing.map(({ blob, files }) => [blob, files]));
  const requests = missing.map(({ blob, files }, order): WantRequest => {
    const { path, sizeBytes } = files[0] as RepoFile;
    const isPublished = plan.publication !== undefined;
    if (!isPublished) deps.locators.register(blob, { kind: "hub", repo, commit, path, sizeBytes });
    return {
      pull: request.pull,
      blob,
      sizeBytes,
      origin: isPublished ? "none" : "ranges",
      isPrivate: plan.isPrivate,
      hasAccess: plan.hasAccess,
      home: repo,
      peers: request.peers,
      fromOrigin: plan.mayAskOrigin && request.fromOrigin,
      originRequests: request.workers,
      order,
      headBytes: headBytesOf(path),
    };
  });
  const meter = new PullMeter(
    {
      files: missing.flatMap(({ blob, files }) => files.map(({ path, sizeBytes }) => ({ path, sizeBytes, blob }))),
      presentBytes: sizeOf(present),
      filesPresent: present.reduce((sum, { files }) => sum + files.length, 0),
    },
    (blob) => deps.wants.view(blob),
  );
  const neededBytes = requests.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const reservation = await deps.store.reserve(neededBytes - partialBytes);
  try {
    const { wants, store, nowMs } = deps;
    const patient = () => patientWants(wants, { nowMs, partialBytes: (blob) => store.partialBytes(blob) });
    await withProgress(meter, deps.nowMs, onEvent, () =>
      wantAll(
        plan.publication === undefined ? wants : patient(),
        requests,
        async (blob, sources) => {
          const files = filesOf.get(blob) as readonly RepoFile[];
          await place(files);
          meter.markDone(blob);
          for (const [i, { path, sizeBytes }] of files.entries()) {
            // A second file with the same content was fetched with the first.
            const source = i === 0 ? tally.addFetched(sizeBytes, sources) : "cache";
            if (i > 0) tally.addCached(sizeBytes);
            onEvent({ type: "file", path, bytes: sizeBytes, source });
          }
        },
        signal,
      ),
    );
  } finally {
    reservation.release();
  }
}

/** Links one file whose blob is in the cache, into the snapshot and wherever else the user wants it. @returns whether it was linked already */
async function placeRepoFile(
  { path, blob, sizeBytes }: RepoFile,
  to: {
    readonly plan: RepoPlan;
    readonly request: PullOptions;
    readonly store: PullStore;
    readonly signal: AbortSignal;
  },
): Promise<boolean> {
  const { store, signal, request } = to;
  const { repo, commit } = to.plan.manifest;
  const file = { commit, path, blob };
  const wasLinked = await store.isLinked({ ...file, repo });
  if (!wasLinked) await store.link({ ...file, repo }, { signal });
  if (request.out === undefined && request.localDir === undefined) return wasLinked;
  const { path: blobPath } = (await store.find(blob, { repo, sizeBytes })) ?? {};
  if (blobPath === undefined) throw vanished(path, repo);
  if (request.out !== undefined) await store.placeFile(blobPath, request.out, { signal });
  if (request.localDir !== undefined) {
    await store.placeInLocalDir({ ...file, blobPath, localDir: request.localDir }, { signal });
  }
  return wasLinked;
}

function vanished(path: string, repo: RepoRef): SwarmError {
  return new SwarmError("STORE_FAULT", `${path} of ${formatRepo(repo)} vanished from the cache`, {
    hint: "Something else cleans the cache at the same time; pull again.",
  });
}
