/**
 * The local API: people and programs on this machine order and ask here.
 *
 * *Purpose*: HTTP over a unix socket, to commands and views. *In*: requests, each route of `protocol/api/routes.ts`. *Out*: JSON, or
 * one JSON line per event while the work goes on. *Never*: decides anything, listens on the network, or lets another user in: the
 * socket is born with mode 0600.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { httpStatusOf, SwarmError, toErrorBody, toSwarmError } from "@swarmd/protocol";
import {
  type JsonRoute,
  parseAddRequest,
  parseBackgroundRequest,
  parseCancelRequest,
  parseClusterCreateRequest,
  parseClusterInviteRequest,
  parseClusterJoinRequest,
  parseClusterRotateRequest,
  parseCollectRequest,
  parseDiffRequest,
  parseHoldRequest,
  parseLimitsRequest,
  parseLocateRequest,
  parseManifestRequest,
  parsePinRequest,
  parsePrefetchRequest,
  parsePullRequest,
  parseRegisterRequest,
  parseRemoveRequest,
  parseStopPrefetchRequest,
  parseUnbanRequest,
  parseUnpinRequest,
  parseVerifyRequest,
  parseWatchRequest,
  ROUTES,
  type RouteName,
  type Routes,
  type StreamRoute,
} from "@swarmd/protocol/api";
import type { Logger } from "../observe/logger.js";
import { EventStream } from "./event-stream.js";
import { checkPeerHeaders } from "./peer-check.js";
import type { Commands, Views } from "./ports.js";
import { readJsonBody } from "./request-body.js";
import { bindSocket, unlinkSocket } from "./unix-socket.js";

export interface ApiServerOptions {
  /** Absolute path of the socket. */
  readonly socketPath: string;
  /** How long running requests may take to end once the server stops. Default 5 s. */
  readonly stopDeadlineMs?: number;
}

export interface ApiServerDeps {
  readonly commands: Commands;
  readonly views: Views;
  readonly logger: Logger;
  /** Somebody asked the node to stop; called once the answer is on its way. */
  readonly onStop: () => void;
}

const DEFAULT_STOP_DEADLINE_MS = 5000;
/** A client on this machine has sent its whole request long before. */
const REQUEST_DEADLINE_MS = 30_000;

/** What one route does with a checked request. */
type Handlers = {
  readonly [Name in RouteName]: Routes[Name] extends JsonRoute<infer _Request, infer Response>
    ? (body: unknown, signal: AbortSignal) => Promise<Response> | Response
    : Routes[Name] extends StreamRoute<infer _Request, infer Event>
      ? (body: unknown) => (send: (event: Event) => void, signal: AbortSignal) => Promise<void>
      : never;
};

export class ApiServer {
  readonly name = "api";
  readonly #options: ApiServerOptions;
  readonly #deps: ApiServerDeps;
  readonly #server: Server;
  readonly #handlers: Handlers;
  readonly #streams = new Set<EventStream>();
  readonly #answering = new Set<Promise<void>>();
  #stopping: Promise<void> | undefined;

  constructor(options: ApiServerOptions, deps: ApiServerDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#handlers = createHandlers(deps);
    this.#server = createServer((request, response) => this.#track(this.#answer(request, response)));
    this.#server.requestTimeout = REQUEST_DEADLINE_MS;
  }

