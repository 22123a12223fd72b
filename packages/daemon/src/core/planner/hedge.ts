/** Whether a slow attempt deserves a second source. */

export interface Pace {
  readonly ageMs: number;
  readonly doneBytes: number;
  readonly leftBytes: number;
  /** How long shards took lately: median and the slowest tenth. 0 while nothing is known. */
  readonly p50Ms: number;
  readonly p90Ms: number;
  /** Nothing is left to begin, and little under way. */
  readonly isLast: boolean;
}

/** Less than this left is through before a second source answers. */
const LEAST_BYTES = 1024 * 1024;
const LEAST_MS = 500;

/** @returns which kind of second source, or undefined for none. */
export function hedge({ ageMs, doneBytes, leftBytes, p50Ms, p90Ms, isLast }: Pace): "hedge" | "endgame" | undefined {
  if (p90Ms === 0 || leftBytes < LEAST_BYTES || ageMs < LEAST_MS) return undefined;
  const leftMs = doneBytes === 0 ? Number.POSITIVE_INFINITY : (ageMs * leftBytes) / doneBytes;
  if (isLast && ageMs > p50Ms && leftMs > Math.max(LEAST_MS, p50Ms)) return "endgame";
  if (ageMs > 2 * p90Ms && leftMs > 2 * p90Ms) return "hedge";
  return undefined;
}
