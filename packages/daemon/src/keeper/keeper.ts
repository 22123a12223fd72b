/** Keeps the cache within its bounds; see `ports.ts` for the room. */
import { setTimeout as delay } from "node:timers/promises";
import { type BlobId, type CommitId, formatRepo, type NodeId, type RepoRef } from "@swarmd/protocol";
import type { CacheIndex } from "../core/policy/eviction/cache-index.js";
import type { Admission, Victim } from "../core/policy/eviction/cache-state.js";
import { type EvictionPlan, planEviction } from "../core/policy/eviction/plan-eviction.js";
import { POLICIES } from "../core/policy/eviction/policies.js";
import { cacheFull, withDefault } from "./bounds.js";
import { DecisionLog } from "./decision-log.js";
import { Evictor } from "./evictor.js";
import { guessRoom, type RoomGuess } from "./guess-room.js";
import type { Inventory } from "./inventory.js";
import { type Held, Leases } from "./leases.js";
import type { KeeperDeps, KeeperOptions, PinBook } from "./ports.js";
import { Survey } from "./survey.js";

/** What a pull is about: all its blobs with their sizes, in the cache or not. */
export interface Visit {
  readonly repo: RepoRef;
  readonly commit: CommitId;
  readonly blobs: ReadonlyMap<BlobId, number>;
}

/** Nothing that a pull needs goes until it is released. */
export interface Stay {
  /** Makes room for what the cache lacks of it. @throws SwarmError CACHE_FULL when it does not fit; INTERRUPTED */
  makeRoom(options: { readonly signal: AbortSignal }): Promise<void>;
  /** May be called twice. */
  release(): void;
}

/** One look at the bounds: what went, or would go. */
export interface Collected {
  readonly evicted: readonly {
    readonly id: string;
    readonly bytes: number;
    readonly why: string;
    readonly isLastCopy: boolean;
  }[];
  readonly freedBytes: number;
}

const UPKEEP_MS = 60_000;
const SOONEST_UPKEEP_MS = 250;
/** Victims that turn out to have been used, or nowhere else, are replaced by others so many times. */
const MOST_ROUNDS = 8;
/** So long a pull waits for readers of what could go for it. */
const PATIENCE_MS = 10_000;
const LOOK_AGAIN_MS = 500;
/** So long the first pull of all waits until the cache is known; then it goes ahead, and room is made behind it. */
const FIRST_LOOK_MS = 1_000;
/** A download of another tool is a blob without a link for a moment. */
const ORPHAN_MS = 3_600_000;

