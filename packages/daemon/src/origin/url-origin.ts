/** A file behind any HTTP(S) URL: what it is at this moment. */
import { createHash } from "node:crypto";
import { type BlobId, parseBlobId, SwarmError } from "@swarmd/protocol";
import type { Head } from "./exchange.js";
import { parseByteCount, parseContentRange, parseDispositionName, parseEtag } from "./header-fields.js";
import type { HttpRequest, OriginDeps, OriginHttp } from "./origin-http.js";
import { type OriginUrl, parseOriginUrl, showUrl } from "./origin-url.js";
import { type Followed, follow } from "./redirects.js";

/** What tells one version of a file from another; as sent, with quotes and `W/`. */
export interface UrlValidators {
  readonly etag?: string;
  readonly lastModified?: string;
}

/** A version of the file. `blob` is provisional: the digest is known once all bytes are. */
export interface UrlDescription {
  readonly blob: BlobId;
  readonly sizeBytes: number;
  /** `false`: only the whole file can be had, in one stream. */
  readonly acceptsRanges: boolean;
  /** One plain name: no folders, nothing that can't be shown. */
  readonly fileName: string;
  readonly validators: UrlValidators;
}

/** Of each of the few small requests that make a description. */
const TOTAL_TIMEOUT_MS = 60_000;
const FALLBACK_NAME = "download";
const MAX_NAME_BYTES = 200;

export class UrlOrigin {
  readonly #http: OriginHttp;

  constructor(deps: OriginDeps) {
    this.#http = deps.http;
  }

