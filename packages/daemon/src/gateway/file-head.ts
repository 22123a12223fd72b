/** What an answer says of a file before its bytes, and whether the caller needs these at all. */
import type { OutgoingHttpHeaders } from "node:http";
import { type BlobId, type CommitId, digestOf } from "@swarmd/protocol";
import { type ByteRange, parseRanges } from "./byte-ranges.js";
import { HubError } from "./hub-error.js";
import type { GatewayCall } from "./route-table.js";

export interface ServedFile {
  readonly blob: BlobId;
  readonly sizeBytes: number;
  /** Where it is a file of a commit. */
  readonly commit?: CommitId;
  readonly path?: string;
  /** Beyond what every file has. */
  readonly headers?: OutgoingHttpHeaders;
  /** What callers may have of it is wrong: whoever wants to go on gets all of it, from the start. */
  readonly isTainted?: boolean;
}

export interface FileHead {
  readonly status: 200 | 206 | 304;
  readonly headers: OutgoingHttpHeaders;
  /** What is to be sent. */
  readonly range: ByteRange;
}

/** @throws HubError 416 */
export function fileHead({ request, isHead }: GatewayCall, file: ServedFile): FileHead {
  const { sizeBytes } = file;
  const { headers: asked } = request;
  const etag = `"${digestOf(file.blob)?.hex}"`;
  const headers: OutgoingHttpHeaders = { etag, ...identityOf(file), "accept-ranges": "bytes", ...file.headers };
  if (matches(asked["if-none-match"], etag)) {
    return { status: 304, headers, range: { startBytes: 0, endBytes: 0 } };
  }
  // RFC 9110: Range means something for GET only, and only while the file is the one the caller knows.
  const goesOn = file.isTainted === true && /^bytes=\d*[1-9]\d*-$/.test(asked.range ?? "");
  const applies = !isHead && !goesOn && (asked["if-range"] === undefined || asked["if-range"] === etag);
  const answer = parseRanges(applies ? asked.range : undefined, sizeBytes);
  if (answer.kind === "unsatisfiable") {
    throw new HubError(416, `the file has ${sizeBytes} bytes`, {
      headers: { "content-range": `bytes */${sizeBytes}` },
    });
  }
  const range = answer.kind === "part" ? answer.range : { startBytes: 0, endBytes: sizeBytes };
  const about = {
    ...headers,
    "content-type": "application/octet-stream",
    "content-length": range.endBytes - range.startBytes,
  };
  if (answer.kind === "whole") return { status: 200, headers: about, range };
  const contentRange = `bytes ${range.startBytes}-${range.endBytes - 1}/${sizeBytes}`;
  return { status: 206, headers: { ...about, "content-range": contentRange }, range };
}

/** `X-Linked-*` for what the Hub keeps in LFS or Xet: there the ETag of a redirect would be another. */
function identityOf({ blob, sizeBytes, commit, path }: ServedFile): OutgoingHttpHeaders {
  const digest = digestOf(blob);
  return {
    ...(commit === undefined ? {} : { "x-repo-commit": commit }),
    ...(digest?.algorithm === "sha256" ? { "x-linked-etag": `"${digest.hex}"`, "x-linked-size": sizeBytes } : {}),
    ...(path === undefined ? {} : { "content-disposition": disposition(path) }),
  };
}

function disposition(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const plain = name.replace(/[^\x20-\x7e]|["\\]/g, "_");
  const encoded = encodeURIComponent(name).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16)}`);
  return `inline; filename*=UTF-8''${encoded}; filename="${plain}";`;
}

function matches(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(",").some((one) => one.trim() === "*" || one.trim().replace(/^W\//, "") === etag);
}
