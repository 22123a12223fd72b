/** How long to wait after failures, and which failures are worth another try. */
import type { ErrorCode } from "@swarmd/protocol";

/** As the Hub's own client does: 2 s, 4 s, 8 s … */
const FIRST_DELAY_MS = 2_000;
/** Longer waits help nobody: a person is watching. */
const MAX_DELAY_MS = 60_000;
/** A source that broke off after giving bytes is asked again almost at once. */
export const AFTER_PROGRESS_DELAY_MS = 250;
/** So many failures of one shard in a row, without a byte in between, and the blob is given up. */
export const MAX_FAILURES = 6;

const RETRYABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "ORIGIN_UNREACHABLE",
  "ORIGIN_FAULT",
  "ORIGIN_BUSY",
  "ORIGIN_STALLED",
]);

/** Whether the origin may do better next time. */
export function isRetryable(code: ErrorCode): boolean {
  return RETRYABLE.has(code);
}

/**
 * The wait before try number `failures + 1`: doubling, from 75 % to 125 %, so that many nodes don't come back together.
 *
 * @param random from 0 to 1.
 */
export function backOffMs(failures: number, random: number): number {
  const delayMs = Math.min(FIRST_DELAY_MS * 2 ** Math.max(0, failures - 1), MAX_DELAY_MS);
  return Math.round(delayMs * (0.75 + random / 2));
}
