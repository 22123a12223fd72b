/** Carries an eviction out: asks the neighbours first, hands a last copy over, and has the store remove what is still due then. */
import { setTimeout as delay } from "node:timers/promises";
import { type BlobId, type NodeId, type RepoRef, toSwarmError } from "@swarmd/protocol";
import type { Victim } from "../core/policy/eviction/cache-state.js";
import { Promises } from "../core/policy/eviction/promises.js";
import { drawOf, keyOf } from "../core/rendezvous.js";
import { askNeighbours } from "./drop.js";
import type { Entry, Inventory } from "./inventory.js";
import type { Leases } from "./leases.js";
import { placeCopies } from "./place.js";
import type { KeeperDeps, KeeperOptions, Neighbours } from "./ports.js";

/** A blob that nobody promised to keep counts as ours alone for so long. */
const SOLE_MS = 30_000;
/** A copy that was handed over stays with its new holder at least so long. */
const HAND_OVER_LEASE_MS = 3_600_000;
/** Handing over may take as long as a slow link needs, and this on top. */
const HAND_OVER_MS = 30_000;
const SLOW_BYTES_PER_MS = 5_000;
/** What others hold is heard within 100 ms; there is no event for it. */
const LOOK_AGAIN_MS = 250;
/** Two looks at the same time stamp differ by what the clocks drift apart between them. */
const SAME_MS = 50;

export class Evictor {
  readonly #options: Pick<KeeperOptions, "keepStartup">;
  readonly #deps: KeeperDeps & { readonly leases: Leases };
  readonly #soleUntilMs = new Map<BlobId, number>();
  /** Past the point of no return: whoever asks is told that we lack them. */
  readonly #dropping = new Set<BlobId>();
  #promises: Promises | undefined;
  #removing: Promise<unknown> = Promise.resolve();

  constructor(options: Pick<KeeperOptions, "keepStartup">, deps: KeeperDeps & { readonly leases: Leases }) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Settles when the removal under way, if any, is over; never rejects. */
  async whenIdle(): Promise<void> {
    await this.#removing.catch(() => undefined);
  }

  /** A neighbour is about to drop these and relies on us. @returns those that we keep */
  keepFor(peer: NodeId, blobs: readonly BlobId[], holds: (blob: BlobId) => boolean): readonly BlobId[] {
    const promises = this.#getPromises();
    if (promises === undefined) return [];
    return blobs.filter((blob) => holds(blob) && !this.#dropping.has(blob) && promises.promise(peer, blob));
  }

  /**
   * What could go of these goes; the others are named in `stuck`, or known to be nowhere else from now on.
   *
   * @param before what has gone since the inventory was taken: what it shared with these goes now
   */
  async evictAll(
    victims: readonly Victim[],
    { inventory, before = [] }: { readonly inventory: Inventory; readonly before?: readonly Victim[] },
    stuck: Set<string>,
    signal: AbortSignal,
  ): Promise<readonly Victim[]> {
    const gone: Victim[] = [];
    for (const victim of victims) {
      try {
        if (await this.#evict(victim, inventory, [...before, ...gone], signal)) gone.push(victim);
      } catch (error) {
        if (signal.aborted) throw error;
        stuck.add(victim.revision.id);
        this.warn(error);
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
      const elsewhere = freed.filter((blob) => this.copiesElsewhere(blob) > 0);
      if (neighbours !== undefined && elsewhere.length > 0) {
        const sole = await askNeighbours(elsewhere, neighbours, signal);
        for (const blob of sole) this.#soleUntilMs.set(blob, performance.now() + SOLE_MS);
        if (sole.size > 0) return false;
      }
      const isStillDue = () => {
        const isDue =
          this.#deps.leases.find(entry.repo, entry.commit) === undefined &&
          !this.#deps.leases.needs(freed) &&
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
    const sole = blobs.filter((blob) => this.#deps.mayTellOf(blob) && this.copiesElsewhere(blob) === 0);
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

  /** A blob that nothing leads to. @returns bytes freed */
  async evictOrphan(
    repo: RepoRef,
    orphan: Inventory["orphans"][number]["orphan"],
    signal: AbortSignal,
  ): Promise<number> {
    try {
      return await this.#deps.store.evictOrphan(repo, orphan, { signal });
    } catch (error) {
      if (signal.aborted) throw error;
      this.warn(error);
      return 0;
    }
  }

  /** How many other nodes hold a blob; none for a while when nobody promised to keep it. */
  copiesElsewhere(blob: BlobId): number {
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

  /** What could not be evicted is said, and stays. */
  warn(error: unknown): void {
    const { code, message } = toSwarmError(error);
    if (code !== "INTERRUPTED") this.#deps.logger.warn({ code }, `could not evict: ${message}`);
  }
}

/** Blobs that nothing leads to once the victims are gone. */
function freedBlobs(
  { revision }: Victim,
  { cache, state, blobIds }: Inventory,
  gone: readonly Victim[],
): readonly BlobId[] {
  const lost = new Map<number, number>();
  for (const { revision: away } of gone) for (const index of away.blobs) lost.set(index, (lost.get(index) ?? 0) + 1);
  const isFreed = (index: number) => cache.users[index] === (lost.get(index) ?? 0) + 1;
  const freed = revision.blobs.filter((index) => isFreed(index) && state.blobs[index]?.isStartup !== true);
  return freed.flatMap((index) => blobIds[index] ?? []);
}
