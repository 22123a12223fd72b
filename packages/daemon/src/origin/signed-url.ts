/** When a signed download URL stops working. */

/** Renewed this much earlier, so that a request under way, or a clock that is a little off, does not meet the end. */
const MARGIN_MS = 30_000;
/** Of a very short life the margin takes no more than this part. */
const MARGIN_SHARE = 0.1;

/**
 * The time (Unix ms) from which on a URL should no longer be used, as its own query says: `Expires` (CloudFront, Google) or
 * `X-Amz-Date` + `X-Amz-Expires` (S3). `undefined` where it does not say.
 */
export function renewalTimeMs(url: URL, nowMs: number): number | undefined {
  const expiresMs = expiryMs(url.searchParams);
  if (expiresMs === undefined) return undefined;
  return expiresMs - Math.min(MARGIN_MS, Math.max(0, expiresMs - nowMs) * MARGIN_SHARE);
}

function expiryMs(query: URLSearchParams): number | undefined {
  const expires = query.get("Expires");
  if (expires !== null && /^\d{1,12}$/.test(expires)) return Number(expires) * 1000;
  const date = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(query.get("X-Amz-Date") ?? "");
  const seconds = query.get("X-Amz-Expires") ?? "";
  if (date === null || !/^\d{1,9}$/.test(seconds)) return undefined;
  const [year, month, day, hour, minute, second] = date.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return Date.UTC(year, month - 1, day, hour, minute, second) + Number(seconds) * 1000;
}
