/**
 * A node that moves nothing: the ports of the local API over a few lines of memory. What a pull does is chosen by the name of its
 * target, so that a test reads as the case it makes.
 */
import type { Commands, RunningNode, Views } from "@swarmd/daemon";
import { type ErrorCode, isErrorCode, parseRate, SwarmError, VERSION } from "@swarmd/protocol";
import type {
  AddEvent,
  BackgroundJob,
  CachedRevision,
  DoneEvent,
  LocatedNode,
  ModelManifest,
  NodeLimits,
  PinInfo,
  PullEvent,
  PullRequest,
  RegisterRequest,
  VerifyEvent,
} from "@swarmd/protocol/api";

type OnEvent<Event> = (event: Event) => void;

const COMMIT = "0123456789abcdef0123456789abcdef01234567";

export const MEMORY_REVISION: CachedRevision = {
  repo: "org/small",
  commit: COMMIT,
  refs: ["main"],
  files: 2,
  bytes: 3_000_000,
  lastModified: "2026-01-02T03:04:05.000Z",
  lastAccessed: "2026-01-03T03:04:05.000Z",
  isPinned: false,
  path: "/memory/hub/models--org--small/snapshots/0123456789abcdef0123456789abcdef01234567",
};

const MEMORY_NODE_ID = "12D3KooWGRUaQj4UVm1bjCBMSJ6YaPfBSGJQbEMsEcQM1T3Zq8Q1";
const BLOB = `sha256:${"5a".repeat(32)}`;

export const MEMORY_MANIFEST: ModelManifest = {
  repo: "org/small",
  revision: "main",
  commit: COMMIT,
  publisher: null,
  size: 1000,
  files: [{ path: "model.safetensors", size: 1000, blob: BLOB }],
  blobs: [{ id: BLOB, size: 1000, shards: [{ id: `${BLOB}#0`, offset: 0, size: 1000 }] }],
  tensors: [{ name: "w", file: "model.safetensors", offset: 100, length: 900, dtype: "F16", shape: [450] }],
  heads: [{ file: "model.safetensors", format: "safetensors", source: "cache", tensors: 1 }],
};

const MEMORY_JOB: BackgroundJob = {
  id: 1,
  target: "org/small",
  list: null,
  between: null,
  state: "waiting",
  reason: "turn",
  until: null,
  error: null,
  doneBytes: 0,
  totalBytes: 0,
  bytesPerSecond: 0,
};

const NOBODY_LOOKED = {
  isSelf: false,
  isUp: false,
  commit: null,
  bytes: null,
  totalBytes: null,
  publisher: null,
  lastSeen: "2026-01-02T03:04:05.000Z",
};

/** How many events of each kind `org/flood` reports at once. */
export const FLOOD_EVENTS = 20_000;

export class MemoryNode implements RunningNode {
  /** Pulls that were aborted by their signal. */
  abortedPulls = 0;
  /** Calls on a pull that has begun. */
  onPullStarted: (target: string) => void = () => undefined;
  onPullAborted: () => void = () => undefined;

