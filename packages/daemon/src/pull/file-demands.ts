/**
 * Single files that readers ask for while they wait: each is wanted once, however many readers there are, and goes on for a while
 * after the last of them has left, since most come back.
 */
import { type BlobId, type CommitId, digestOf, type RepoFile, type RepoRef, type Revision } from "@swarmd/protocol";
import type { Anchors, BlobSources, BlobWants, CacheKeeper, Locator, Locators, PullStore } from "./ports.js";
import { headBytesOf } from "./repo-plan.js";

export interface FileDemandsOptions {
  /** Most origin requests at a time, for the whole node. */
  readonly workers: number;
  readonly noPeer: boolean;
  readonly offline: boolean;
  /** How long a fetch goes on that nobody reads any more. Default 60 s. */
  readonly lingerMs?: number;
}

export interface FileDemandsDeps {
  readonly store: PullStore;
  readonly locators: Locators;
  readonly anchors: Anchors;
  readonly wants: BlobWants;
  readonly keeper: CacheKeeper;
  /** A number that no other pull of this node has. */
  readonly newPull: () => number;
  /** Somebody waits from now on, until the returned function is called. */
  readonly onWait?: () => () => void;
  /** A file is here; nobody sent what was there before. */
  readonly onFetched: (sources: BlobSources) => void;
}

export interface DemandedFile {
  readonly repo: RepoRef;
  readonly commit: CommitId;
  /** As the reader asked; a name is noted as a ref when the file is there. */
  readonly revision: Revision;
  readonly file: RepoFile;
  /** Private or gated: not for everybody. */
  readonly isPrivate: boolean;
  /** No origin has it. */
  readonly isOwn: boolean;
  /** Whose access it is, where the node's own token may not do. Forgotten when the fetch ends. */
  readonly token: string | undefined;
}

/** One reader's hold on a fetch. */
export interface Demand {
  /** Resolves once the file is verified and in the snapshot. @throws SwarmError why it will not be */
  readonly done: Promise<void>;
  /** The reader has gone, or has all it wants. */
  release(): void;
}

interface Running {
  readonly done: Promise<void>;
  readers: number;
  linger: NodeJS.Timeout | undefined;
  readonly stop: () => void;
}

/** Clients wait some seconds before they try again, and a person a little longer. */
const LINGER_MS = 60_000;

export class FileDemands {
  readonly name = "file-demands";
  readonly #options: FileDemandsOptions;
  readonly #deps: FileDemandsDeps;
  readonly #running = new Map<string, Running>();

  constructor(options: FileDemandsOptions, deps: FileDemandsDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Begins to fetch a file that the cache lacks, or joins those who wait for it. */
  take(wanted: DemandedFile): Demand {
    const { repo, commit, file } = wanted;
    const key = `${repo.type} ${repo.name} ${commit} ${file.path}`;
    // Before it begins, so that what nobody waits for makes way for it.
    const leave = this.#deps.onWait?.();
    const running = this.#running.get(key) ?? this.#start(key, wanted);
    if (leave !== undefined) running.done.then(leave, leave);
    running.readers += 1;
    clearTimeout(running.linger);
    let isReleased = false;
    return {
      done: running.done,
      release: () => {
        if (isReleased) return;
        isReleased = true;
        leave?.();
        running.readers -= 1;
        if (running.readers > 0) return;
        running.linger = setTimeout(running.stop, this.#options.lingerMs ?? LINGER_MS);
        running.linger.unref();
      },
    };
  }

  /** Ends what nobody reads, and what is still read. */
  stop(): void {
    for (const { linger, stop } of this.#running.values()) {
      clearTimeout(linger);
      stop();
    }
  }

  #start(key: string, wanted: DemandedFile): Running {
    const pull = this.#deps.newPull();
    const { blob } = wanted.file;
    const done = this.#fetch(pull, wanted).finally(() => {
      clearTimeout(running.linger);
      this.#running.delete(key);
    });
    // Somebody may have left before it failed.
    done.catch(() => undefined);
    const running: Running = { done, readers: 0, linger: undefined, stop: () => this.#deps.wants.unwant(pull, blob) };
    this.#running.set(key, running);
    return running;
  }

  /** Makes room first, as a pull does. @throws SwarmError CACHE_FULL */
  async #fetch(pull: number, wanted: DemandedFile): Promise<void> {
    const { keeper } = this.#deps;
    const { repo, commit, file } = wanted;
    const stay = await keeper.hold({ repo, commit, blobs: new Map([[file.blob, file.sizeBytes]]) });
    try {
      await stay.makeRoom({ signal: NEVER });
      await this.#fetchHeld(pull, wanted);
      keeper.noteUse(repo, commit);
    } finally {
      stay.release();
    }
  }

  async #fetchHeld(pull: number, wanted: DemandedFile): Promise<void> {
    const { store, locators, wants } = this.#deps;
    const { repo, commit, revision, file, isPrivate, isOwn, token } = wanted;
    const { blob, path, sizeBytes } = file;
    await store.checkFileNames([path]);
    const reservation = await store.reserve(sizeBytes - store.partialBytes(blob));
    const locator: Locator = {
      kind: "hub",
      repo,
      commit,
      path,
      sizeBytes,
      ...(token === undefined ? {} : { token }),
    };
    if (!isOwn) locators.register(blob, locator);
    this.#deps.anchors.note(blob, sizeBytes, file.xetHash);
    try {
      const sources = await wants.want({
        pull,
        blob,
        sizeBytes,
        origin: isOwn ? "none" : "ranges",
        isPrivate,
        // The Hub was asked with the caller's token; what a cluster may share goes by that of the node.
        hasAccess: token === undefined,
        home: repo,
        peers: !this.#options.noPeer,
        fromOrigin: !isOwn && !this.#options.offline,
        originRequests: this.#options.workers,
        order: orderOf(blob),
        headBytes: headBytesOf(path),
      });
      this.#deps.onFetched(sources);
      await store.link({ repo, commit, path, blob }, { signal: NEVER });
      await store.writeRef(repo, revision, commit);
    } finally {
      reservation.release();
      if (token !== undefined) locators.unregister(blob, locator);
    }
  }
}

/** All nodes whose readers want the same files at the same time take them in the same order, so that each finds another at what it waits for. */
function orderOf(blob: BlobId): number {
  return Number.parseInt(digestOf(blob)?.hex.slice(0, 6) ?? "0", 16);
}

/** Linking takes no time worth stopping. */
const NEVER = new AbortController().signal;
