/** Keeps the cache within its bounds; see `ports.ts` for the room. */
import { setTimeout as delay } from "node:timers/promises";
import {
  type BlobId,
  type CommitId,
  formatBytes,
  formatRepo,
  type NodeId,
  type RepoRef,
  SwarmError,
  toSwarmError,
} from "@swarmd/protocol";
import type { Admission, CacheBounds, CacheState, Victim } from "../core/policy/eviction/cache-state.js";
import { type EvictionPlan, planEviction } from "../core/policy/eviction/plan-eviction.js";
import { POLICIES, type PolicyName } from "../core/policy/eviction/policies.js";
import { Promises } from "../core/policy/eviction/promises.js";
import { drawOf, keyOf } from "../core/rendezvous.js";
import type { EventLog } from "../observe/events.js";
import { askNeighbours } from "./drop.js";
import { type Entry, type Inventory, readInventory } from "./inventory.js";
import { type Held, Leases } from "./leases.js";
import { placeCopies } from "./place.js";
import type { KeeperBook, KeeperLog, KeeperStore, KeptRevision, Neighbours, PinBook } from "./ports.js";
import type { UseClock } from "./use-clock.js";

export interface KeeperOptions {
  readonly policy: PolicyName;
  /** As asked for; without any, a tenth of the disk stays free. */
  readonly bounds: CacheBounds;
  /** What other tools put into the cache may go too. */
  readonly adoptEvict: boolean;
  readonly keepStartup: boolean;
  /** How often the bounds are looked at when nobody pulls. */
  readonly upkeepMs?: number;
}

export interface KeeperDeps {
  readonly store: KeeperStore;
  readonly book: KeeperBook;
  readonly pins: PinBook;
  /** Absent on a node that goes without peers, and before it has met any. */
  readonly neighbours: () => Neighbours | undefined;
  /** Whether peers may have a blob: what is private, or known to nobody else, is handed to nobody. */
  readonly mayTellOf: (blob: BlobId) => boolean;
  readonly clock: UseClock;
  readonly wallMs: () => number;
  readonly events: EventLog;
  readonly logger: KeeperLog;
}

export type Action = "hit" | "link" | "pull" | "reject" | "upkeep";

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

/** Our own default: most of a disk may be cache, as long as the machine can breathe. */
const DEFAULT_FREE_SHARE = 0.1;
const UPKEEP_MS = 60_000;
const SOONEST_UPKEEP_MS = 250;
/** A blob that nobody promised to keep counts as ours alone for so long. */
const SOLE_MS = 30_000;
/** Victims that turn out to have been used, or nowhere else, are replaced by others so many times. */
const MOST_ROUNDS = 8;
/** A copy that was handed over stays with its new holder at least so long. */
const HAND_OVER_LEASE_MS = 3_600_000;
/** Handing over may take as long as a slow link needs, and this on top. */
const HAND_OVER_MS = 30_000;
const SLOW_BYTES_PER_MS = 5_000;
/** What others hold is heard within 100 ms; there is no event for it. */
const LOOK_AGAIN_MS = 250;
/** A download of another tool is a blob without a link for a moment. */
const ORPHAN_MS = 3_600_000;
/** Two looks at the same time stamp differ by what the clocks drift apart between them. */
const SAME_MS = 50;
/** In a log line. */
const MOST_LISTED = 50;

