/** The rate limits of the Hub: shown on every answer, enforced when a test asks for it. */
import type { RequestKind } from "./route.js";

/** Requests per window. */
export interface Quotas {
  readonly api: number;
  readonly resolvers: number;
  readonly pages: number;
  readonly windowS: number;
}

const ANONYMOUS: Quotas = { api: 500, resolvers: 3_000, pages: 100, windowS: 300 };
const FREE: Quotas = { api: 1_000, resolvers: 5_000, pages: 200, windowS: 300 };

type Bucket = "api" | "resolvers" | "pages";

const RESOLVERS: readonly RequestKind[] = ["resolve", "raw", "resolveCache"];

export interface QuotaState {
  /** The two headers. */
  readonly headers: Readonly<Record<string, string>>;
  readonly isExceeded: boolean;
}

export class QuotaMeter {
  #windows = new Map<string, { endsMs: number; used: number }>();

  /** Counts one request of this caller. With `quotas` undefined only the usual headers come back. */
  count(
    kind: RequestKind,
    caller: { readonly id: string; readonly isAnonymous: boolean },
    quotas?: Quotas,
  ): QuotaState {
    const bucket = bucketOf(kind);
    if (!quotas) {
      const usual = caller.isAnonymous ? ANONYMOUS : FREE;
      return { headers: rateLimitHeaders(bucket, usual, usual[bucket] - 1, usual.windowS), isExceeded: false };
    }
    const now = Date.now();
    const key = `${bucket} ${caller.id}`;
    const known = this.#windows.get(key);
    const window = known && known.endsMs > now ? known : { endsMs: now + quotas.windowS * 1000, used: 0 };
    this.#windows.set(key, window);
    window.used += 1;
    const left = Math.max(0, quotas[bucket] - window.used);
    const headers = rateLimitHeaders(bucket, quotas, left, Math.ceil((window.endsMs - now) / 1000));
    return { headers, isExceeded: window.used > quotas[bucket] };
  }
}

/** The headers of a caller who has used everything up, for the fault `rateLimited`. */
export function exhaustedHeaders(kind: RequestKind, resetS: number): Record<string, string> {
  return rateLimitHeaders(bucketOf(kind), ANONYMOUS, 0, resetS);
}

function rateLimitHeaders(bucket: Bucket, quotas: Quotas, left: number, resetS: number): Record<string, string> {
  return {
    RateLimit: `"${bucket}";r=${left};t=${resetS}`,
    "RateLimit-Policy": `"fixed window";"${bucket}";q=${quotas[bucket]};w=${quotas.windowS}`,
  };
}

function bucketOf(kind: RequestKind): Bucket {
  if (RESOLVERS.includes(kind)) return "resolvers";
  return kind === "other" || kind === "file" ? "pages" : "api";
}
