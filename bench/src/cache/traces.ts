/** Requests for models, as a function of a seed: what the policies are compared on. */
import { seededRandom } from "@swarmd/test/support/seeded-random";

/** One request: a model by its number, at a time. */
export interface Request {
  readonly model: number;
  readonly atMs: number;
}

export interface TraceOptions {
  readonly seed: number;
  readonly requests: number;
  readonly models: number;
  /** What is popular; nodes of one LAN have it in common. */
  readonly tasteSeed?: number;
}

export interface Trace {
  readonly name: string;
  readonly about: string;
  make(options: TraceOptions): readonly Request[];
}

/** A request every ten minutes on average. */
const GAP_MS = 600_000;
const DAY_MS = 86_400_000;
/** Popularity of files on the Hub falls about so steeply. */
const ZIPF_EXPONENT = 0.9;
/** A loop a bit longer than the cache is what LRU can't bear. */
const LOOP_SHARE = 0.12;

export const TRACES: readonly Trace[] = [
  {
    name: "zipf",
    about: `few models are asked for often: Zipf, exponent ${ZIPF_EXPONENT}`,
    make: (options) => timed(options, zipfPicker(options)),
  },
  {
    name: "scan",
    about: "Zipf, and every fourth stretch somebody goes through everything once",
    make: (options) => {
      const pick = zipfPicker(options);
      let scanned = 0;
      return timed(options, (at) => {
        const isScanning = Math.floor(at / options.models) % 4 === 3;
        return isScanning ? scanned++ % options.models : pick();
      });
    },
  },
  {
    name: "loop",
    about: `the same ${100 * LOOP_SHARE} % of the models, in turn`,
    make: (options) => timed(options, (at) => (at + options.seed) % Math.round(options.models * LOOP_SHARE)),
  },
  {
    name: "daily",
    about: "Zipf, but by day other models are popular than by night",
    make: (options) => {
      const pick = zipfPicker(options);
      const half = Math.floor(options.models / 2);
      return timed(options, (_, atMs) => {
        const isNight = atMs % DAY_MS >= DAY_MS / 2;
        return (pick() + (isNight ? half : 0)) % options.models;
      });
    },
  },
];

function timed({ seed, requests }: TraceOptions, pick: (at: number, atMs: number) => number): readonly Request[] {
  const random = seededRandom(seed ^ 0x5eed);
  let atMs = 0;
  return Array.from({ length: requests }, (_, at) => {
    atMs += -Math.log(1 - random()) * GAP_MS;
    return { model: pick(at, atMs), atMs };
  });
}

/** Model 0 is not the most popular one: ranks are shuffled. */
function zipfPicker({ seed, models, tasteSeed = seed }: TraceOptions): () => number {
  const random = seededRandom(seed);
  const order = shuffled(models, seededRandom(tasteSeed ^ 0x7a57e));
  const sums: number[] = [];
  let sum = 0;
  for (let rank = 1; rank <= models; rank += 1) {
    sum += rank ** -ZIPF_EXPONENT;
    sums.push(sum);
  }
  return () => {
    const at = random() * sum;
    let [low, high] = [0, models - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] as number) < at) low = middle + 1;
      else high = middle;
    }
    return order[low] as number;
  };
}

function shuffled(count: number, random: () => number): number[] {
  const all = Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    [all[last], all[other]] = [all[other] as number, all[last] as number];
  }
  return all;
}