  readonly commands: Commands = {
    cluster: {
      status: async () => ({ mode: "open", self: "memory", members: [] }),
      create: async () => noCluster(),
      invite: async () => noCluster(),
      join: async () => noCluster(),
      leave: async () => noCluster(),
      rotate: async () => noCluster(),
      showKey: () => noCluster(),
    },
    pull: (request, onEvent, { signal }) => this.#pull(request, onEvent, signal),
    pullLater: async ({ pull, between = null }) => {
      const job = { ...MEMORY_JOB, id: this.#jobs.length + 1, target: pull.target, between };
      this.#jobs = [...this.#jobs, job];
      return job;
    },
    cancel: async ({ target }) => {
      const cancelled = this.#jobs.filter((job) => job.target === target || String(job.id) === target);
      if (cancelled.length === 0) throw new SwarmError("REPO_NOT_FOUND", `nothing goes by ${target}`);
      this.#jobs = this.#jobs.filter((job) => !cancelled.includes(job));
      return { cancelled };
    },
    prefetch: async ({ path, between = null }) => {
      const job = { ...MEMORY_JOB, list: path, between };
      this.#jobs = [...this.#jobs, job];
      return { jobs: [job], problems: [] };
    },
    stopPrefetch: async ({ path }) => {
      const jobs = this.#jobs.filter(({ list }) => list === path);
      this.#jobs = this.#jobs.filter((job) => !jobs.includes(job));
      return { jobs, problems: [] };
    },
    watch: async ({ jobs }, onEvent) => onEvent({ type: "finished", done: jobs.length, failed: 0, cancelled: 0 }),
    remove: async ({ target, dryRun }) => {
      if (target !== "org/small") throw new SwarmError("REPO_NOT_FOUND", `${target} is not in the cache`);
      if (dryRun !== true) this.#isRemoved = true;
      return { revisions: [MEMORY_REVISION], freedBytes: MEMORY_REVISION.bytes };
    },
    verify: async ({ target }, onEvent: OnEvent<VerifyEvent>) => {
      const bad = target === "org/damaged" ? 1 : 0;
      const repo = target ?? "org/small";
      onEvent({ type: "checked", path: "config.json", repo, bytes: 1000, ok: true });
      const problem = bad === 1 ? { ok: false, problem: "sha256 differs" } : { ok: true };
      onEvent({ type: "checked", path: "model.safetensors", repo, bytes: 2_999_000, ...problem });
      onEvent({ type: "verified", files: 2, bytes: 3_000_000, bad });
    },
    unban: ({ node }) => {
      if (node !== "bannedNode") throw new SwarmError("USAGE", `${node} is not banned`);
      return { banned: [] };
    },
    diff: async ({ from, to }) => ({ from, to, files: [], sameFiles: 2, moveBytes: 0, moveShards: 0 }),
    pin: async ({ target, copies = 1 }) => {
      this.#pins = [...this.#pins, { repo: target, copies }];
      return { pins: this.#pins };
    },
    unpin: async ({ target }) => {
      this.#pins = this.#pins.filter(({ repo }) => repo !== target);
      return { pins: this.#pins };
    },
    collect: async () => ({ evicted: [], freedBytes: 0 }),
    hold: async ({ target }, onEvent, { signal }) => {
      onEvent({ type: "held", target });
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    },
    add: async ({ path, as }, onEvent: OnEvent<AddEvent>) => {
      if (path === "/memory/empty") throw new SwarmError("USAGE", `${path} holds no file`);
      onEvent({ type: "file", path: "config.json", bytes: 1000, source: "cache" });
      const about = { repo: as, revision: "main", commit: COMMIT, files: 1, bytes: 1000 };
      onEvent({ type: "added", ...about, path: "/memory/hub/x", publisher: MEMORY_NODE_ID, isSame: false });
    },
    register: (request) => {
      this.#registered.push(request);
      return request;
    },
    limit: (request) => {
      const rates = Object.entries(request).map(([name, text]) => [name, parseRate(text) ?? null]);
      this.#limits = { ...this.#limits, ...Object.fromEntries(rates) };
      return this.#limits;
    },
  };

  #jobs: readonly BackgroundJob[] = [];
  #pins: readonly PinInfo[] = [];
  readonly #registered: RegisterRequest[] = [];
  #limits: NodeLimits = { maxUpload: null, maxDownload: null, maxOrigin: null };

  readonly views: Views = {
    pins: () => ({ pins: this.#pins }),
    manifest: async ({ target }) => {
      if (target !== "org/small") throw new SwarmError("REPO_NOT_FOUND", `${target} was not found`);
      return MEMORY_MANIFEST;
    },
    locate: async ({ target }) => ({
      model: target,
      nodes: this.#registered.flatMap(({ node, model }): LocatedNode[] =>
        model === target ? [{ ...NOBODY_LOOKED, node, has: "said" }] : [],
      ),
    }),
    list: async () => ({
      cacheDir: "/memory/hub",
      repos: this.#isRemoved ? [] : [{ ...MEMORY_REVISION, revisions: 1 }],
      revisions: this.#isRemoved ? [] : [MEMORY_REVISION],
      partial: [{ repo: "org/slow", blob: "sha256:00", bytes: 10, sizeBytes: 100 }],
      totalBytes: this.#isRemoved ? 0 : MEMORY_REVISION.bytes,
    }),
    status: async () => ({
      version: VERSION,
      pid: process.pid,
      startedAt: "2026-01-02T03:04:05.000Z",
      cacheDir: "/memory/hub",
      stateDir: "/memory/state",
      endpoint: "https://hub.invalid",
      workers: 10,
      rssBytes: 1,
      self: null,
      freeBytes: 1,
      pulls: [],
      gateway: null,
      peers: [],
      banned: [],
      bytesFromOrigin: 0,
      bytesFromPeers: 0,
      bytesFromCache: 0,
      background: {
        jobs: this.#jobs,
        lists: [],
        originToday: { day: "2026-01-02", backgroundBytes: 0, foregroundBytes: 0, budgetBytes: null },
      },
      cacheDecisions: [],
    }),
  };

  #isRemoved = false;

  async stop(): Promise<void> {}

  async #pull(request: PullRequest, onEvent: OnEvent<PullEvent>, signal: AbortSignal): Promise<void> {
    this.onPullStarted(request.target);
    const [, kind = ""] = request.target.split("/");
    // `org/fails-REPO_NOT_FOUND`
    const code = kind.replace(/^fails-/, "");
    if (isErrorCode(code)) throw failure(code);
    onEvent({
      type: "start",
      repo: request.target,
      revision: request.revision ?? "main",
      commit: COMMIT,
      files: 2,
      bytes: 3_000_000,
      bytesPresent: 0,
    });
    if (kind === "endless") await this.#untilAborted(onEvent, signal);
    if (kind === "flood") {
      for (let index = 0; index < FLOOD_EVENTS; index += 1) {
        onEvent(progressEvent(index));
        onEvent({ type: "file", path: `file-${index}`, bytes: 1, source: "origin" });
      }
    } else {
      onEvent(progressEvent(1_500_000));
      onEvent({ type: "file", path: "config.json", bytes: 1000, source: "origin" });
      onEvent({ type: "file", path: "model.safetensors", bytes: 2_999_000, source: "origin" });
    }
    onEvent(doneEvent(request));
  }

  async #untilAborted(onEvent: OnEvent<PullEvent>, signal: AbortSignal): Promise<never> {
    onEvent(progressEvent(1_500_000));
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
    this.abortedPulls += 1;
    this.onPullAborted();
    throw signal.reason;
  }
}

/** It has no peers. */
function noCluster(): never {
  throw new SwarmError("USAGE", "this node is in no cluster");
}

function failure(code: ErrorCode): SwarmError {
  return new SwarmError(code, `the memory node fails with ${code}`, { hint: "Ask for something else." });
}

function progressEvent(bytes: number): PullEvent {
  return {
    type: "progress",
    bytes,
    totalBytes: 3_000_000,
    bytesPerSecond: 1_000_000,
    etaMs: 1500,
    filesDone: 0,
    filesTotal: 2,
    files: [
      { path: "config.json", sizeBytes: 1000, doneBytes: 1000, state: "checking" },
      { path: "model.safetensors", sizeBytes: 2_999_000, doneBytes: bytes, state: "fetching" },
    ],
  };
}

function doneEvent(request: PullRequest): DoneEvent {
  return {
    type: "done",
    repo: request.target,
    revision: request.revision ?? "main",
    commit: COMMIT,
    path: request.out ?? request.localDir ?? MEMORY_REVISION.path,
    files: 2,
    bytes: 3_000_000,
    bytesFromOrigin: request.dryRun === true ? 0 : 3_000_000,
    bytesFromPeers: 0,
    bytesFromCache: 0,
    elapsedMs: 1234,
    sources: [],
    ...(request.dryRun === true ? { dryRun: true } : {}),
  };
}