export class Keeper {
  readonly name = "keeper";
  readonly leases = new Leases();
  readonly #options: KeeperOptions;
  readonly #deps: KeeperDeps;
  readonly #counters = new Map<string, number>();
  readonly #stopped = new AbortController();
  readonly #soleUntilMs = new Map<BlobId, number>();
  /** Copies that other nodes have asked us to hold, and until when. */
  readonly #copiesUntilMs = new Map<string, number>();
  /** Past the point of no return: whoever asks is told that we lack them. */
  readonly #dropping = new Set<BlobId>();
  #promises: Promises | undefined;
  /** As the cache was when last looked at. */
  #known: Inventory | undefined;
  /** One decision at a time. */
  #turn: Promise<unknown> = Promise.resolve();
  #removing: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: KeeperOptions, deps: KeeperDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  start(): void {
    const { bounds, policy, upkeepMs } = this.#options;
    // The first decision finds the cache known, or knows from an earlier run that there is room.
    if (bounds.maxBytes !== undefined || bounds.maxModels !== undefined) {
      void this.#look(new Set(), this.#stopped.signal).catch((error: unknown) => this.#warn(error));
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
          .catch((error: unknown) => this.#warn(error))
          .then(() => this.#stopped.signal.aborted || again());
      }, everyMs).unref();
    };
    again();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    clearTimeout(this.#timer);
    await Promise.allSettled([this.#turn, this.#removing]);
  }

  /** How many decisions of each kind there were: `policy action` to count. */
  get counters(): ReadonlyMap<string, number> {
    return this.#counters;
  }

  /** Waits for a removal under way: what is found in the cache afterwards stays. */
  async hold({ repo, commit, blobs }: Visit): Promise<Stay> {
    const held = this.leases.take({ kind: "pull", repo, commit, blobs });
    const { store } = this.#deps;
    store.touch(repo);
    await this.#removing.catch(() => undefined);
    return {
      makeRoom: ({ signal }) =>
        this.#inTurn(() => this.#makeRoom(held, AbortSignal.any([signal, this.#stopped.signal]))),
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
    this.#tell({ action, model: `${formatRepo(repo)}@${commit}`, decisionMs: performance.now() - startedMs });
  }

  /** Evicts what has expired or is too much, and removes what nothing leads to. @throws SwarmError INTERRUPTED */
  collect({ dryRun, signal }: { readonly dryRun: boolean; readonly signal: AbortSignal }): Promise<Collected> {
    return this.#inTurn(() => this.#collect(dryRun, AbortSignal.any([signal, this.#stopped.signal])));
  }

  /** A neighbour is about to drop these and relies on us. @returns those that we keep */
  keepFor(peer: NodeId, blobs: readonly BlobId[], holds: (blob: BlobId) => boolean): readonly BlobId[] {
    const promises = this.#getPromises();
    if (promises === undefined) return [];
    return blobs.filter((blob) => holds(blob) && !this.#dropping.has(blob) && promises.promise(peer, blob));
  }

  /** Whether all of a revision is here, and what else would fit without evicting anything. @throws SwarmError INTERRUPTED */
  async roomFor(
    repo: RepoRef,
    commit: CommitId,
    { signal, sizeBytes }: { readonly signal: AbortSignal; readonly sizeBytes: number },
  ): Promise<{ readonly isHere: boolean; readonly roomBytes: number }> {
    const { state, entries } = await this.#look(new Set(), signal);
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
    this.#copiesUntilMs.set(`${formatRepo(repo)}@${commit}`, performance.now() + leaseMs);
  }

  /** The revisions that a pin means, as far as all of them is here and peers may know it. @throws SwarmError INTERRUPTED */
  async findPinned(
    pin: PinBook["pins"][number],
    { signal }: { readonly signal: AbortSignal },
  ): Promise<readonly { readonly repo: RepoRef; readonly commit: CommitId; readonly sizeBytes: number }[]> {
    const { entries, state } = await this.#look(new Set(), signal);
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
    return { usedMs: book.lastUseMs(repo, commit), isPinned: this.#isPinned(repo, commit, refs, refs.length === 0) };
  }

  async #makeRoom(held: Held, signal: AbortSignal): Promise<void> {
    const id = `${formatRepo(held.repo)}@${held.commit}`;
    if (await this.#isRoomy()) {
      held.isAdmitted = true;
      this.#tell({ action: "pull", model: id, decisionMs: 0, ...(this.#known ? { inventory: this.#known } : {}) });
      return;
    }
    const evicted: Victim[] = [];
    const stuck = new Set<string>();
    let decisionMs = 0;
    for (let round = 1; ; round += 1) {
      const inventory = await this.#look(stuck, signal);
      const startedMs = performance.now();
      const newcomer = this.#toAdmission(held, inventory);
      const plan = this.#plan(inventory.state, newcomer);
      decisionMs += performance.now() - startedMs;
      if (plan.kind === "full" || (plan.victims.length > 0 && round > MOST_ROUNDS)) {
        this.#tell({ action: "reject", model: id, decisionMs, evicted, inventory });
        throw cacheFull(id, newcomer.neededBytes, this.#options, plan);
      }
      const gone = await this.#evictAll(plan.victims, inventory, stuck, signal);
      evicted.push(...gone);
      if (gone.length < plan.victims.length) continue;
      held.isAdmitted = true;
      this.#tell({ action: "pull", model: id, decisionMs, evicted, inventory });
      return;
    }
  }

  async #collect(dryRun: boolean, signal: AbortSignal): Promise<Collected> {
    const inventory = await this.#look(new Set(), signal);
    const startedMs = performance.now();
    const plan = this.#plan(inventory.state, undefined);
    const decisionMs = performance.now() - startedMs;
    const victims = plan.kind === "go" ? plan.victims : [];
    const orphans = inventory.orphans.filter(({ orphan }) => this.#deps.wallMs() - orphan.mtimeMs > ORPHAN_MS);
    let orphanBytes = 0;
    const gone = dryRun ? victims : await this.#evictAll(victims, inventory, new Set(), signal);
    for (const { repo, orphan } of orphans) {
      orphanBytes += dryRun ? orphan.sizeBytes : await this.#evictOrphan(repo, orphan, signal);
    }
    if (!dryRun && gone.length > 0) this.#tell({ action: "upkeep", model: "*", decisionMs, evicted: gone, inventory });
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

  #plan(state: CacheState, newcomer: Admission | undefined): EvictionPlan {
    const { policy, bounds } = this.#options;
    return planEviction({
      state,
      policy,
      bounds: withDefault(bounds, state),
      nowMs: this.#deps.clock.nowMs(),
      ...(newcomer === undefined ? {} : { newcomer }),
    });
  }

  /**
   * Whether there is room for all that is being pulled, even if none of it were there yet, by what is known without a look at every
   * file: that takes a while in a big cache. Once this node has looked, it knows better.
   */
  async #isRoomy(): Promise<boolean> {
    const { bounds } = this.#options;
    const { maxBytes, maxModels, minFreeBytes, reservedPinnedShare } = bounds;
    const isByDisk = maxBytes === undefined && maxModels === undefined;
    const extent = isByDisk ? { bytes: 0, models: 0 } : this.#deps.book.extent;
    if (extent === undefined || reservedPinnedShare !== undefined || (this.#known !== undefined && !isByDisk))
      return false;
    const { freeBytes, totalBytes } = await this.#deps.store.disk();
    let neededBytes = 0;
    for (const { blobs } of this.leases.pulls) for (const sizeBytes of blobs.values()) neededBytes += sizeBytes;
    if (maxBytes !== undefined && extent.bytes + neededBytes > maxBytes) return false;
    if (maxModels !== undefined && extent.models + this.leases.pulls.length > maxModels) return false;
    const leastFree = minFreeBytes ?? (isByDisk ? totalBytes * DEFAULT_FREE_SHARE : 0);
    return freeBytes - neededBytes >= leastFree;
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
    const isPinned = commit !== undefined && this.#isPinned(repo, commit, [], false);
    return { model: formatRepo(repo), neededBytes, isPinned };
  }

  /** What could go of these goes; the others are named in `stuck`, or known to be nowhere else from now on. */
  async #evictAll(
    victims: readonly Victim[],
    inventory: Inventory,
    stuck: Set<string>,
    signal: AbortSignal,
  ): Promise<readonly Victim[]> {
    const gone: Victim[] = [];
    for (const victim of victims) {
      try {
        if (await this.#evict(victim, inventory, gone, signal)) gone.push(victim);
      } catch (error) {
        if (signal.aborted) throw error;
        stuck.add(victim.revision.id);
        this.#warn(error);
      }
    }
    return gone;
  }

  async #evict(victim: Victim, inventory: Inventory, gone: readonly Victim[], signal: AbortSignal): Promise<boolean> {
    const { revision, isLastCopy } = victim;
    const entry = inventory.entries.get(revision.id);
    if (entry === undefined || (await this.#wasRead(victim, entry, signal))) return false;
    const freed = freedBlobs(victim, inventory, gone);
    const neighbours = this.#deps.neighbours();
    const promises = this.#getPromises();
    // From here on, whoever is promised one of them takes our plan back.
    const intents = new Map(freed.map((blob) => [blob, promises?.intend(blob)]));
    let next: "elsewhere" | "lost" | "unknown" = "elsewhere";
    try {
      if (isLastCopy && neighbours !== undefined) next = await this.#handOver(entry, freed, neighbours, signal);
      if (next === "unknown") return false;
      const elsewhere = freed.filter((blob) => this.#copiesElsewhere(blob) > 0);
      if (neighbours !== undefined && elsewhere.length > 0) {
        const sole = await askNeighbours(elsewhere, neighbours, signal);
        for (const blob of sole) this.#soleUntilMs.set(blob, performance.now() + SOLE_MS);
        if (sole.size > 0) return false;
      }
      const isStillDue = () => {
        const isDue =
          this.leases.find(entry.repo, entry.commit) === undefined &&
          !this.leases.needs(freed) &&
          [...intents].every(([blob, intent]) => intent === undefined || promises?.stands(blob, intent) === true);
        if (isDue) for (const blob of freed) this.#dropping.add(blob);
        return isDue;
      };
      const { keepStartup } = this.#options;
      const removing = this.#deps.store.evict({ ...entry, keepStartup, isStillDue }, { signal });
      this.#removing = removing;
      await removing;
    } finally {
      for (const [blob, intent] of intents) {
        this.#dropping.delete(blob);
        if (intent !== undefined) promises?.withdraw(blob, intent);
      }
    }
    const about = { model: revision.id, bytes: victim.freedBytes, why: victim.why };
    if (next === "lost") this.#deps.logger.warn(about, "evicted the last copy on this LAN");
    this.#deps.events.emit({ type: "cache.evicted", ...about, lastCopy: next === "lost" });
    return true;
  }

  /**
   * The last copy goes to a node that has room for it, if there is one, before it goes here.
   *
   * @returns `elsewhere`: somebody has it now; `lost`: nobody has room, so nobody will; `unknown`: it stays
   */
  async #handOver(
    entry: Entry,
    blobs: readonly BlobId[],
    neighbours: Neighbours,
    signal: AbortSignal,
  ): Promise<"elsewhere" | "lost" | "unknown"> {
    const sole = blobs.filter((blob) => this.#deps.mayTellOf(blob) && this.#copiesElsewhere(blob) === 0);
    if (sole.length === 0) return "lost";
    const sizeBytes = entry.sizeBytes;
    const order = { ...entry, sizeBytes, leaseMs: HAND_OVER_LEASE_MS, isJustAsking: false };
    const to = await placeCopies(neighbours, order, 1, signal);
    if (to.placed.length === 0) return to.isCertain ? "lost" : "unknown";
    const isThere = () => sole.every((blob) => neighbours.holders(blob).some((peer) => to.placed.includes(peer)));
    const deadlineMs = performance.now() + HAND_OVER_MS + sizeBytes / SLOW_BYTES_PER_MS;
    while (!isThere()) {
      if (performance.now() > deadlineMs) return "unknown";
      await delay(LOOK_AGAIN_MS, undefined, { signal });
    }
    for (const blob of sole) this.#soleUntilMs.delete(blob);
    return "elsewhere";
  }

  /** Another program may have used it since the cache was last looked at: then that is noted, and counts. */
  async #wasRead({ revision }: Victim, { repo, commit }: Entry, signal: AbortSignal): Promise<boolean> {
    const { store, clock, wallMs, book } = this.#deps;
    const readMs = clock.fromWall(await store.lastReadMs(repo, commit, { signal }), wallMs());
    if (readMs <= revision.lastUsedMs + SAME_MS) return false;
    book.noteUse(repo, commit, readMs);
    return true;
  }

  async #evictOrphan(
    repo: RepoRef,
    orphan: Inventory["orphans"][number]["orphan"],
    signal: AbortSignal,
  ): Promise<number> {
    try {
      return await this.#deps.store.evictOrphan(repo, orphan, { signal });
    } catch (error) {
      if (signal.aborted) throw error;
      this.#warn(error);
      return 0;
    }
  }

  async #look(stuck: ReadonlySet<string>, signal: AbortSignal): Promise<Inventory> {
    const { store, book, clock, wallMs } = this.#deps;
    const [repos, disk] = await Promise.all([store.repos({ signal }), store.disk()]);
    const wallNowMs = wallMs();
    const lastUseMs = (repo: RepoRef, revision: KeptRevision) => {
      const touchedMs = revision.files.reduce((most, { atimeMs, mtimeMs }) => Math.max(most, atimeMs, mtimeMs), 0);
      const touched = clock.fromWall(touchedMs || revision.mtimeMs, wallNowMs);
      return Math.max(touched, book.lastUseMs(repo, revision.commit) ?? 0);
    };
    this.#known = readInventory(repos, {
      isOwn: (path) => book.isOwn(path),
      lastUseMs,
      copiesElsewhere: (blob) => this.#copiesElsewhere(blob),
      isInUse: (blob) => store.isInUse(blob),
      isPinned: (repo, { commit, refs }, isOld) => this.#isPinned(repo, commit, refs, isOld),
      holdOn: (repo, commit) => {
        return this.leases.find(repo, commit) ?? (stuck.has(`${formatRepo(repo)}@${commit}`) ? "lease" : undefined);
      },
      pulls: this.leases.pulls,
      adoptEvict: this.#options.adoptEvict,
      isStartupFile: this.#options.keepStartup ? (file) => store.isStartupFile(file) : undefined,
      disk,
    });
    const { blobs, revisions } = this.#known.state;
    const bytes = blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    book.noteExtent({ bytes, models: new Set(revisions.map(({ model }) => model)).size });
    return this.#known;
  }

  #isPinned(repo: RepoRef, commit: CommitId, refs: readonly string[], isOld: boolean): boolean {
    const name = formatRepo(repo);
    if ((this.#copiesUntilMs.get(`${name}@${commit}`) ?? 0) > performance.now()) return true;
    return this.#deps.pins.pins.some((pin) => {
      if (pin.repo !== name) return false;
      if (pin.revision === undefined) return !isOld;
      return refs.includes(pin.revision) || (pin.revision.length >= 7 && commit.startsWith(pin.revision));
    });
  }

  #copiesElsewhere(blob: BlobId): number {
    const untilMs = this.#soleUntilMs.get(blob);
    if (untilMs !== undefined && performance.now() < untilMs) return 0;
    this.#soleUntilMs.delete(blob);
    return this.#deps.neighbours()?.holders(blob).length ?? 0;
  }

  #getPromises(): Promises | undefined {
    const neighbours = this.#deps.neighbours();
    if (neighbours === undefined) return undefined;
    this.#promises ??= new Promises({
      self: neighbours.self,
      rank: (node, blob) => drawOf(keyOf(node), keyOf(blob)),
    });
    return this.#promises;
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const mine = this.#turn.then(work, work);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  /** The one line per decision. */
  #tell(decision: {
    readonly action: Action;
    readonly model: string;
    readonly decisionMs: number;
    readonly evicted?: readonly Victim[];
    readonly inventory?: Inventory;
  }): void {
    const { policy } = this.#options;
    const { action, model, decisionMs, evicted = [], inventory } = decision;
    const key = `${policy} ${action}`;
    this.#counters.set(key, (this.#counters.get(key) ?? 0) + 1);
    const gone = new Set(evicted.map(({ revision }) => revision.id));
    const cached = (inventory?.state.revisions ?? [])
      .map(({ id }) => id)
      .filter((id) => !gone.has(id) && !id.includes("@pull-"));
    const fields = {
      policy,
      model,
      action,
      decision_ms: Number(decisionMs.toFixed(3)),
      cached: shortened(cached),
      evicted: shortened([...gone]),
    };
    this.#deps.logger.info(fields, "cache");
    this.#deps.events.emit({ type: "cache.decision", ...fields });
  }

  #warn(error: unknown): void {
    const { code, message } = toSwarmError(error);
    if (code !== "INTERRUPTED") this.#deps.logger.warn({ code }, `could not evict: ${message}`);
  }
}

