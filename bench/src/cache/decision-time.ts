/** How long one decision takes in a cache of 10,000 blobs. */
import { indexCache } from "@swarmd/daemon/core/policy/eviction/cache-index";
import type { CacheBounds, CacheState } from "@swarmd/daemon/core/policy/eviction/cache-state";
import { planEviction } from "@swarmd/daemon/core/policy/eviction/plan-eviction";
import type { PolicyName } from "@swarmd/daemon/core/policy/eviction/policies";
import { type Figure, median } from "../report.js";

const BLOBS = 10_000;
const BLOB_BYTES = 1_000_000_000;
const ROUNDS = 300;
const WARM_UP = 50;
const MOST_MS = 1;

/** A model has eight files, and one in four has an old revision that differs in one of them. */
function makeState(): CacheState {
  const revisions: CacheState["revisions"][number][] = [];
  const files = 8;
  for (let first = 0, model = 0; first + files < BLOBS; first += files + 1, model += 1) {
    const base = { model: `org/model-${model}`, isPinned: model % 50 === 0, keep: undefined };
    const common = Array.from({ length: files - 1 }, (_, at) => first + at);
    const lastUsedMs = (model * 7_919) % BLOBS;
    revisions.push({
      ...base,
      id: `${base.model}@new`,
      lastUsedMs,
      isOld: false,
      blobs: [...common, first + files - 1],
    });
    revisions.push({ ...base, id: `${base.model}@old`, lastUsedMs, isOld: true, blobs: [...common, first + files] });
  }
  return {
    blobs: Array.from({ length: BLOBS }, (_, at) => ({ sizeBytes: BLOB_BYTES, copiesElsewhere: at % 3 })),
    revisions,
    disk: { freeBytes: 1e13, totalBytes: 1e14 },
  };
}

/** Each way in which a cache can be full costs something of its own. */
const CASES: readonly (readonly [name: string, policy: PolicyName, bounds: CacheBounds])[] = [
  ["lru, by bytes", "lru", { maxBytes: BLOBS * BLOB_BYTES }],
  ["lru, by models", "lru", { maxModels: 1_000 }],
  ["lru-ttl, by bytes and time", "lru-ttl", { maxBytes: BLOBS * BLOB_BYTES, ttlMs: BLOBS * 0.9 }],
  ["no-evict", "no-evict", { maxBytes: BLOBS * BLOB_BYTES }],
];

export function measureDecision(log: (line: string) => void): readonly Figure[] {
  const state = makeState();
  log(`\ndecisions among ${BLOBS} blobs in ${state.revisions.length} revisions`);
  const cache = indexCache(state);
  const machineMs = measureMachine();
  const indexTimes = timesOf(() => void indexCache(state));
  const figures = CASES.map(([name, policy, bounds]): Figure => {
    let victims = 0;
    const timesMs = timesOf(() => {
      const newcomer = { model: "org/new", neededBytes: 8 * BLOB_BYTES, isPinned: false };
      const plan = planEviction({ cache, policy, bounds, newcomer, nowMs: BLOBS });
      victims = plan.kind === "go" ? plan.victims.length : 0;
    });
    return {
      what: `decision with 10,000 blobs: ${name}`,
      measured: `${describe(timesMs)}; ${victims} victims`,
      against: `a million additions beside it: ${machineMs.toFixed(1)} ms`,
      target: `≤ ${MOST_MS} ms`,
      reached: median(timesMs) <= MOST_MS,
    };
  });
  log(`before it, whenever the cache has changed: its order, ${describe(indexTimes)}`);
  return figures;
}

/** Sorted. */
function timesOf(work: () => void): readonly number[] {
  const timesMs: number[] = [];
  for (let round = -WARM_UP; round < ROUNDS; round += 1) {
    const startedMs = performance.now();
    work();
    if (round >= 0) timesMs.push(performance.now() - startedMs);
  }
  return timesMs.sort((a, b) => a - b);
}

function describe(sorted: readonly number[]): string {
  const [p99, worst] = [sorted[Math.floor(sorted.length * 0.99)] as number, sorted.at(-1) as number];
  return `median ${median(sorted).toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, worst ${worst.toFixed(2)} ms`;
}

/** How fast this machine is now: on a busy one every time of milliseconds is mostly waiting. */
function measureMachine(): number {
  const values = new Float64Array(1_000).map((_, at) => at / 1_000);
  const timesMs: number[] = [];
  let sum = 0;
  for (let round = 0; round < 30; round += 1) {
    const startedMs = performance.now();
    for (let at = 0; at < 1_000_000; at += 1) sum += values[at % 1_000] as number;
    timesMs.push(performance.now() - startedMs);
  }
  return sum > 0 ? median(timesMs) : Number.NaN;
}