  /**
   * Asks with HEAD, and where that does not tell all, with a GET of one byte.
   *
   * @throws SwarmError USAGE for no URL, FILE_NOT_FOUND, ACCESS_DENIED, ORIGIN_NO_LENGTH, and what {@link follow} throws
   */
  async describe(url: string, { signal }: { readonly signal: AbortSignal }): Promise<UrlDescription> {
    const start = parseOriginUrl(url);
    return toDescription(await this.#ask(start, {}, signal), start);
  }

  /**
   * Whether the file still is what these validators stand for. Without a validator nobody can tell, and that counts as changed.
   *
   * @throws SwarmError like {@link UrlOrigin.describe}
   */
  async isUnchanged(
    url: string,
    validators: UrlValidators,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<boolean> {
    const start = parseOriginUrl(url);
    const conditions = conditionsOf(validators);
    if (Object.keys(conditions).length === 0) return false;
    const { head } = await this.#ask(start, conditions, signal);
    if (head.status === 304) return true;
    if (head.status !== 200 && head.status !== 206) throw explainUrlRefusal(head, start);
    // Not every server understands conditions; what it says of the file can be compared all the same.
    const { etag, "last-modified": lastModified } = head.fields;
    if (validators.etag !== undefined) return parseEtag(etag) === parseEtag(validators.etag);
    return lastModified === validators.lastModified;
  }

  async #ask(start: OriginUrl, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Followed> {
    const limits = { signal, totalTimeoutMs: TOTAL_TIMEOUT_MS, https: "may-drop" } as const;
    const request = (method: HttpRequest["method"], more: Readonly<Record<string, string>>) =>
      follow(this.#http, { ...start, method, headers: { ...headers, ...more } }, () => undefined, limits);
    const attempt = async () => {
      const answer = await request("HEAD", {});
      return isTelling(answer.head) ? answer : request("GET", { range: "bytes=0-0" });
    };
    return await this.#http.retry(attempt, { signal });
  }
}

function conditionsOf({ etag, lastModified }: UrlValidators): Readonly<Record<string, string>> {
  return {
    ...(etag === undefined ? {} : { "if-none-match": etag }),
    ...(lastModified === undefined ? {} : { "if-modified-since": lastModified }),
  };
}

/** Whether the answer to a HEAD leaves nothing to ask. */
function isTelling({ status, fields }: Head): boolean {
  if (status === 304 || status === 401 || status === 404 || status === 410) return true;
  if (status !== 200 || parseByteCount(fields["content-length"]) === undefined) return false;
  return fields["content-encoding"] === undefined && /^(?:bytes|none)$/i.test(fields["accept-ranges"] ?? "");
}

function toDescription({ head, url }: Followed, start: OriginUrl): UrlDescription {
  const { etag, "last-modified": lastModified, "content-disposition": disposition } = head.fields;
  const { sizeBytes, acceptsRanges } = sizeOf(head, start);
  return {
    blob: provisionalId(start.url, `${etag ?? ""}\n${lastModified ?? ""}`, sizeBytes),
    sizeBytes,
    acceptsRanges,
    fileName:
      plainName(parseDispositionName(disposition)) ?? lastSegment(start.url) ?? lastSegment(url) ?? FALLBACK_NAME,
    validators: {
      ...(etag === undefined ? {} : { etag }),
      ...(lastModified === undefined ? {} : { lastModified }),
    },
  };
}

function sizeOf(head: Head, start: OriginUrl): Pick<UrlDescription, "sizeBytes" | "acceptsRanges"> {
  const { status, fields } = head;
  const total = parseContentRange(fields["content-range"])?.totalBytes;
  if (status === 416 && total === 0) return { sizeBytes: 0, acceptsRanges: true };
  if (status !== 200 && status !== 206) throw explainUrlRefusal(head, start);
  const length = fields["content-encoding"] === undefined ? parseByteCount(fields["content-length"]) : undefined;
  const sizeBytes = status === 206 ? total : length;
  if (sizeBytes === undefined) {
    throw new SwarmError("ORIGIN_NO_LENGTH", `the server does not say how long ${showUrl(start.url)} is`, {
      hint: "Fetch it with curl, or from a server that sends Content-Length: swarmd plans a file before it fetches it.",
    });
  }
  // The answer to a HEAD is a 200 that names ranges; the answer to the one-byte GET is a 200 only if Range was ignored.
  return { sizeBytes, acceptsRanges: status === 206 || /^bytes$/i.test(fields["accept-ranges"] ?? "") };
}

function provisionalId(url: URL, validators: string, sizeBytes: number): BlobId {
  const version = sha256(validators).slice(0, 16);
  return parseBlobId(`url:${sha256(url.href)}:${version}:${sizeBytes}`);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function lastSegment(url: URL): string | undefined {
  const segment = url.pathname.split("/").at(-1) ?? "";
  try {
    return plainName(decodeURIComponent(segment));
  } catch {
    return plainName(segment);
  }
}

/** The last part of what may be a path, without what no file name should have; `undefined` if nothing is left. */
function plainName(text: string | undefined): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out.
  const name = (text?.split(/[/\\]/).at(-1) ?? "").replace(/[\u0000-\u001f\u007f]/g, "").trim();
  return name === "" || name === "." || name === ".." || Buffer.byteLength(name) > MAX_NAME_BYTES ? undefined : name;
}

/** The error for an answer that is neither the file, a redirect, nor "not now". */
export function explainUrlRefusal({ status }: Head, { url, authorization }: OriginUrl): SwarmError {
  const name = showUrl(url);
  if (status === 404 || status === 410) {
    return new SwarmError("FILE_NOT_FOUND", `${url.host} has no ${name} (${status})`, { hint: "Check the address." });
  }
  if (status === 401 || status === 403) {
    return new SwarmError("ACCESS_DENIED", `${url.host} does not let you read ${name} (${status})`, {
      hint:
        authorization === undefined
          ? "If it needs a password, put it into the URL (https://user:password@host/…); a signed link may have expired."
          : "Check the user and password in the URL.",
    });
  }
  return new SwarmError("ORIGIN_FAULT", `${url.host} answered ${status} to the request for ${name}`, {
    hint: "Check the address.",
  });
}
