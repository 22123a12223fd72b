/** What header fields of an answer mean. Every function takes the raw field and answers `undefined` for what it can't read. */

/** An ETag without `W/` and quotes. */
export function parseEtag(field: string | undefined): string | undefined {
  const etag = field
    ?.trim()
    .replace(/^W\//, "")
    .replace(/^"(.*)"$/, "$1");
  return etag === "" ? undefined : etag;
}

/** A byte count: decimal, and small enough to calculate with. */
export function parseByteCount(field: string | undefined): number | undefined {
  if (field === undefined || !/^\d{1,16}$/.test(field.trim())) return undefined;
  const count = Number(field);
  return Number.isSafeInteger(count) ? count : undefined;
}

export interface ContentRange {
  /** Absent in `bytes *\/123`, the answer to a range that is not there. `endBytes` is exclusive. */
  readonly range?: { readonly startBytes: number; readonly endBytes: number };
  /** Absent where the server does not say. */
  readonly totalBytes?: number;
}

/** `bytes 0-99/1234`, `bytes 0-99/*`, `bytes *\/1234`. */
export function parseContentRange(field: string | undefined): ContentRange | undefined {
  const match = /^\s*bytes\s+(?:(\d{1,16})-(\d{1,16})|\*)\/(\d{1,16}|\*)\s*$/i.exec(field ?? "");
  if (match === null) return undefined;
  const [, first, last, total] = match;
  return {
    ...(first === undefined ? {} : { range: { startBytes: Number(first), endBytes: Number(last) + 1 } }),
    ...(total === "*" ? {} : { totalBytes: Number(total) }),
  };
}

/** The Hub counts in whole seconds and may round down. */
const RATE_LIMIT_SLACK_S = 1;

/**
 * How long the server wants to be left alone, in ms: `RateLimit: "api";r=0;t=55` where nothing remains, else `Retry-After` in
 * seconds. Dates in Retry-After are ignored, as the Hub's own clients do.
 */
export function parseRetryAfterMs(fields: Readonly<Record<string, string | undefined>>): number | undefined {
  const exhausted = (fields.ratelimit ?? "").split(",").flatMap((policy) => {
    const seconds = /;\s*t=(\d{1,6})(?:\s*;|\s*$)/.exec(policy)?.[1];
    return seconds !== undefined && /;\s*r=0(?:\s*;|\s*$)/.test(policy) ? [Number(seconds) + RATE_LIMIT_SLACK_S] : [];
  });
  if (exhausted.length > 0) return Math.max(...exhausted) * 1000;
  const retryAfter = fields["retry-after"]?.trim() ?? "";
  return /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) * 1000 : undefined;
}

/** The address behind `rel="next"` of a Link field. */
export function parseLinkNext(field: string | undefined): string | undefined {
  for (const [, target, parameters = ""] of (field ?? "").matchAll(/<([^>]*)>((?:\s*;\s*[^,;"]+(?:"[^"]*")?)*)/g)) {
    if (/;\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next)(?=\s*;|\s*$)/i.test(parameters)) return target;
  }
  return undefined;
}

/** The file name in a Content-Disposition, as sent: it may hold anything, folders included. */
export function parseDispositionName(field: string | undefined): string | undefined {
  const extended = /;\s*filename\*\s*=\s*(?:utf-8|iso-8859-1)'[^']*'([^;\s]+)/i.exec(field ?? "")?.[1];
  if (extended !== undefined) {
    try {
      return decodeURIComponent(extended);
    } catch {
      // Not percent-encoded UTF-8: the plain form, if there is one, has to do.
    }
  }
  const [, quoted, bare] = /;\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/i.exec(field ?? "") ?? [];
  return quoted?.replace(/\\(.)/g, "$1") ?? bare;
}
