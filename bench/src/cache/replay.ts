/** One cache under one trace: hits by policy, beside the textbook's LRU and the offline optimum. */
import { SimCache, type SimCacheOptions } from "./sim-cache.js";
import type { Request } from "./traces.js";

export interface Sample {
  readonly atMs: number;
  readonly hits: number;
  readonly evictions: number;
  readonly bytes: number;
}

export interface Replayed {
  readonly hits: number;
  readonly evictions: number;
  readonly rejected: number;
  readonly peakBytes: number;
  /** Over time, for a chart: not more than a few hundred. */
  readonly samples: readonly Sample[];
}

const MOST_SAMPLES = 300;

export function replay(trace: readonly Request[], options: SimCacheOptions): Replayed {
  const cache = new SimCache(options);
  const every = Math.max(1, Math.floor(trace.length / MOST_SAMPLES));
  const samples: Sample[] = [];
  let [hits, evictions, rejected, peakBytes] = [0, 0, 0, 0];
  for (const [at, { model, atMs }] of trace.entries()) {
    if (options.bounds.ttlMs !== undefined) evictions += cache.expire(atMs).length;
    if (cache.has(model)) {
      hits += 1;
      cache.touch(model, atMs);
    } else {
      const { isIn, evicted } = cache.admit(model, atMs);
      evictions += evicted.length;
      if (!isIn) rejected += 1;
    }
    peakBytes = Math.max(peakBytes, cache.bytes);
    if (at % every === 0) samples.push({ atMs, hits, evictions, bytes: cache.bytes });
  }
  return { hits, evictions, rejected, peakBytes, samples };
}

/** The least recently used one of `slots` goes, one at a time: as it stands in every book. */
export function textbookLru(trace: readonly Request[], slots: number): number {
  const order = new Set<number>();
  let hits = 0;
  for (const { model } of trace) {
    if (order.delete(model)) hits += 1;
    else if (order.size >= slots) order.delete(order.values().next().value as number);
    order.add(model);
  }
  return hits;
}

/** Belady's: the one whose next use is farthest away goes. Nobody who does not know the future does better (equal sizes). */
export function belady(trace: readonly Request[], slots: number): number {
  const nextUse = new Array<number>(trace.length);
  const seen = new Map<number, number>();
  for (let at = trace.length - 1; at >= 0; at -= 1) {
    const { model } = trace[at] as Request;
    nextUse[at] = seen.get(model) ?? Number.POSITIVE_INFINITY;
    seen.set(model, at);
  }
  const cached = new Map<number, number>();
  let hits = 0;
  for (const [at, { model }] of trace.entries()) {
    const next = nextUse[at] as number;
    if (cached.has(model)) {
      hits += 1;
      cached.set(model, next);
      continue;
    }
    if (cached.size < slots) {
      cached.set(model, next);
      continue;
    }
    const [farthest, itsNext] = [...cached].reduce((most, one) => (one[1] > most[1] ? one : most));
    // What is needed later than everything that is there need not come in.
    if (itsNext <= next) continue;
    cached.delete(farthest);
    cached.set(model, next);
  }
  return hits;
}
