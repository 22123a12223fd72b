/**
 * Every error a person or a program can meet has a stable code here. Branch on `code`, never on text.
 *
 * The table says, per code: the exit code of `swarm`, the HTTP status of the local API, and whose fault it is.
 */

import type { NodeId } from "./brands.js";

/** Who has to answer for a failed fetch. Scoring and back-off read only this. */
export type Blame = "peer" | "origin" | "self" | "none";

interface CodeInfo {
  /** Exit code of `swarm`; the README has the table. */
  readonly exit: number;
  /** Status of the local API. */
  readonly http: number;
  readonly blame: Blame;
}

const CODES = {
  INTERNAL: { exit: 1, http: 500, blame: "self" },
  USAGE: { exit: 2, http: 400, blame: "none" },

  REPO_NOT_FOUND: { exit: 3, http: 404, blame: "none" },
  REVISION_NOT_FOUND: { exit: 3, http: 404, blame: "none" },
  FILE_NOT_FOUND: { exit: 3, http: 404, blame: "none" },

  ACCESS_GATED: { exit: 4, http: 403, blame: "none" },
  ACCESS_DENIED: { exit: 4, http: 401, blame: "none" },

  /** The whole file does not match the digest the origin vouches for, and a second fetch did not help. */
  INTEGRITY: { exit: 5, http: 502, blame: "origin" },
  /** The origin names a file that must not be written: `..`, an absolute path, a name Windows reserves. */
  UNSAFE_FILE_NAME: { exit: 5, http: 502, blame: "origin" },
  /** A file of a repo is not what its name says: the header of a model file can't be read. */
  CONTENT_INVALID: { exit: 5, http: 502, blame: "origin" },

  /** No source could be reached: no network, a wrong endpoint, a server that is down. */
  NO_SOURCE: { exit: 6, http: 504, blame: "none" },
  /** The origin could not be reached or broke off: try again. */
  ORIGIN_UNREACHABLE: { exit: 6, http: 504, blame: "origin" },
  /** The origin answered 5xx, or something that is no valid answer. */
  ORIGIN_FAULT: { exit: 6, http: 502, blame: "origin" },
  /** The origin asks to be left alone for a while (429). */
  ORIGIN_BUSY: { exit: 6, http: 503, blame: "origin" },
  /** The origin sent nothing for too long. */
  ORIGIN_STALLED: { exit: 6, http: 504, blame: "origin" },
  /** The file behind the URL changed while it was being fetched. */
  ORIGIN_CHANGED: { exit: 6, http: 502, blame: "origin" },
  /** The origin does not say how long the file is, so its shards can't be planned. */
  ORIGIN_NO_LENGTH: { exit: 6, http: 502, blame: "origin" },
  /** The origin ignores Range: the file can be had only as one stream from its start. */
  ORIGIN_NO_RANGES: { exit: 6, http: 502, blame: "origin" },
  /** `--offline`, and what was asked for is not in the cache. */
  OFFLINE: { exit: 6, http: 504, blame: "none" },

  /** A peer could not be reached or broke off. */
  PEER_UNREACHABLE: { exit: 6, http: 504, blame: "peer" },
  /** A peer has no upload slot free now. */
  PEER_BUSY: { exit: 6, http: 503, blame: "none" },
  /** A peer does not have the shard, and is not about to get it. */
  PEER_LACKS: { exit: 6, http: 404, blame: "none" },
  /** A peer may not serve this to us. */
  PEER_DENIED: { exit: 6, http: 403, blame: "none" },
  /** A peer sent nothing for too long. */
  PEER_STALLED: { exit: 6, http: 504, blame: "peer" },
  /** A peer sent a shard that does not match its attestation or proof. */
  PEER_CORRUPT: { exit: 5, http: 502, blame: "peer" },
  /** A peer found out that what it passed on to us is wrong, and says so. */
  PEER_TAINTED: { exit: 5, http: 502, blame: "none" },
  /** A peer sent a shard, and nobody vouches for it: neither it nor another peer brought evidence in time. */
  PEER_UNPROVEN: { exit: 6, http: 502, blame: "peer" },
  /** A peer broke the protocol. */
  PEER_FAULT: { exit: 6, http: 502, blame: "peer" },

  /** The cache is at its bound, and nothing in it may go. */
  CACHE_FULL: { exit: 7, http: 503, blame: "self" },
  NO_SPACE: { exit: 7, http: 507, blame: "self" },
  DAEMON_UNREACHABLE: { exit: 8, http: 503, blame: "none" },
  /** Another node uses this state folder. */
  STATE_IN_USE: { exit: 1, http: 500, blame: "self" },
  /** The cache or the state folder can't be read or written. */
  STORE_FAULT: { exit: 1, http: 500, blame: "self" },
  /** A port or a socket is taken. */
  ADDRESS_IN_USE: { exit: 1, http: 500, blame: "self" },
  INTERRUPTED: { exit: 130, http: 499, blame: "none" },
} as const satisfies Record<string, CodeInfo>;

