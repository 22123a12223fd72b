/** Every policy on every trace, against the textbook's LRU and the offline optimum. */
import type { CacheBounds } from "@swarmd/daemon/core/policy/eviction/cache-state";
import type { PolicyName } from "@swarmd/daemon/core/policy/eviction/policies";
import type { Figure } from "../report.js";
import { drawLines } from "./charts.js";
import { belady, type Replayed, replay, textbookLru } from "./replay.js";
import { TRACES } from "./traces.js";

const MODELS = 500;
const SLOTS = 50;
const REQUESTS = 20_000;
const SEED = 1;
const TTL_MS = 86_400_000;
/** Hit ratios of equal caches differ by chance and by the watermark: by so much at most. */
const TEXTBOOK_WITHIN = 0.02;

const RUNS: readonly { readonly policy: PolicyName; readonly bounds: CacheBounds }[] = [
  { policy: "lru", bounds: { maxBytes: SLOTS } },
  { policy: "no-evict", bounds: { maxBytes: SLOTS } },
  { policy: "ttl", bounds: { ttlMs: TTL_MS } },
  { policy: "lru-ttl", bounds: { maxBytes: SLOTS, ttlMs: TTL_MS } },
];

export interface PolicyFigures {
  readonly figures: readonly Figure[];
  /** SVG by file name. */
  readonly charts: Readonly<Record<string, string>>;
}

export function comparePolicies(log: (line: string) => void): PolicyFigures {
  log(`one cache of ${SLOTS} models out of ${MODELS}, ${REQUESTS} requests a trace, a TTL of a day, seed ${SEED}`);
  log("| trace | lru | textbook's LRU | no-evict | lru-ttl | ttl (most models at once) | optimum (Belady) |");
  log("|---|---|---|---|---|---|---|");
  const figures: Figure[] = [];
  const charts: Record<string, string> = {};
  for (const { name, make } of TRACES) {
    const trace = make({ seed: SEED, requests: REQUESTS, models: MODELS });
    const runs = new Map(
      RUNS.map(({ policy, bounds }) => [policy, replay(trace, { policy, bounds, sizeOf: () => 1 })]),
    );
    const of = (policy: PolicyName) => runs.get(policy) as Replayed;
    const ratio = (hits: number) => hits / REQUESTS;
    const [lru, book, best] = [ratio(of("lru").hits), ratio(textbookLru(trace, SLOTS)), ratio(belady(trace, SLOTS))];
    const cells = [lru, book, ratio(of("no-evict").hits), ratio(of("lru-ttl").hits)].map(percent);
    log(
      `| ${name} | ${cells.join(" | ")} | ${percent(ratio(of("ttl").hits))} (${of("ttl").peakBytes}) | ${percent(best)} |`,
    );
    figures.push({
      what: `hit ratio of lru, trace ${name}`,
      measured: percent(lru),
      against: `textbook's LRU ${percent(book)}, optimum ${percent(best)}`,
      target: `the textbook's ± ${100 * TEXTBOOK_WITHIN} points`,
      reached: Math.abs(lru - book) <= TEXTBOOK_WITHIN && lru <= best + 1e-9,
    });
    Object.assign(charts, chartsOf(name, runs));
  }
  return { figures, charts };
}

function chartsOf(trace: string, runs: ReadonlyMap<PolicyName, Replayed>): Record<string, string> {
  const chart = (title: string, yLabel: string, of: (sample: Replayed["samples"][number]) => number) =>
    drawLines(
      { title: `${title}, trace ${trace}`, xLabel: "days", yLabel },
      [...runs].map(([name, { samples }]) => ({
        name,
        points: samples.map((sample) => [sample.atMs / TTL_MS, of(sample)] as const),
      })),
    );
  return {
    [`${trace}-hits.svg`]: chart("hits", "hits so far", ({ hits }) => hits),
    [`${trace}-evictions.svg`]: chart("evictions", "evictions so far", ({ evictions }) => evictions),
    [`${trace}-bytes.svg`]: chart("what is cached", "models of equal size", ({ bytes }) => bytes),
  };
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
