/** Whether a source brings so little that it is better left. */

/** A source that brings less than this share of what the others bring crawls. */
const CRAWL_SHARE = 0.25;
/** So many others have to be there to compare with: one or two may be slow themselves. */
const LEAST_PEERS = 4;

export interface Rates {
  /** Bytes per millisecond of the attempt in question. */
  readonly rate: number;
  /**
   * Of attempts that hang on other relays and roots. Those on the same one say nothing: if it crawls, all of them do, and the more
   * shards wait for it, the more usual it would look.
   */
  readonly otherRates: readonly number[];
  /** Of shards that came before; 0 while unknown. */
  readonly usualRate: number;
}

/** Compared with the present where there is one: if the origin's line got slower for all, no source is to blame. */
export function crawls({ rate, otherRates, usualRate }: Rates): boolean {
  if (otherRates.length < LEAST_PEERS) return rate < usualRate * CRAWL_SHARE;
  const sorted = [...otherRates].sort((a, b) => a - b);
  return rate < (sorted[sorted.length >> 1] as number) * CRAWL_SHARE;
}