export class Keeper {
  readonly name = "keeper";
  readonly leases = new Leases();
  readonly #options: KeeperOptions;
  readonly #deps: KeeperDeps;
  readonly #stopped = new AbortController();
  readonly #log: DecisionLog;
  readonly #evictor: Evictor;
  readonly #survey: Survey;
  /** Where there are bounds to keep: settles when the cache is known. */
  #firstLook: Promise<void> = Promise.resolve();
  /** One decision at a time. */
  #turn: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: KeeperOptions, deps: KeeperDeps) {
    this.#options = options;
    this.#deps = deps;
    const { leases } = this;
    this.#log = new DecisionLog(options, deps);
    this.#evictor = new Evictor(options, { ...deps, leases });
    const copiesElsewhere = (blob: BlobId) => this.#evictor.copiesElsewhere(blob);
    this.#survey = new Survey(options, { ...deps, leases, copiesElsewhere });
  }

  start(): void {
    const { bounds, policy, upkeepMs } = this.#options;
    // The first decision finds the cache known, or knows from an earlier run that there is room.
    if (bounds.maxBytes !== undefined || bounds.maxModels !== undefined) {
      const look = this.#survey.look(new Set(), this.#stopped);
      this.#firstLook = look.then(
        () => undefined,
        (error: unknown) => this.#evictor.warn(error),
      );
    }
    const { expires, makesRoom } = POLICIES[policy];
    const isBounded =
      bounds.maxBytes !== undefined || bounds.maxModels !== undefined || bounds.minFreeBytes !== undefined;
    if (!(expires && bounds.ttlMs !== undefined) && !(makesRoom && isBounded)) return;
    const ownMs = Math.min(UPKEEP_MS, (bounds.ttlMs ?? Number.POSITIVE_INFINITY) / 4);
    const everyMs = Math.max(SOONEST_UPKEEP_MS, upkeepMs ?? ownMs);
    const again = () => {
      this.#timer = setTimeout(() => {
        void this.collect({ dryRun: false, signal: this.#stopped.signal })
          .catch((error: unknown) => this.#evictor.warn(error))
          .then(() => this.#stopped.signal.aborted || again());
      }, everyMs).unref();
    };
    again();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    clearTimeout(this.#timer);
    await Promise.allSettled([this.#turn, this.#evictor.whenIdle()]);
  }

  /** How many decisions of each kind there were: `policy action` to count. */
  get counters(): ReadonlyMap<string, number> {
    return this.#log.counters;
  }

  /** Waits for a removal under way: what is found in the cache afterwards stays. */
  async hold({ repo, commit, blobs }: Visit): Promise<Stay> {
    const held = this.leases.take({ kind: "pull", repo, commit, blobs });
    const { store } = this.#deps;
    store.touch(repo);
    await this.#evictor.whenIdle();
    return {
      makeRoom: ({ signal }) => this.#untilRoom(held, AbortSignal.any([signal, this.#stopped.signal])),
      release: () => {
        this.leases.release(held);
        store.touch(repo);
      },
    };
  }

  /** A command runs that uses a model. @returns ends it */
  lease(repo: RepoRef): () => void {
    const held = this.leases.take({ kind: "lease", repo, commit: undefined, blobs: new Map() });
    return () => this.leases.release(held);
  }

  /** Somebody uses a revision: through `swarm`, or through the gateway. */
  noteUse(repo: RepoRef, commit: CommitId): void {
    this.#deps.book.noteUse(repo, commit, this.#deps.clock.nowMs());
  }

  /** A pull found everything in the cache. */
  noteServed(repo: RepoRef, commit: CommitId, action: "hit" | "link"): void {
    const startedMs = performance.now();
    this.noteUse(repo, commit);
    this.#log.tell({ action, model: `${formatRepo(repo)}@${commit}`, decisionMs: performance.now() - startedMs });
  }

  /**
   * Evicts what has expired or is too much, and removes what nothing leads to.
   *
   * @param isFresh looks at every file anew
   * @throws SwarmError INTERRUPTED, STORE_FAULT
   */
  collect({
    dryRun,
    isFresh = false,
    signal,
  }: {
    readonly dryRun: boolean;
    readonly isFresh?: boolean;
    readonly signal: AbortSignal;
  }): Promise<Collected> {
    const look = { isFresh, signal: AbortSignal.any([signal, this.#stopped.signal]) };
    return this.#inTurn(() => this.#collect(dryRun, look));
  }

  /** A neighbour is about to drop these and relies on us. @returns those that we keep */
  keepFor(peer: NodeId, blobs: readonly BlobId[], holds: (blob: BlobId) => boolean): readonly BlobId[] {
    return this.#evictor.keepFor(peer, blobs, holds);
  }

  /** Whether all of a revision is here, and what else would fit without evicting anything. @throws SwarmError INTERRUPTED */
  async roomFor(
    repo: RepoRef,
    commit: CommitId,
    { signal, sizeBytes }: { readonly signal: AbortSignal; readonly sizeBytes: number },
  ): Promise<{ readonly isHere: boolean; readonly roomBytes: number }> {
    const { state, entries } = await this.#survey.look(new Set(), { signal });
    const pulling = this.leases.find(repo, commit) === "pull";
    const known = entries.get(`${formatRepo(repo)}@${commit}`);
    const isHere = known !== undefined && known.sizeBytes >= sizeBytes && !pulling;
    const {
      maxBytes = Number.MAX_SAFE_INTEGER,
      minFreeBytes = 0,
      maxModels,
    } = withDefault(this.#options.bounds, state);
    const usedBytes = state.blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const isCountFull = maxModels !== undefined && new Set(state.revisions.map(({ model }) => model)).size >= maxModels;
    const roomBytes = Math.min(maxBytes - usedBytes, state.disk.freeBytes - minFreeBytes);
    return { isHere, roomBytes: isCountFull ? 0 : Math.max(0, Math.floor(roomBytes)) };
  }

  /** Another node counts on our copy for so long. */
  holdCopy(repo: RepoRef, commit: CommitId, leaseMs: number): void {
    this.#survey.holdCopy(repo, commit, leaseMs);
  }

  /** The revisions that a pin means, as far as all of them is here and peers may know it. @throws SwarmError INTERRUPTED */
  async findPinned(
    pin: PinBook["pins"][number],
    { signal }: { readonly signal: AbortSignal },
  ): Promise<readonly { readonly repo: RepoRef; readonly commit: CommitId; readonly sizeBytes: number }[]> {
    const { entries, state } = await this.#survey.look(new Set(), { signal });
    const pinned = state.revisions.filter(({ isPinned, model }) => isPinned && model === pin.repo);
    return pinned.flatMap(({ id }) => {
      const entry = entries.get(id);
      if (entry === undefined || this.leases.find(entry.repo, entry.commit) === "pull") return [];
      return entry.blobs.every((blob) => this.#deps.mayTellOf(blob)) ? [entry] : [];
    });
  }

  /** What the keeper knows of a revision that is listed: when it was last used through this node, and whether it is pinned. */
  describe(
    repo: RepoRef,
    commit: CommitId,
    refs: readonly string[],
  ): { readonly usedMs: number | undefined; readonly isPinned: boolean } {
    const { book } = this.#deps;
    return {
      usedMs: book.lastUseMs(repo, commit),
      isPinned: this.#survey.isPinned(repo, commit, refs, refs.length === 0),
    };
  }

  /** Others get their turn when all has gone that is to go; the pull itself goes on as soon as it fits. */
  #untilRoom(held: Held, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#inTurn(() => this.#makeRoom(held, signal, resolve)).then(resolve, reject);
    });
  }

  async #makeRoom(held: Held, signal: AbortSignal, onRoom: () => void): Promise<void> {
    const room = await this.#guessRoom(signal);
    if (room === "unknown") return this.#evictFor(held, "pull", signal, onRoom);
    held.isAdmitted = true;
    const { known } = this.#survey;
    this.#log.tell({
      action: "pull",
      model: idOf(held),
      decisionMs: 0,
      ...(known === undefined ? {} : { inventory: known }),
    });
    if (room === "likely") this.#evictBehind(held);
  }

  /** Evicts until it fits, tells so, and goes on to the low watermark. @throws SwarmError CACHE_FULL, INTERRUPTED */
  async #evictFor(held: Held, action: "pull" | "upkeep", signal: AbortSignal, onRoom: () => void): Promise<void> {
    const model = idOf(held);
    const evicted: Victim[] = [];
    const stuck = new Set<string>();
    const patientUntilMs = performance.now() + PATIENCE_MS;
    let decisionMs = 0;
    for (let round = 1; ; round += 1) {
      // What was read meanwhile by others may be most of it: one look finds all of that.
      const inventory = await this.#survey.look(stuck, { signal, isFresh: round > 1 });
      const startedMs = performance.now();
      const newcomer = this.#toAdmission(held, inventory);
      const plan = this.#plan(inventory.cache, newcomer);
      decisionMs += performance.now() - startedMs;
      if (plan.kind === "full" && performance.now() < patientUntilMs && this.#mayEnd(inventory, stuck)) {
        stuck.clear();
        await delay(LOOK_AGAIN_MS, undefined, { signal });
        round -= 1;
        continue;
      }
      if (plan.kind === "full" || (plan.victims.length > 0 && round > MOST_ROUNDS)) {
        if (action === "pull") this.#log.tell({ action: "reject", model, decisionMs, evicted, inventory });
        throw cacheFull(model, newcomer.neededBytes, this.#options, plan);
      }
      const urgent = plan.victims.slice(0, plan.urgent);
      const gone = await this.#evictor.evictAll(urgent, { inventory }, stuck, signal);
      evicted.push(...gone);
      if (gone.length < urgent.length) continue;
      held.isAdmitted = true;
      if (action === "pull" || evicted.length > 0) this.#log.tell({ action, model, decisionMs, evicted, inventory });
      onRoom();
      await this.#evictRest(plan.victims.slice(plan.urgent), { inventory, before: gone }, stuck);
      return;
    }
  }

  /** Whether something stays only because somebody reads it just now: often the very node that takes a copy before it may go. */
  #mayEnd({ state }: Inventory, stuck: ReadonlySet<string>): boolean {
    if (!POLICIES[this.#options.policy].makesRoom) return false;
    return stuck.size > 0 || state.revisions.some(({ keep }) => keep === "open");
  }

  /** So that not every pull evicts. What can't go is left for the next decision. */
  async #evictRest(
    victims: readonly Victim[],
    since: { readonly inventory: Inventory; readonly before: readonly Victim[] },
    stuck: Set<string>,
  ): Promise<void> {
    if (victims.length === 0) return;
    const evicted = await this.#evictor.evictAll(victims, since, stuck, this.#stopped.signal);
    const about = { action: "upkeep", model: "*", decisionMs: 0, inventory: since.inventory } as const;
    if (evicted.length > 0) this.#log.tell({ ...about, evicted });
  }

  /** For a pull that was let in before the cache was known. */
  #evictBehind(held: Held): void {
    const { signal } = this.#stopped;
    void this.#firstLook
      .then(() => this.#inTurn(() => this.#evictFor(held, "upkeep", signal, () => undefined)))
      .catch((error: unknown) => this.#evictor.warn(error));
  }

  async #collect(
    dryRun: boolean,
    look: { readonly signal: AbortSignal; readonly isFresh: boolean },
  ): Promise<Collected> {
    const { signal } = look;
    const inventory = await this.#survey.look(new Set(), look);
    const startedMs = performance.now();
    const plan = this.#plan(inventory.cache, undefined);
    const decisionMs = performance.now() - startedMs;
    const victims = plan.kind === "go" ? plan.victims : [];
    const orphans = inventory.orphans.filter(({ orphan }) => this.#deps.wallMs() - orphan.mtimeMs > ORPHAN_MS);
    let orphanBytes = 0;
    const gone = dryRun ? victims : await this.#evictor.evictAll(victims, { inventory }, new Set(), signal);
    for (const { repo, orphan } of orphans) {
      orphanBytes += dryRun ? orphan.sizeBytes : await this.#evictor.evictOrphan(repo, orphan, signal);
    }
    if (!dryRun && gone.length > 0)
      this.#log.tell({ action: "upkeep", model: "*", decisionMs, evicted: gone, inventory });
    return {
      evicted: [
        ...gone.map(({ revision, freedBytes, why, isLastCopy }) => ({
          id: revision.id,
          bytes: freedBytes,
          why,
          isLastCopy,
        })),
        ...orphans.map(({ repo, orphan }) => ({
          id: `${formatRepo(repo)} ${orphan.blob}`,
          bytes: orphan.sizeBytes,
          why: "unused",
          isLastCopy: false,
        })),
      ],
      freedBytes: gone.reduce((sum, { freedBytes }) => sum + freedBytes, orphanBytes),
    };
  }

  #plan(cache: CacheIndex, newcomer: Admission | undefined): EvictionPlan {
    const { policy, bounds } = this.#options;
    return planEviction({
      cache,
      policy,
      bounds: withDefault(bounds, cache.state, newcomer === undefined ? 0 : this.#deps.store.marginBytes),
      nowMs: this.#deps.clock.nowMs(),
      ...(newcomer === undefined ? {} : { newcomer }),
    });
  }

  /** By what is known without a look at every file: that takes a while in a big cache. Once this node has looked, it knows better. */
  async #guessRoom(signal: AbortSignal): Promise<RoomGuess> {
    const { bounds, policy } = this.#options;
    const { store, book } = this.#deps;
    const isByDisk = bounds.maxBytes === undefined && bounds.maxModels === undefined;
    const { makesRoom } = POLICIES[policy];
    if (!isByDisk && book.extent === undefined && makesRoom) await this.#waitForFirstLook(signal);
    if (!isByDisk && this.#survey.known !== undefined) return "unknown";
    const disk = await store.disk();
    const { pulls } = this.leases;
    let neededBytes = 0;
    for (const { blobs } of pulls) for (const sizeBytes of blobs.values()) neededBytes += sizeBytes;
    const { marginBytes } = store;
    const guess = guessRoom({ bounds, disk, marginBytes, extent: book.extent, neededBytes, pulls: pulls.length });
    return guess === "likely" && !makesRoom ? "unknown" : guess;
  }

  async #waitForFirstLook(signal: AbortSignal): Promise<void> {
    const patience = new AbortController();
    const given = AbortSignal.any([signal, patience.signal]);
    const wait = delay(FIRST_LOOK_MS, undefined, { signal: given, ref: false }).catch(() => undefined);
    await Promise.race([this.#firstLook, wait]).finally(() => patience.abort());
  }

  /** What it lacks, and what those lack for whom room was made before. */
  #toAdmission(held: Held, { blobIds }: Inventory): Admission {
    const there = new Set(blobIds);
    const lacking = new Map<BlobId, number>();
    for (const one of this.leases.pulls) {
      if (one !== held && !one.isAdmitted) continue;
      for (const [blob, sizeBytes] of one.blobs) if (!there.has(blob)) lacking.set(blob, sizeBytes);
    }
    const neededBytes = [...lacking.values()].reduce((sum, bytes) => sum + bytes, 0);
    const { repo, commit } = held;
    const isPinned = commit !== undefined && this.#survey.isPinned(repo, commit, [], false);
    return { model: formatRepo(repo), neededBytes, isPinned };
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const mine = this.#turn.then(work, work);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }
}

function idOf({ repo, commit }: Held): string {
  return `${formatRepo(repo)}@${commit}`;
}
