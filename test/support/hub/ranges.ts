/** Range and the conditional headers, as RFC 9110 reads them. */

/** Start inclusive, end exclusive. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** One range inside the content; `unsatisfiable` for one outside; `whole` for none, several, or what can't be read. */
export function parseRange(header: string | undefined, sizeBytes: number): ByteRange | "whole" | "unsatisfiable" {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? "");
  const [, first = "", last = ""] = match ?? [];
  if (first === "" && last === "") return "whole";
  if (first === "") {
    const length = Math.min(Number(last), sizeBytes);
    return length === 0 ? "unsatisfiable" : { start: sizeBytes - length, end: sizeBytes };
  }
  const start = Number(first);
  const end = last === "" ? sizeBytes : Math.min(Number(last) + 1, sizeBytes);
  if (last !== "" && Number(last) < start) return "whole";
  return start >= sizeBytes ? "unsatisfiable" : { start, end };
}

/** If-None-Match: weak comparison, a list, or `*`. */
export function matchesEtag(header: string | undefined, etag: string | undefined): boolean {
  if (header === undefined || etag === undefined) return false;
  if (header.trim() === "*") return true;
  return header.split(",").some((one) => withoutWeakness(one) === withoutWeakness(etag));
}

/** If-Range: strong comparison of an ETag, or the exact date. Absent: true. */
export function allowsRange(header: string | undefined, etag: string | undefined, lastModified?: string): boolean {
  if (header === undefined) return true;
  if (header.startsWith("W/") || etag?.startsWith("W/")) return false;
  return header === etag || (lastModified !== undefined && header === lastModified);
}

/** If-Modified-Since counts only where there is no If-None-Match. */
export function isUnmodifiedSince(header: string | undefined, lastModified: Date | undefined): boolean {
  if (header === undefined || lastModified === undefined) return false;
  return Math.floor(lastModified.getTime() / 1000) * 1000 <= Date.parse(header);
}

function withoutWeakness(etag: string): string {
  return etag.trim().replace(/^W\//, "");
}
