/** Bodies of requests: small, whole, within a deadline that the server keeps. */
import type { IncomingMessage } from "node:http";
import { HubError } from "./hub-error.js";

/** Paths of some ten thousand files. */
const MOST_BYTES = 4 * 1024 * 1024;

/** @throws HubError 413 */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw new HubError(413, `the request has more than ${MOST_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** `paths` of a paths-info request, as a form or as JSON. @throws HubError 400 */
export function parsePaths(body: Buffer, contentType: string | undefined): readonly string[] {
  const text = body.toString("utf8");
  if (!/^application\/json\b/i.test(contentType ?? "")) return new URLSearchParams(text).getAll("paths");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new HubError(400, "the request is no JSON", { cause });
  }
  const { paths } = (json ?? {}) as { paths?: unknown };
  const list = typeof paths === "string" ? [paths] : paths;
  if (Array.isArray(list) && list.every((path) => typeof path === "string")) return list;
  throw new HubError(400, "paths is no list of texts");
}