  /** @throws SwarmError ADDRESS_IN_USE when another process answers on the socket, USAGE when its path is too long. */
  async start(): Promise<void> {
    await bindSocket(this.#server, this.#options.socketPath);
  }

  /** How many streams (pulls, verifications) are being answered. */
  get activeStreams(): number {
    return this.#streams.size;
  }

  /** Resolves when no stream is being answered; new ones may come later. */
  async waitUntilIdle(options: { readonly signal: AbortSignal }): Promise<void> {
    while (this.#streams.size > 0 && !options.signal.aborted) {
      await Promise.race([...this.#answering, onceAborted(options.signal)]);
    }
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await unlinkSocket(this.#options.socketPath);
    for (const stream of this.#streams) {
      stream.abort(
        new SwarmError("INTERRUPTED", "the daemon is stopping", {
          hint: "Run the same command again; what was fetched is kept.",
        }),
      );
    }
    const deadlineMs = this.#options.stopDeadlineMs ?? DEFAULT_STOP_DEADLINE_MS;
    const timer = setTimeout(() => this.#server.closeAllConnections(), deadlineMs);
    this.#server.closeIdleConnections();
    await closed;
    clearTimeout(timer);
  }

  #track(answer: Promise<void>): void {
    this.#answering.add(answer);
    void answer.finally(() => this.#answering.delete(answer));
  }

  /** Never throws: whatever goes wrong becomes an answer. */
  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      checkPeerHeaders(request.headers);
      const name = findRoute(request);
      const body = await readJsonBody(request);
      if (ROUTES[name].kind === "ndjson") await this.#answerStream(name as StreamName, body, response);
      else await this.#answerJson(name as JsonName, body, response);
    } catch (error) {
      const failure = toSwarmError(error);
      if (failure.code === "INTERNAL") this.#deps.logger.error({ err: error, url: request.url }, "a request failed");
      sendError(response, failure);
    }
  }

  async #answerJson(name: JsonName, body: unknown, response: ServerResponse): Promise<void> {
    const abort = new AbortController();
    response.on("close", () => abort.abort(new SwarmError("INTERRUPTED", "the client went away")));
    const handle = this.#handlers[name] as (body: unknown, signal: AbortSignal) => unknown;
    sendJson(response, 200, await handle(body, abort.signal));
    if (name === "stop") response.once("close", this.#deps.onStop);
  }

  async #answerStream(name: StreamName, body: unknown, response: ServerResponse): Promise<void> {
    const run = this.#handlers[name](body) as (
      send: (event: { type: string }) => void,
      signal: AbortSignal,
    ) => Promise<void>;
    const stream = new EventStream(response, ROUTES[name].skippable);
    this.#streams.add(stream);
    let failure: SwarmError | undefined;
    try {
      await run((event) => stream.send(event), stream.signal);
    } catch (error) {
      failure = toSwarmError(error);
      if (failure.code === "INTERNAL") this.#deps.logger.error({ err: error }, `${name} failed`);
    }
    await stream.end(failure);
    this.#streams.delete(stream);
  }
}

type StreamName = { [Name in RouteName]: Routes[Name]["kind"] extends "ndjson" ? Name : never }[RouteName];
type JsonName = Exclude<RouteName, StreamName>;

function createHandlers({ commands, views }: ApiServerDeps): Handlers {
  return {
    status: () => views.status(),
    list: (_body, signal) => views.list({ signal }),
    diff: (body, signal) => commands.diff(parseDiffRequest(body), { signal }),
    pin: (body) => commands.pin(parsePinRequest(body)),
    unpin: (body) => commands.unpin(parseUnpinRequest(body)),
    pins: () => views.pins(),
    collect: (body, signal) => commands.collect(parseCollectRequest(body ?? {}), { signal }),
    hold: (body) => {
      const request = parseHoldRequest(body);
      return (send, signal) => commands.hold(request, send, { signal });
    },
    remove: (body, signal) => commands.remove(parseRemoveRequest(body), { signal }),
    limits: (body) => commands.limit(parseLimitsRequest(body ?? {})),
    unban: (body) => commands.unban(parseUnbanRequest(body)),
    cluster: () => commands.cluster.status(),
    clusterCreate: (body) => commands.cluster.create(parseClusterCreateRequest(body)),
    clusterInvite: (body) => commands.cluster.invite(parseClusterInviteRequest(body)),
    clusterJoin: (body, signal) => commands.cluster.join(parseClusterJoinRequest(body), { signal }),
    clusterLeave: () => commands.cluster.leave(),
    clusterRotate: (body) => commands.cluster.rotate(parseClusterRotateRequest(body)),
    clusterKey: () => commands.cluster.showKey(),
    manifest: (body, signal) => views.manifest(parseManifestRequest(body), { signal }),
    locate: (body) => views.locate(parseLocateRequest(body)),
    register: (body) => commands.register(parseRegisterRequest(body)),
    add: (body) => {
      const request = parseAddRequest(body);
      return (send, signal) => commands.add(request, send, { signal });
    },
    stop: () => ({ pid: process.pid }),
    pull: (body) => {
      const request = parsePullRequest(body);
      return (send, signal) => commands.pull(request, send, { signal });
    },
    background: (body) => commands.pullLater(parseBackgroundRequest(body)),
    cancel: (body) => commands.cancel(parseCancelRequest(body)),
    prefetch: (body) => commands.prefetch(parsePrefetchRequest(body)),
    stopPrefetch: (body) => commands.stopPrefetch(parseStopPrefetchRequest(body)),
    watch: (body) => {
      const request = parseWatchRequest(body);
      return (send, signal) => commands.watch(request, send, { signal });
    },
    verify: (body) => {
      const request = parseVerifyRequest(body);
      return (send, signal) => commands.verify(request, send, { signal });
    },
  };
}

function findRoute(request: IncomingMessage): RouteName {
  const path = (request.url ?? "/").split("?")[0];
  const names = Object.keys(ROUTES) as RouteName[];
  const name = names.find((candidate) => ROUTES[candidate].path === path);
  if (name === undefined) {
    throw new SwarmError("USAGE", `the daemon has no ${path}`, {
      hint: "Perhaps it is older than this command: restart it with swarmd stop and swarmd start.",
    });
  }
  const { method } = ROUTES[name];
  if (request.method !== method) throw new SwarmError("USAGE", `${path} takes ${method}, not ${request.method}`);
  return name;
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(`${JSON.stringify(value)}\n`);
  response.writeHead(status, { "content-type": "application/json", "content-length": body.length });
  response.end(body);
}

/** The rest of a request that was refused midway is not read, so its connection can't be used again. */
function sendError(response: ServerResponse, failure: SwarmError): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  response.shouldKeepAlive = false;
  sendJson(response, httpStatusOf(failure.code), toErrorBody(failure));
}

function onceAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
