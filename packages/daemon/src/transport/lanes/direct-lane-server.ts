/** The direct lane's sending side: HTTP/1.1 with Range and a ticket, plain or TLS. Knows no blobs: a handler answers. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { type BlobId, parseBlobId, SwarmError, toSwarmError } from "@swarmd/protocol";
import { type ByteRange, parseRangeHeader } from "./byte-range.js";
import { type KernelSend, loadKernelSend } from "./kernel-send.js";
import type { LaneCertificate } from "./lane-certificate.js";
import { LANE_TLS } from "./lane-tls.js";
import type { LaneHandler, LaneRefusal, LaneService } from "./ports.js";
import { ResponseOutlet } from "./response-outlet.js";

export interface DirectLaneServerOptions {
  readonly host?: string;
  /** 0: any free one. */
  readonly port: number;
  /** With it the lane speaks TLS 1.3 only. */
  readonly certificate?: LaneCertificate;
  readonly mostConnections?: number;
  /** From one address: one greedy machine must leave room for the others. */
  readonly mostConnectionsPerHost?: number;
  readonly deadlines?: Partial<ServerDeadlines>;
}

export interface ServerDeadlines {
  /** For a request's head, from the first byte or from the connection on. */
  readonly headMs: number;
  /** A reader that takes nothing for so long is cut off. */
  readonly idleMs: number;
  /** For one answer in all, beyond what its length takes on a slow link. */
  readonly totalMs: number;
  /** An idle connection is kept so long. */
  readonly keepMs: number;
}

export interface DirectLaneServerDeps {
  readonly handler: LaneHandler;
  readonly tickets: {
    check(ticket: string, blob: BlobId, nowMs: number): LaneRequestPeer | undefined;
  };
  readonly nowMs: () => number;
}

type LaneRequestPeer = Parameters<LaneHandler["handle"]>[0]["peer"];

const DEADLINES: ServerDeadlines = { headMs: 10_000, idleMs: 30_000, totalMs: 15 * 60_000, keepMs: 30_000 };
/** A whole blob over bad Wi-Fi may take its time; a shard has little more than `totalMs`. */
const LEAST_BYTES_PER_MS = 500;
const MOST_HEAD_BYTES = 8 * 1024;
const MOST_CONNECTIONS = 512;
const MOST_PER_HOST = 64;
const BLOB_PATH = /^\/blobs\/([^/?]{1,200})(?:\?ticket=([A-Za-z0-9._-]{1,200}))?$/;
const BEARER = /^Bearer ([A-Za-z0-9._-]{1,200})$/;

const STATUS = {
  PEER_DENIED: 403,
  PEER_LACKS: 404,
  PEER_TAINTED: 409,
  PEER_FAULT: 416,
  PEER_BUSY: 503,
} as const satisfies Record<LaneRefusal["code"], number>;

export class DirectLaneServer {
  readonly name = "direct-lane-server";
  readonly #opts: DirectLaneServerOptions;
  readonly #deadlines: ServerDeadlines;
  readonly #deps: DirectLaneServerDeps;
  readonly #server: Server;
  readonly #connections = new Map<string, number>();
  readonly #stopped = new AbortController();
  readonly #answering = new Set<Promise<void>>();
  #kernel: KernelSend | undefined;

  constructor(opts: DirectLaneServerOptions, deps: DirectLaneServerDeps) {
    this.#opts = opts;
    this.#deps = deps;
    this.#deadlines = { ...DEADLINES, ...opts.deadlines };
    const { headMs, keepMs } = this.#deadlines;
    const limits = {
      maxHeaderSize: MOST_HEAD_BYTES,
      headersTimeout: headMs,
      requestTimeout: headMs,
      keepAliveTimeout: keepMs,
      connectionsCheckingInterval: Math.min(1_000, headMs),
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 10_000,
    };
    const { certificate } = opts;
    this.#server =
      certificate === undefined
        ? createServer(limits)
        : createTlsServer({
            ...limits,
            cert: certificate.certificatePem,
            key: certificate.keyPem,
            ...LANE_TLS,
          });
    this.#server.maxConnections = opts.mostConnections ?? MOST_CONNECTIONS;
    this.#server.on("connection", (socket: Socket) => this.#admit(socket));
    this.#server.on("request", (request, response) => this.#take(request, response));
  }

  /** SHA-256 of the certificate, which goes with every ticket; `undefined` on a plain lane. */
  get certificateSha256(): string | undefined {
    return this.#opts.certificate?.sha256;
  }

  /** Where it listens. @throws SwarmError INTERNAL before `start` */
  get port(): number {
    const address = this.#server.address() as AddressInfo | null;
    if (address === null) throw new SwarmError("INTERNAL", "the direct lane does not listen yet");
    return address.port;
  }