function shortened(ids: readonly string[]): readonly string[] {
  if (ids.length <= MOST_LISTED) return ids;
  return [...ids.slice(0, MOST_LISTED), `and ${ids.length - MOST_LISTED} more`];
}

function withDefault(bounds: CacheBounds, { disk }: CacheState): CacheBounds {
  const { maxBytes, maxModels, minFreeBytes } = bounds;
  if (maxBytes !== undefined || maxModels !== undefined || minFreeBytes !== undefined) return bounds;
  return { ...bounds, minFreeBytes: disk.totalBytes * DEFAULT_FREE_SHARE, isMinFreeSoft: true };
}

/** Blobs that nothing leads to once the victims are gone. */
function freedBlobs({ revision }: Victim, { state, blobIds }: Inventory, gone: readonly Victim[]): readonly BlobId[] {
  const away = new Set(gone.map((victim) => victim.revision.id));
  const stays = state.revisions.filter(({ id }) => id !== revision.id && !away.has(id));
  const used = new Set(stays.flatMap(({ blobs }) => blobs));
  const freed = revision.blobs.filter((index) => !used.has(index) && state.blobs[index]?.isStartup !== true);
  return freed.flatMap((index) => blobIds[index] ?? []);
}

function cacheFull(id: string, neededBytes: number, { policy, bounds }: KeeperOptions, plan: EvictionPlan): SwarmError {
  const why = plan.kind === "full" ? plan.why : "bytes";
  const bound = {
    models: `at most ${bounds.maxModels} models`,
    disk: `${formatBytes(bounds.minFreeBytes ?? 0)} of the disk stay free`,
    reserved: `${Math.round(100 * (bounds.reservedPinnedShare ?? 0))} % of ${formatBytes(bounds.maxBytes ?? 0)} are for pinned models`,
    bytes: `at most ${formatBytes(bounds.maxBytes ?? 0)}`,
    expired: "",
  }[why];
  const what =
    policy === "no-evict" ? "nothing is evicted (no-evict)" : "what is there is in use, pinned or not swarmd's own";
  return new SwarmError(
    "CACHE_FULL",
    `${id} needs ${formatBytes(neededBytes)}, and the cache is full: ${bound}, and ${what}`,
    {
      hint: "Remove something (swarm ls, swarm rm, swarm unpin), or raise the bound (--cache-max-size, --cache-max-models, --min-free).",
    },
  );
}
