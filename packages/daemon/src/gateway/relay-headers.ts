/** Which headers of the Hub's go on to a caller; and JSON without the hints that would lead clients past us. */
import type { OutgoingHttpHeaders } from "node:http";

const PASSED = [
  "content-type",
  "content-disposition",
  "etag",
  "last-modified",
  "x-repo-commit",
  "x-linked-etag",
  "x-linked-size",
  "x-error-code",
  "x-error-message",
  "x-hf-warning",
  "x-request-id",
  "x-total-count",
  "ratelimit",
  "ratelimit-policy",
  "retry-after",
];

export function passedHeaders(fields: Readonly<Record<string, string | undefined>>): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {};
  for (const name of PASSED) if (fields[name] !== undefined) headers[name] = fields[name];
  // What describes a JSON body of the Hub's does not describe ours.
  delete headers["content-type"];
  return headers;
}

/** As {@link passedHeaders}, with the type of the body, which goes on as it is. */
export function passedWithType(fields: Readonly<Record<string, string | undefined>>): OutgoingHttpHeaders {
  const type = fields["content-type"];
  return { ...passedHeaders(fields), ...(type === undefined ? {} : { "content-type": type }) };
}

/** `Link` without the ways to Xet, and with the next page at our address. */
export function rewriteLink(link: string | undefined, endpoint: string, baseUrl: string): string | undefined {
  if (link === undefined) return undefined;
  const kept = link
    .split(/,(?=\s*<)/)
    .filter((part) => !/rel="?xet-/i.test(part))
    .map((part) => part.replace(/<([^>]*)>/, (_, url: string) => `<${moved(url, endpoint, baseUrl)}>`).trim());
  return kept.length === 0 ? undefined : kept.join(", ");
}

function moved(url: string, endpoint: string, baseUrl: string): string {
  if (url.startsWith(`${endpoint}/`)) return baseUrl + url.slice(endpoint.length);
  return url.startsWith("/") ? baseUrl + url : url;
}

/** Whoever knows a file's Xet hash fetches it past us. Changes the value. */
export function stripXet(value: unknown): unknown {
  if (Array.isArray(value)) for (const item of value) stripXet(item);
  else if (typeof value === "object" && value !== null) {
    const record = value as Record<string, unknown>;
    delete record.xetHash;
    for (const item of Object.values(record)) if (typeof item === "object") stripXet(item);
  }
  return value;
}
