/** A cache of whole models that decides as the daemon does: by `planEviction`. Only bytes and disks are missing. */
import { indexCache } from "@swarmd/daemon/core/policy/eviction/cache-index";
import type { CacheBounds, CacheState } from "@swarmd/daemon/core/policy/eviction/cache-state";
import { planEviction } from "@swarmd/daemon/core/policy/eviction/plan-eviction";
import type { PolicyName } from "@swarmd/daemon/core/policy/eviction/policies";

export interface SimCacheOptions {
  readonly policy: PolicyName;
  readonly bounds: CacheBounds;
  readonly sizeOf: (model: number) => number;
  /** How many other nodes hold a model. Without it everything is as if others had it: plain order of use. */
  readonly copiesElsewhere?: (model: number) => number;
}

export interface Admitted {
  readonly isIn: boolean;
  readonly evicted: readonly number[];
  readonly decisionMs: number;
}

const DISK = { freeBytes: Number.MAX_SAFE_INTEGER, totalBytes: Number.MAX_SAFE_INTEGER };

export class SimCache {
  readonly #options: SimCacheOptions;
  readonly #lastUsedMs = new Map<number, number>();
  bytes = 0;

  constructor(options: SimCacheOptions) {
    this.#options = options;
  }

  has(model: number): boolean {
    return this.#lastUsedMs.has(model);
  }

  get models(): readonly number[] {
    return [...this.#lastUsedMs.keys()];
  }

  touch(model: number, nowMs: number): void {
    if (this.has(model)) this.#lastUsedMs.set(model, nowMs);
  }

  /** What expired goes. */
  expire(nowMs: number): readonly number[] {
    return this.#evict(nowMs, undefined).evicted;
  }

  admit(model: number, nowMs: number): Admitted {
    const result = this.#evict(nowMs, model);
    if (result.isIn) {
      this.#lastUsedMs.set(model, nowMs);
      this.bytes += this.#options.sizeOf(model);
    }
    return result;
  }

  #evict(nowMs: number, newcomer: number | undefined): Admitted {
    const { policy, bounds, sizeOf } = this.#options;
    const cache = indexCache(this.#state());
    const startedMs = performance.now();
    const plan = planEviction({
      cache,
      policy,
      bounds,
      nowMs,
      ...(newcomer === undefined
        ? {}
        : { newcomer: { model: String(newcomer), neededBytes: sizeOf(newcomer), isPinned: false } }),
    });
    const decisionMs = performance.now() - startedMs;
    if (plan.kind === "full") return { isIn: false, evicted: [], decisionMs };
    const evicted = plan.victims.map(({ revision }) => Number(revision.id));
    for (const model of evicted) {
      this.#lastUsedMs.delete(model);
      this.bytes -= sizeOf(model);
    }
    return { isIn: newcomer !== undefined, evicted, decisionMs };
  }

  #state(): CacheState {
    const { sizeOf, copiesElsewhere = () => 1 } = this.#options;
    const all = [...this.#lastUsedMs];
    return {
      blobs: all.map(([model]) => ({ sizeBytes: sizeOf(model), copiesElsewhere: copiesElsewhere(model) })),
      revisions: all.map(([model, lastUsedMs], index) => ({
        id: String(model),
        model: String(model),
        lastUsedMs,
        isOld: false,
        isPinned: false,
        keep: undefined,
        blobs: [index],
      })),
      disk: DISK,
    };
  }
}
