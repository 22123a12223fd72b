/** Reads the head of an answer of the direct lane. Strict: a peer that is sloppy here is sloppy with bytes too. */
import { SwarmError } from "@swarmd/protocol";

export interface ResponseHead {
  readonly status: number;
  readonly lengthBytes: number;
  /** Of 206: which bytes, of how many. */
  readonly range: { readonly startBytes: number; readonly endBytes: number; readonly sizeBytes: number } | undefined;
  readonly retryAfterMs: number | undefined;
  readonly keepAlive: boolean;
}

const STATUS_LINE = /^HTTP\/1\.1 ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*([\t\x20-\x7e\x80-\xff]*?)[\t ]*$/;
const CONTENT_RANGE = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/;
/** Longer than any sane peer asks for: an hour. */
const MOST_RETRY_AFTER_S = 3600;

/**
 * @param text without the empty line at its end
 * @throws SwarmError PEER_FAULT
 */
export function parseResponseHead(text: string): ResponseHead {
  const [statusLine = "", ...lines] = text.split("\r\n");
  const status = STATUS_LINE.exec(statusLine)?.[1];
  if (status === undefined) throw badHead("its status line is none");
  const fields = parseFields(lines);
  if (fields.has("transfer-encoding")) throw badHead("it is sent in an encoding");
  const length = fields.get("content-length");
  if (length === undefined || !/^\d{1,15}$/.test(length)) throw badHead("it does not say its length");
  return {
    status: Number(status),
    lengthBytes: Number(length),
    range: parseRange(fields.get("content-range")),
    retryAfterMs: parseRetryAfter(fields.get("retry-after")),
    keepAlive: fields.get("connection")?.toLowerCase() !== "close",
  };
}

function parseFields(lines: readonly string[]): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of lines) {
    const match = FIELD.exec(line);
    if (match === null) throw badHead("it has a line that is no header");
    const name = (match[1] as string).toLowerCase();
    if (name === "content-length" && fields.has(name)) throw badHead("it says its length twice");
    fields.set(name, match[2] as string);
  }
  return fields;
}

function parseRange(text: string | undefined): ResponseHead["range"] {
  const match = CONTENT_RANGE.exec(text ?? "");
  if (match === null) return undefined;
  return { startBytes: Number(match[1]), endBytes: Number(match[2]) + 1, sizeBytes: Number(match[3]) };
}

function parseRetryAfter(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Math.min(Number(text), MOST_RETRY_AFTER_S) * 1000 : undefined;
}

function badHead(how: string): SwarmError {
  return new SwarmError("PEER_FAULT", `a peer's answer on the direct lane makes no sense: ${how}`);
}