export type ErrorCode = keyof typeof CODES;

export interface SwarmErrorOptions {
  readonly cause?: unknown;
  /** One sentence: what the reader can do about it. */
  readonly hint?: string;
  /** Overrides the table, for a fault that this time lies elsewhere. */
  readonly blame?: Blame;
  /** The source asked to be left alone this long. */
  readonly retryAfterMs?: number;
  /** PEER_BUSY, PEER_LACKS: who else may have the shard, as the refusing peer said. */
  readonly redirect?: readonly NodeId[];
}

/** The one error class of this project. `message` says what happened and to what; `hint` says what to do. */
export class SwarmError extends Error {
  override readonly name = "SwarmError";
  readonly code: ErrorCode;
  readonly blame: Blame;
  readonly hint: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly redirect: readonly NodeId[] | undefined;

  constructor(code: ErrorCode, message: string, options: SwarmErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.blame = options.blame ?? CODES[code].blame;
    this.hint = options.hint;
    this.retryAfterMs = options.retryAfterMs;
    this.redirect = options.redirect;
  }
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === "string" && Object.hasOwn(CODES, value);
}

/** Exit code of `swarm` for this code. */
export function exitCodeOf(code: ErrorCode): number {
  return CODES[code].exit;
}

/** HTTP status of the local API for this code. */
export function httpStatusOf(code: ErrorCode): number {
  return CODES[code].http;
}

/** Wraps whatever was thrown, so that every boundary deals with one kind of error. */
export function toSwarmError(error: unknown, fallback: ErrorCode = "INTERNAL"): SwarmError {
  if (error instanceof SwarmError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new SwarmError(fallback, message, { cause: error });
}

/** An error as it crosses the local API. */
export interface ErrorBody {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
}

export function toErrorBody(error: SwarmError): ErrorBody {
  return error.hint === undefined
    ? { code: error.code, message: error.message }
    : { code: error.code, message: error.message, hint: error.hint };
}

export function fromErrorBody(body: unknown): SwarmError {
  const { code, message, hint } = (body ?? {}) as Partial<ErrorBody>;
  return new SwarmError(
    isErrorCode(code) ? code : "INTERNAL",
    typeof message === "string" ? message : "the daemon answered with an error it does not explain",
    typeof hint === "string" ? { hint } : {},
  );
}

/** A failure as plain data: what the engine decides by, and what survives a trip between threads. */
export interface Fault {
  readonly code: ErrorCode;
  readonly blame: Blame;
  readonly message: string;
  /** The source asked to be left alone this long. */
  readonly retryAfterMs?: number;
  readonly hint?: string;
  /** PEER_BUSY, PEER_LACKS: who else may have the shard, as the refusing peer said. */
  readonly redirect?: readonly NodeId[];
}

export function toFault(error: unknown): Fault {
  const { code, blame, message, retryAfterMs, hint, redirect } = toSwarmError(error);
  return {
    code,
    blame,
    message,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(hint === undefined ? {} : { hint }),
    ...(redirect === undefined ? {} : { redirect }),
  };
}

export function fromFault(fault: Fault): SwarmError {
  const { code, message, ...options } = fault;
  return new SwarmError(code, message, options);
}