  /** @throws SwarmError ADDRESS_IN_USE */
  async start(): Promise<void> {
    const { host, port, certificate } = this.#opts;
    // What is encrypted has to pass through us.
    this.#kernel = certificate === undefined ? await loadKernelSend() : undefined;
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (cause) =>
        reject(
          new SwarmError("ADDRESS_IN_USE", `the direct lane can't listen on port ${port}: ${cause.message}`, {
            cause,
            hint: "Choose another port with --lane-port, or 0 for any free one.",
          }),
        ),
      );
      this.#server.listen({ port, ...(host === undefined ? {} : { host }) }, () => resolve());
    });
  }

  /** Breaks off what is being sent and closes every connection. */
  async stop(): Promise<void> {
    this.#stopped.abort(new SwarmError("INTERRUPTED", "the node is stopping"));
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await Promise.all(this.#answering);
    await closed;
  }

  #admit(socket: Socket): void {
    const host = socket.remoteAddress ?? "";
    const count = (this.#connections.get(host) ?? 0) + 1;
    if (count > (this.#opts.mostConnectionsPerHost ?? MOST_PER_HOST)) {
      socket.destroy();
      return;
    }
    this.#connections.set(host, count);
    socket.once("close", () => {
      const left = (this.#connections.get(host) ?? 1) - 1;
      if (left === 0) this.#connections.delete(host);
      else this.#connections.set(host, left);
    });
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const answering = this.#answer(request, response)
      // Whatever was thrown, the head may be out already: nothing better can be said than to break off.
      .catch(() => void response.destroy())
      .finally(() => this.#answering.delete(answering));
    this.#answering.add(answering);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Nobody has a reason to send a body; what is not read would stay in the way of the next request.
    if (hasBody(request))
      return refuse(response, 400, { message: "a request has no body here" }, { connection: "close" });
    if (request.method !== "GET" && request.method !== "HEAD") {
      return refuse(response, 405, { message: "only GET and HEAD" }, { allow: "GET, HEAD" });
    }
    const blob = findBlob(request.url ?? "");
    if (blob === undefined)
      return refuse(response, 404, { message: "no such resource; blobs are at /blobs/<blob id>" });
    const peer = this.#deps.tickets.check(findTicket(request), blob, this.#deps.nowMs());
    if (peer === undefined) {
      return refuse(
        response,
        401,
        { message: "no ticket, or one that is not good for this blob now" },
        { "www-authenticate": "Bearer" },
      );
    }
    const range = parseRangeHeader(request.headers.range);
    if (range === "unsatisfiable") return refuse(response, 416, { message: "the range makes no sense" });
    const gone = new AbortController();
    response.once("close", () => gone.abort(new SwarmError("INTERRUPTED", "the peer closed the connection")));
    if (response.closed) gone.abort(new SwarmError("INTERRUPTED", "nobody is there to be answered"));
    const answer = await this.#deps.handler.handle(
      {
        peer,
        blob,
        startBytes: range?.startBytes ?? 0,
        endBytes: range?.endBytes,
        fromHost: hostOf(request.socket),
      },
      { signal: AbortSignal.any([gone.signal, this.#stopped.signal]) },
    );
    if (answer.kind === "refuse") return refuseAs(response, answer);
    await this.#send(answer, request, response, range);
  }

  async #send(
    service: LaneService,
    request: IncomingMessage,
    response: ServerResponse,
    range: ByteRange | undefined,
  ): Promise<void> {
    const { startBytes, endBytes, sizeBytes } = service;
    response.writeHead(range === undefined ? 200 : 206, {
      "content-type": "application/octet-stream",
      "content-length": endBytes - startBytes,
      "accept-ranges": "bytes",
      ...(range === undefined ? {} : { "content-range": `bytes ${startBytes}-${endBytes - 1}/${sizeBytes}` }),
    });
    // The asker learns at once that it will be served, also where the first byte is still on its way to us.
    response.flushHeaders();
    const gone = new AbortController();
    const over = (error: SwarmError) => gone.abort(error);
    const total = setTimeout(
      () => over(new SwarmError("PEER_STALLED", "a peer took too long in all")),
      this.#deadlines.totalMs + (endBytes - startBytes) / LEAST_BYTES_PER_MS,
    );
    response.once("close", () => over(new SwarmError("INTERRUPTED", "the peer closed the connection")));
    if (response.closed || request.method === "HEAD") over(new SwarmError("INTERRUPTED", "nothing is to be sent"));
    const signal = AbortSignal.any([gone.signal, this.#stopped.signal]);
    const outlet = new ResponseOutlet(response, { idleMs: this.#deadlines.idleMs, signal, kernel: this.#kernel });
    try {
      await service.send(outlet, { signal });
    } catch (error) {
      if (request.method !== "HEAD") throw toSwarmError(error);
    } finally {
      clearTimeout(total);
      outlet.close();
    }
    response.end();
  }
}

function hasBody(request: IncomingMessage): boolean {
  return request.headers["transfer-encoding"] !== undefined || Number(request.headers["content-length"] ?? 0) > 0;
}

function findBlob(url: string): BlobId | undefined {
  try {
    return parseBlobId(decodeURIComponent(BLOB_PATH.exec(url)?.[1] ?? ""));
  } catch {
    return undefined;
  }
}

function findTicket(request: IncomingMessage): string {
  return BEARER.exec(request.headers.authorization ?? "")?.[1] ?? BLOB_PATH.exec(request.url ?? "")?.[2] ?? "";
}

function refuseAs(response: ServerResponse, refusal: LaneRefusal): void {
  const { code, message, redirect, retryAfterMs, sizeBytes } = refusal;
  refuse(
    response,
    STATUS[code],
    { code, message, redirect },
    {
      ...(retryAfterMs === undefined ? {} : { "retry-after": Math.ceil(retryAfterMs / 1000) }),
      ...(sizeBytes === undefined ? {} : { "content-range": `bytes */${sizeBytes}` }),
    },
  );
}

function refuse(
  response: ServerResponse,
  status: number,
  body: { readonly message: string; readonly code?: string; readonly redirect?: readonly string[] },
  headers: Record<string, string | number> = {},
): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

/** As the peer calls itself: an IPv4 address is one, also where the socket takes both families. */
function hostOf({ remoteAddress = "" }: Socket): string {
  return remoteAddress.replace(/^::ffff:(?=\d+\.)/i, "");
}
