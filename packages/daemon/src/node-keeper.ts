/** The keeper room of a node, joined to the rest of it: the store's files, the neighbours' promises, people's pins. */
import { statfs } from "node:fs/promises";
import { performance } from "node:perf_hooks";
import { type BlobId, formatRepo, parseCommitId, parseRepoSpec, type RepoRef, SwarmError } from "@swarmd/protocol";
import type { CacheListing, HoldEvent, HoldRequest, PinRequest, PinResult, UnpinRequest } from "@swarmd/protocol/api";
import type { NodeConfig } from "./config.js";
import { Keeper } from "./keeper/keeper.js";
import type { Neighbours } from "./keeper/ports.js";
import { Replicas } from "./keeper/replicas.js";
import { UseClock } from "./keeper/use-clock.js";
import type { EventLog } from "./observe/events.js";
import type { Logger } from "./observe/logger.js";
import type { BlobStore } from "./store/blob-store.js";
import type { CacheBook } from "./store/cache-book.js";
import { repoPath } from "./store/cache-layout.js";
import { evictOrphan, evictRevision } from "./store/eviction.js";
import { Pins } from "./store/pins.js";
import { RepoScans } from "./store/repo-scans.js";
import { scanRepo } from "./store/scan-repo.js";
import { isStartupFile } from "./store/startup-files.js";

export interface NodeKeeperDeps {
  readonly store: BlobStore;
  readonly book: CacheBook;
  readonly events: EventLog;
  readonly logger: Logger;
  /** Absent on a node that goes without peers, and before it has started. */
  readonly neighbours: () => Neighbours | undefined;
  /** As `org/name@commit`: what this node's owner published. */
  readonly published: () => Promise<ReadonlySet<string>>;
  /** Something of this repo left the cache. */
  readonly onEvicted: (repo: RepoRef) => void;
  /** Whether peers may know that this node has something to do with a blob. */
  readonly mayTellOf: (blob: BlobId) => boolean;
}

export interface NodeKeeper {
  readonly keeper: Keeper;
  readonly pins: Pins;
  readonly replicas: Replicas;
  stop(): Promise<void>;
}

/** Reads what is remembered of the cache. */
export async function openKeeper(config: NodeConfig, deps: NodeKeeperDeps): Promise<NodeKeeper> {
  const { store, book, events, logger, neighbours, mayTellOf, published, onEvicted } = deps;
  const pins = new Pins(config.stateDir);
  await pins.load();
  const scans = new RepoScans(store.cacheDir);
  const keeper = new Keeper(config.cache, {
    store: {
      repos: (options) => scans.all(options),
      touch: (repo) => scans.touch(repo),
      disk: () => measureDisk(store.cacheDir),
      marginBytes: store.marginBytes,
      isInUse: (blob) => store.isInUse(blob),
      isStartupFile,
      lastReadMs: async (repo, commit, { signal }) => {
        const { revisions } = await scanRepo(repoPath(store.cacheDir, repo), repo, signal);
        const files = revisions.find((revision) => revision.commit === commit)?.files ?? [];
        return Math.max(0, ...files.map(({ atimeMs }) => atimeMs));
      },
      evict: (order, options) =>
        evictRevision(store, order, options).finally(() => {
          scans.touch(order.repo);
          onEvicted(order.repo);
        }),
      evictOrphan: (repo, orphan, options) =>
        evictOrphan(store, repo, orphan, options).finally(() => scans.touch(repo)),
    },
    book,
    pins,
    published,
    neighbours,
    mayTellOf,
    clock: new UseClock({
      wallMs: Date.now(),
      newestUseMs: book.newestUseMs,
      monotonicMs: () => performance.now(),
    }),
    wallMs: () => Date.now(),
    events,
    logger,
  });
  keeper.start();
  const find: Keeper["findPinned"] = (pin, options) => keeper.findPinned(pin, options);
  const replicas = new Replicas({ pins, neighbours, find, logger });
  replicas.start();
  return {
    keeper,
    pins,
    replicas,
    stop: async () => {
      await replicas.stop();
      await keeper.stop();
      await book.stop();
    },
  };
}

/** What people order of the keeper. */
export function keeperCommands({ keeper, pins, replicas }: NodeKeeper) {
  return {
    pin: async ({ target, copies = 1 }: PinRequest): Promise<PinResult> => {
      const { repo, revision } = parseRepoSpec(target);
      await pins.add({ repo: formatRepo(repo), ...(revision === undefined ? {} : { revision }), copies });
      replicas.lookSoon();
      return { pins: pins.pins };
    },
    unpin: async ({ target }: UnpinRequest): Promise<PinResult> => {
      const { repo, revision } = parseRepoSpec(target);
      const name = formatRepo(repo);
      if (await pins.remove({ repo: name, ...(revision === undefined ? {} : { revision }) }))
        return { pins: pins.pins };
      const others = pins.pins.filter((pin) => pin.repo === name).map((pin) => `${pin.repo}@${pin.revision ?? ""}`);
      throw new SwarmError("REPO_NOT_FOUND", `${target} is not pinned`, {
        hint:
          others.length > 0
            ? `Pinned are: ${others.join(", ").replaceAll(/@(?=,|$)/g, "")}.`
            : "swarm ls shows what is.",
      });
    },
    hold: async ({ target }: HoldRequest, onEvent: (event: HoldEvent) => void, { signal }: { signal: AbortSignal }) => {
      const release = keeper.lease(parseRepoSpec(target).repo);
      try {
        onEvent({ type: "held", target });
        await new Promise<void>((resolve) => {
          if (signal.aborted) resolve();
          signal.addEventListener("abort", () => resolve(), { once: true });
        });
        throw signal.reason;
      } finally {
        release();
      }
    },
  };
}

/** What the store lists, with what the keeper knows. */
export function annotate(listing: CacheListing, keeper: Keeper): CacheListing {
  const revisions = listing.revisions.map((revision) => {
    const { repo } = parseRepoSpec(revision.repo);
    const { usedMs = 0, isPinned } = keeper.describe(repo, parseCommitId(revision.commit), revision.refs);
    const accessedMs = Math.max(usedMs, Date.parse(revision.lastAccessed));
    return { ...revision, lastAccessed: new Date(accessedMs).toISOString(), isPinned };
  });
  const repos = listing.repos.map((one) => {
    const own = revisions.filter(({ repo }) => repo === one.repo);
    const accessed = own.map(({ lastAccessed }) => lastAccessed).sort();
    const isPinned = own.some((revision) => revision.isPinned);
    return { ...one, lastAccessed: accessed.at(-1) ?? one.lastAccessed, isPinned };
  });
  return { ...listing, repos, revisions };
}

/** The counters as a list. */
export function keeperCounts({ counters }: Keeper) {
  return [...counters].map(([key, count]) => {
    const [policy = "", action = ""] = key.split(" ");
    return { policy, action, count };
  });
}

async function measureDisk(folder: string): Promise<{ readonly freeBytes: number; readonly totalBytes: number }> {
  const { bavail, blocks, bsize } = await statfs(folder);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}
