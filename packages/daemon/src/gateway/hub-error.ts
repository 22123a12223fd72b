/** Errors as the Hub says them: a status, a JSON body, and the headers by which its clients tell one from another. */
import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import { type ErrorCode, httpStatusOf, SwarmError } from "@swarmd/protocol";

/** `X-Error-Code`, as huggingface_hub knows them. */
export type HubErrorCode = "RepoNotFound" | "RevisionNotFound" | "EntryNotFound" | "GatedRepo";

export interface HubErrorOptions {
  /** Also one that only the Hub itself knows the meaning of. */
  readonly code?: HubErrorCode | (string & {}) | undefined;
  readonly headers?: OutgoingHttpHeaders;
  readonly cause?: unknown;
}

/** An answer that is no success. */
export class HubError extends Error {
  override readonly name = "HubError";
  readonly status: number;
  readonly code: string | undefined;
  readonly headers: OutgoingHttpHeaders;

  constructor(status: number, message: string, options: HubErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.status = status;
    this.code = options.code;
    this.headers = options.headers ?? {};
  }
}

const HUB_CODES: Partial<Record<ErrorCode, { readonly status: number; readonly code: HubErrorCode }>> = {
  REPO_NOT_FOUND: { status: 404, code: "RepoNotFound" },
  REVISION_NOT_FOUND: { status: 404, code: "RevisionNotFound" },
  FILE_NOT_FOUND: { status: 404, code: "EntryNotFound" },
  ACCESS_GATED: { status: 403, code: "GatedRepo" },
};

/** Whatever was thrown, as an answer. What nobody foresaw says nothing of its inside. */
export function toHubError(error: unknown): HubError {
  if (error instanceof HubError) return error;
  if (!(error instanceof SwarmError)) return new HubError(500, "the gateway failed", { cause: error });
  const known = HUB_CODES[error.code];
  const message = error.hint === undefined ? error.message : `${error.message}. ${error.hint}`;
  if (known !== undefined) return new HubError(known.status, message, { code: known.code, cause: error });
  if (error.code === "INTERNAL") return new HubError(500, "the gateway failed", { cause: error });
  if (error.code === "ORIGIN_BUSY") return busy(error, message);
  return new HubError(httpStatusOf(error.code), message, { cause: error });
}

/** huggingface_hub waits for what these headers say, and for nothing else. */
function busy(error: SwarmError, message: string): HubError {
  const waitS = Math.ceil((error.retryAfterMs ?? 1_000) / 1_000);
  const headers = { "retry-after": String(waitS), ratelimit: `"api";r=0;t=${waitS}` };
  return new HubError(429, message, { headers, cause: error });
}

/** Sends it; an answer that has begun can only be broken off. */
export function sendHubError(response: ServerResponse, error: HubError, isHead: boolean): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const body = Buffer.from(`${JSON.stringify({ error: error.message })}\n`);
  response.writeHead(error.status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": body.length,
    "x-error-message": toHeaderText(error.message),
    ...(error.code === undefined ? {} : { "x-error-code": error.code }),
    ...error.headers,
  });
  response.end(isHead ? undefined : body);
}

/** A header takes no line ends and no letters beyond Latin-1. */
export function toHeaderText(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, "?").slice(0, 500);
}
