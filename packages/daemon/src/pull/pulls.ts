/**
 * pull: one order of a person, from a name to files that can be opened.
 *
 * In: a pull request. Out: links, refs and placed files in the store; wants to the engine; events to whoever watches.
 * Never: decides where a byte comes from, or touches one.
 */
import { parseNodeId, parseRepoSpec, parseRevision, type RepoRef, type Revision, SwarmError } from "@swarmd/protocol";
import type { DiffRequest, DiffResult, DoneEvent, PullEvent, PullRequest, PullStatus } from "@swarmd/protocol/api";
import { diffRevisions } from "./diff.js";
import type { BlobSources, BlobWants, FileOrigin } from "./ports.js";
import { type PullDeps, type PullOptions, pullRepo } from "./repo-pull.js";
import { pullUrl } from "./url-pull.js";

export interface PullsOptions {
  /** Most origin requests at a time, for the whole node. */
  readonly workers: number;
  /** The whole node goes without peers, or without the origin. */
  readonly noPeer: boolean;
  readonly offline: boolean;
}

export interface PullsDeps extends PullDeps {
  readonly files: FileOrigin;
}

/** How a pull is run that nobody waits for. */
export interface PullManner {
  /** `false`: bytes from peers or not at all; what the origin knows is asked all the same. Default `true`. */
  readonly fromOrigin?: boolean;
  /** Instead of those of the node. */
  readonly wants?: BlobWants;
  readonly isBackground?: boolean;
}

/** Bytes of all pulls that ended well since the node started. */
export interface PullTotals {
  bytesFromOrigin: number;
  bytesFromPeers: number;
  bytesFromCache: number;
}

export class Pulls {
  readonly #options: PullsOptions;
  readonly #deps: PullsDeps;
  readonly #active = new Map<number, PullStatus>();
  readonly totals: PullTotals = { bytesFromOrigin: 0, bytesFromPeers: 0, bytesFromCache: 0 };
  #lastId = 0;

  constructor(options: PullsOptions, deps: PullsDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  get active(): readonly PullStatus[] {
    return [...this.#active.values()];
  }

  /** A number that no other pull of this node has. */
  newId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  /** Counts a file that was fetched for a reader, not for a pull. */
  count({ fromOriginBytes, fromPeers }: BlobSources): void {
    this.totals.bytesFromOrigin += fromOriginBytes;
    this.totals.bytesFromPeers += fromPeers.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Runs one pull to its end; the last event is `done`. @throws SwarmError */
  async run(
    request: PullRequest,
    onEvent: (event: PullEvent) => void,
    signal: AbortSignal,
    manner: PullManner = {},
  ): Promise<void> {
    const id = this.newId();
    const status = { id, target: request.target, doneBytes: 0, totalBytes: 0, bytesPerSecond: 0 };
    this.#active.set(id, manner.isBackground === true ? { ...status, isBackground: true } : status);
    const watch = (event: PullEvent) => {
      this.#noteProgress(id, event);
      onEvent(event);
    };
    try {
      const done = await this.#pull(id, request, { onEvent: watch, signal, manner });
      this.totals.bytesFromOrigin += done.bytesFromOrigin;
      this.totals.bytesFromPeers += done.bytesFromPeers;
      this.totals.bytesFromCache += done.bytesFromCache;
      onEvent(done);
    } finally {
      this.#active.delete(id);
    }
  }

  /** What changed between two revisions, and what a pull of the second would move. @throws SwarmError as a pull's plan does */
  diff(request: DiffRequest, signal: AbortSignal): Promise<DiffResult> {
    const offline = this.#options.offline || request.offline === true;
    return diffRevisions(request, { ...this.#deps, offline, peers: !this.#options.noPeer }, signal);
  }

  #pull(
    pull: number,
    request: PullRequest,
    run: {
      readonly onEvent: (event: PullEvent) => void;
      readonly signal: AbortSignal;
      readonly manner: PullManner;
    },
  ): Promise<DoneEvent> {
    const { onEvent, signal, manner } = run;
    const deps = { ...this.#deps, wants: manner.wants ?? this.#deps.wants };
    const options: PullOptions = {
      pull,
      workers: this.#workersFor(request, onEvent),
      peers: !(this.#options.noPeer || request.noPeer === true),
      offline: this.#options.offline || request.offline === true,
      fromOrigin: manner.fromOrigin ?? true,
      dryRun: request.dryRun === true,
      out: request.out,
      localDir: request.localDir,
    };
    if (/^https?:\/\//i.test(request.target)) {
      refuseRepoOptions(request);
      return pullUrl({ ...options, url: request.target }, deps, onEvent, signal);
    }
    const { repo, revision } = parseTarget(request);
    const { include = [], exclude = [] } = request;
    const from = request.from === undefined ? undefined : parseNodeId(request.from);
    return pullRepo({ ...options, repo, revision, include, exclude, from }, deps, onEvent, signal);
  }

  #workersFor({ workers }: PullRequest, onEvent: (event: PullEvent) => void): number {
    if (workers === undefined) return this.#options.workers;
    if (workers > this.#options.workers) {
      const message = `this node makes at most ${this.#options.workers} requests at a time (swarmd start --workers)`;
      onEvent({ type: "warning", message });
    }
    return Math.min(workers, this.#options.workers);
  }

  #noteProgress(id: number, event: PullEvent): void {
    const status = this.#active.get(id);
    if (status === undefined) return;
    if (event.type === "start") {
      this.#active.set(id, { ...status, doneBytes: event.bytesPresent, totalBytes: event.bytes });
    } else if (event.type === "progress") {
      const { bytes, totalBytes, bytesPerSecond } = event;
      this.#active.set(id, { ...status, doneBytes: bytes, totalBytes, bytesPerSecond });
    }
  }
}

function parseTarget({ target, revision }: PullRequest): { readonly repo: RepoRef; readonly revision: Revision } {
  const spec = parseRepoSpec(target);
  const asked = revision === undefined ? undefined : parseRevision(revision);
  if (spec.revision !== undefined && asked !== undefined && spec.revision !== asked) {
    throw new SwarmError("USAGE", `two revisions: ${spec.revision} behind the @, ${asked} in --revision`, {
      hint: "Give one of them.",
    });
  }
  return { repo: spec.repo, revision: asked ?? spec.revision ?? parseRevision("main") };
}

function refuseRepoOptions(request: PullRequest): void {
  const given = (["revision", "localDir", "include", "exclude", "from"] as const).find(
    (name) => request[name] !== undefined,
  );
  if (given === undefined) return;
  const flag = given === "localDir" ? "--local-dir" : `--${given}`;
  throw new SwarmError("USAGE", `${flag} is for repos, and a URL is one file`, { hint: "Use --out FILE." });
}
