/**
 * gateway: the Hub's face on this machine, for clients that know nothing of us.
 *
 * *Purpose*: HTTP as the Hugging Face Hub speaks it, answered from cache, swarm and origin. *In*: requests of programs of this machine.
 * *Out*: metadata, bytes in order while they arrive, errors as the Hub says them. *Never*: decides where bytes come from, asks any
 * host but the origin, keeps a caller's token, or gives anybody what the Hub would not give him.
 */
import { setMaxListeners } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { SwarmError } from "@swarmd/protocol";
import type { Logger } from "../observe/logger.js";
import { callerOf } from "./caller.js";
import { admit } from "./guard.js";
import { HubError, sendHubError, toHubError } from "./hub-error.js";
import { findRoute, type GatewayRoute } from "./route-table.js";

export interface GatewayServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** What callers have to name when the gateway listens beyond loopback; `undefined` where it does not. */
  readonly token: string | undefined;
}

export interface GatewayServerDeps {
  /** Tried in order. */
  readonly routes: readonly GatewayRoute[];
  readonly logger: Logger;
}

/** A Hub token, a long path, and what proxies add. */
const MOST_HEADER_BYTES = 32 * 1024;
const HEAD_DEADLINE_MS = 10_000;
/** For a whole request with its body: the largest is a list of paths. */
const REQUEST_DEADLINE_MS = 60_000;
/** Longer than clients keep a connection between two files. */
const KEEP_ALIVE_MS = 60_000;
const MOST_CONNECTIONS = 2_048;
const STOP_MS = 1_000;

export class GatewayServer {
  readonly name = "gateway";
  readonly #options: GatewayServerOptions;
  readonly #deps: GatewayServerDeps;
  readonly #server: Server;
  readonly #stopped = new AbortController();
  readonly #answering = new Set<Promise<void>>();

  constructor(options: GatewayServerOptions, deps: GatewayServerDeps) {
    this.#options = options;
    this.#deps = deps;
    // Every request listens to it.
    setMaxListeners(0, this.#stopped.signal);
    const limits = {
      maxHeaderSize: MOST_HEADER_BYTES,
      headersTimeout: HEAD_DEADLINE_MS,
      requestTimeout: REQUEST_DEADLINE_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: 5_000,
      noDelay: true,
    };
    this.#server = createServer(limits, (request, response) => this.#take(request, response));
    this.#server.maxConnections = MOST_CONNECTIONS;
    this.#server.on("clientError", (error: NodeJS.ErrnoException, socket) =>
      refuseRaw(socket, statusOfParseError(error)),
    );
    // Otherwise Node would close without a word.
    this.#server.on("connect", (_request, socket) => refuseRaw(socket, 405));
    this.#server.on("upgrade", (_request, socket) => refuseRaw(socket, 400));
  }

  /** Where it listens. @throws SwarmError INTERNAL before `start` */
  get port(): number {
    const address = this.#server.address() as AddressInfo | null;
    if (address === null) throw new SwarmError("INTERNAL", "the gateway does not listen yet");
    return address.port;
  }

  /** @throws SwarmError ADDRESS_IN_USE */
  async start(): Promise<void> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (cause) =>
        reject(
          new SwarmError("ADDRESS_IN_USE", `the gateway can't listen on ${host}:${port}: ${cause.message}`, {
            cause,
            hint: "Choose another port with --gateway-port (0 for any free one), or go without: --no-gateway.",
          }),
        ),
      );
      this.#server.listen({ host, port }, () => resolve());
    });
  }

  /** Breaks off what is being sent and closes every connection. */
  async stop(): Promise<void> {
    this.#stopped.abort(new SwarmError("INTERRUPTED", "the node is stopping"));
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    // Who waits for the Hub hears of the end only with its answer, and nobody hears him any more.
    await Promise.race([Promise.all(this.#answering), sleep(STOP_MS, undefined, { ref: false })]);
    await closed;
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const answering = this.#answer(request, response).finally(() => this.#answering.delete(answering));
    this.#answering.add(answering);
  }

  /** Never throws: whatever goes wrong becomes an answer. */
  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const isHead = request.method === "HEAD";
    const gone = new AbortController();
    const onStop = () => gone.abort(this.#stopped.signal.reason);
    response.once("close", () => gone.abort(new SwarmError("INTERRUPTED", "the client went away")));
    this.#stopped.signal.addEventListener("abort", onStop, { once: true });
    try {
      const admitted = admit(request.url ?? "/", request.headers, this.#options);
      const { route, params } = findRoute(this.#deps.routes, request.method ?? "GET", admitted.path);
      const caller = callerOf(request.headers.authorization);
      await route.handle({ request, response, isHead, params, caller, ...admitted, signal: gone.signal });
    } catch (error) {
      this.#refuse(error, request, response);
    } finally {
      this.#stopped.signal.removeEventListener("abort", onStop);
    }
  }

  #refuse(error: unknown, request: IncomingMessage, response: ServerResponse): void {
    const refusal = toHubError(error);
    if (refusal.status === 500) {
      const path = (request.url ?? "").split("?")[0]?.replace(/^\/t\/[^/]*/, "");
      this.#deps.logger.error({ err: refusal.cause ?? refusal, path }, "a request to the gateway failed");
    }
    // The rest of a request that was refused midway is not read, so its connection can't be used again.
    if (!request.complete) response.shouldKeepAlive = false;
    sendHubError(response, refusal, request.method === "HEAD");
  }
}

function statusOfParseError({ code }: NodeJS.ErrnoException): number {
  if (code === "HPE_HEADER_OVERFLOW") return 431;
  return code === "ERR_HTTP_REQUEST_TIMEOUT" ? 408 : 400;
}

const RAW_MESSAGES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  405: "Method Not Allowed",
  408: "Request Timeout",
  431: "Request Header Fields Too Large",
};

/** Where there is no request that could be answered the ordinary way. */
function refuseRaw(socket: Duplex, status: number): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const reason = RAW_MESSAGES[status] ?? "Bad Request";
  const body = `${JSON.stringify({ error: new HubError(status, reason).message })}\n`;
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\nContent-Type: application/json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}
