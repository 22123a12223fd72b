/** Small answers, whole and parsed. */
import { SwarmError } from "@swarmd/protocol";
import type { Head } from "./exchange.js";
import type { OriginHttp } from "./origin-http.js";
import { type OriginUrl, showUrl } from "./origin-url.js";
import { follow } from "./redirects.js";

export interface JsonAnswer {
  readonly json: unknown;
  readonly head: Head;
  /** Where it came from, after redirects. */
  readonly url: URL;
}

export interface FetchJsonOptions {
  readonly signal: AbortSignal;
  readonly maxBytes: number;
  /** The error for an answer that is neither 200, a redirect, nor "not now". */
  readonly explain: (head: Head) => SwarmError;
}

/** Generous for a page of a file list on a bad line; an answer that trickles for longer never ends. */
const TOTAL_TIMEOUT_MS = 120_000;

/**
 * GETs JSON, with retries; redirects are followed, but not from https to http.
 *
 * @throws SwarmError as {@link follow} does, from `explain`, and ORIGIN_FAULT for too many bytes or what is no JSON
 */
export async function fetchJson(http: OriginHttp, start: OriginUrl, options: FetchJsonOptions): Promise<JsonAnswer> {
  const { signal, explain, maxBytes } = options;
  const headers = { accept: "application/json" };
  const attempt = async () => {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    const write = (chunk: Uint8Array): undefined => {
      bytes += chunk.length;
      if (bytes > maxBytes) throw tooLong(start.url, maxBytes);
      chunks.push(chunk);
    };
    const limits = { signal, totalTimeoutMs: TOTAL_TIMEOUT_MS, https: "keep" } as const;
    const onHead = ({ status }: Head) => (status === 200 ? { write } : undefined);
    const followed = await follow(http, { ...start, method: "GET", headers }, onHead, limits);
    return { ...followed, body: Buffer.concat(chunks) };
  };
  const { head, url, body } = await http.retry(attempt, { signal });
  if (head.status !== 200) throw explain(head);
  return { json: parseJson(body, url), head, url };
}

function parseJson(body: Buffer, url: URL): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    // The parser's own message quotes the answer, which is not ours to print.
    throw new SwarmError("ORIGIN_FAULT", `${showUrl(url)} answered with something that is not JSON`, {
      hint: "Check HF_ENDPOINT if you set it; a login page of the network may also be in the way.",
    });
  }
}

function tooLong(url: URL, maxBytes: number): SwarmError {
  return new SwarmError("ORIGIN_FAULT", `${showUrl(url)} answered with more than ${maxBytes} bytes`);
}
