/** The way to a running daemon: HTTP over the unix socket in its state folder. */
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { findStateDir, SOCKET_NAME, SwarmError } from "@swarmd/protocol";
import { API_HOSTS, type ApiClient, type ApiRequest, type ApiResponse, createApiClient } from "@swarmd/protocol/api";

export interface CallOptions {
  readonly signal: AbortSignal;
  /** How long the daemon may take to begin its answer. */
  readonly deadlineMs?: number;
}

export type Client = ApiClient<CallOptions>;

/** A daemon begins to answer within milliseconds; only a walk through a huge cache on a slow disk takes long. */
const DEFAULT_DEADLINE_MS = 60_000;

/** Absolute. `--state-dir`, else what environment and system say. */
export function stateDirFor(flag: string | undefined): string {
  return resolve(flag ?? findStateDir(process.env, homedir()));
}

export function connectTo(stateDir: string): Client {
  const socketPath = join(stateDir, SOCKET_NAME);
  return createApiClient((request, options) => send(socketPath, request, options));
}

/** Whether an error says that no daemon listens, as opposed to one that went away in the middle. */
export function isNobodyThere(error: unknown): boolean {
  if (!(error instanceof SwarmError) || error.code !== "DAEMON_UNREACHABLE") return false;
  const { code } = (error.cause ?? {}) as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ECONNREFUSED" || code === "ENOTDIR";
}

function send(socketPath: string, request: ApiRequest, options: CallOptions): Promise<ApiResponse> {
  return new Promise((resolvePromise, reject) => {
    const { method, path, body } = request;
    const headers = {
      host: API_HOSTS[0] as string,
      connection: "close",
      ...(body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
    };
    // Without an agent: one would only work out a TLS name for a socket that has none, which takes milliseconds.
    const createConnection = () => connect(socketPath);
    const outgoing = httpRequest({ createConnection, method, path, headers, signal: options.signal });
    const deadlineMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS;
    const timer = setTimeout(() => outgoing.destroy(new Error(`no answer within ${deadlineMs} ms`)), deadlineMs);
    // Not `once`: after the response there may be another, which nobody needs to hear.
    outgoing.on("error", (cause) => {
      clearTimeout(timer);
      reject(toConnectionError(cause, socketPath, options.signal));
    });
    outgoing.once("response", (response) => {
      clearTimeout(timer);
      resolvePromise({ status: response.statusCode ?? 0, body: readText(response, socketPath, options.signal) });
    });
    outgoing.end(body);
  });
}

async function* readText(
  response: IncomingMessage,
  socketPath: string,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  response.setEncoding("utf8");
  try {
    yield* response as AsyncIterable<string>;
  } catch (cause) {
    throw toConnectionError(cause as Error, socketPath, signal);
  }
}

function toConnectionError(cause: NodeJS.ErrnoException, socketPath: string, signal: AbortSignal): SwarmError {
  if (signal.aborted) return new SwarmError("INTERRUPTED", "interrupted", { cause });
  const { code } = cause;
  if (code === "ENOENT" || code === "ECONNREFUSED" || code === "ENOTDIR") {
    return new SwarmError("DAEMON_UNREACHABLE", `no daemon is running (nobody answers on ${socketPath})`, {
      cause,
      hint: "Start one with swarmd start; for another state folder give --state-dir or set SWARM_HOME.",
    });
  }
  if (code === "EACCES" || code === "EPERM") {
    return new SwarmError("DAEMON_UNREACHABLE", `the daemon's socket ${socketPath} belongs to another user`, {
      cause,
      hint: "Run this as the user who started the daemon, or give this user a daemon of its own.",
    });
  }
  return new SwarmError("DAEMON_UNREACHABLE", `the connection to the daemon broke: ${cause.message}`, {
    cause,
    hint: "Look at its log; then run the same command again. What was fetched is kept.",
  });
}
