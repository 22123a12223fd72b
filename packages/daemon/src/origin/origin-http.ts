/** HTTP as this room uses it: one pool, one identity, deadlines, retries, and silence where a host asked for it. */
import { setTimeout as sleep } from "node:timers/promises";
import { SwarmError } from "@swarmd/protocol";
import type { Dispatcher } from "undici";
import type { EventLog } from "../observe/events.js";
import type { Logger } from "../observe/logger.js";
import { openConnections, type RequestOptions } from "./connections.js";
import { Exchange, type Head, type OriginStats } from "./exchange.js";
import { parseRetryAfterMs } from "./header-fields.js";
import { showUrl } from "./origin-url.js";
import type { ByteSink } from "./ports.js";
import { QuietHosts } from "./quiet-hosts.js";
import { explainTransport } from "./transport-fault.js";

export interface OriginHttpOptions {
  /** Most requests for bytes at a time, for the whole node; the pool has a few connections more, for metadata. */
  readonly workers: number;
  /** Of swarmd, for the User-Agent. */
  readonly version: string;
  readonly connectTimeoutMs?: number;
  /** From the request to the head of the answer. */
  readonly headersTimeoutMs?: number;
  /** Longest silence within a body. */
  readonly idleTimeoutMs?: number;
  /** First back-off; the second is twice, the third four times as long. */
  readonly retryBaseMs?: number;
}

export interface OriginHttpDeps {
  /** Told about retries: `origin-retry {host, code, delayMs}`. */
  readonly events?: EventLog;
  /** Told about each answer, at debug. */
  readonly logger?: Logger;
}

/** What every part of this room that sends requests needs. */
export interface OriginDeps {
  readonly http: OriginHttp;
}

export interface HttpRequest {
  /** Without credentials. */
  readonly url: URL;
  readonly method: "GET" | "HEAD" | "POST";
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Value of the Authorization header; the caller has made sure that this host may see it. */
  readonly authorization?: string | undefined;
}

export interface ExchangeLimits {
  readonly signal: AbortSignal;
  /** Longest time for the whole exchange. */
  readonly totalTimeoutMs?: number;
}

export interface RetryOptions {
  readonly signal: AbortSignal;
  /** Longer waits than this are not waited here but reported (`retryAfterMs`). */
  readonly maxWaitMs?: number;
  /** Asked before each further try. */
  readonly mayRetry?: () => boolean;
}

const CONNECT_TIMEOUT_MS = 15_000;
const HEADERS_TIMEOUT_MS = 30_000;
const IDLE_TIMEOUT_MS = 30_000;
const RETRY_BASE_MS = 2_000;
/** After the first try: 2 s, 4 s, 8 s. */
const RETRIES = 3;
/** Added at random to each wait, as a part of it, so that many nodes do not come back as one. */
const JITTER = 0.25;
/** The window of the Hub's rate limit is 300 s; who asks for more is not waited for. */
const MAX_WAIT_MS = 310_000;
const METADATA_CONNECTIONS = 4;
/** Answers that say "not now"; 501 says "never". */
const PASSING_STATUS = new Set([408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529]);

/** The node's one way to its origins. Thread of use: any number of requests at the same time, then `stop()` once. */
export class OriginHttp {
  readonly stats: OriginStats = { requests: 0, bytesReceived: 0, waitedMs: 0 };
  readonly #options: Required<OriginHttpOptions>;
  readonly #events: EventLog | undefined;
  readonly #logger: Logger | undefined;
  readonly #connections: Dispatcher;
  readonly #quietHosts = new QuietHosts();
  /** Faults after which the same request may succeed. */
  readonly #passing = new WeakSet<SwarmError>();
  readonly #userAgent: string;

  constructor(options: OriginHttpOptions, deps: OriginHttpDeps = {}) {
    this.#options = {
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      headersTimeoutMs: HEADERS_TIMEOUT_MS,
      idleTimeoutMs: IDLE_TIMEOUT_MS,
      retryBaseMs: RETRY_BASE_MS,
      ...options,
    };
    this.#events = deps.events;
    this.#logger = deps.logger;
    this.#userAgent = `swarmd/${options.version}; node/${process.versions.node}`;
    this.#connections = openConnections({
      connections: options.workers + METADATA_CONNECTIONS,
      connectTimeoutMs: this.#options.connectTimeoutMs,
    });
  }

  /** Breaks off what is under way (INTERRUPTED) and closes all connections. */
  async stop(): Promise<void> {
    await this.#connections.destroy();
  }

  /**
   * One request, one answer; follows no redirect, tries nothing twice. `onHead` sees every answer but those that say "not now", and
   * names the sink for the body. Resolves with the head once the sink has taken everything.
   *
   * @throws SwarmError ORIGIN_UNREACHABLE, ORIGIN_STALLED, ORIGIN_FAULT, ORIGIN_BUSY, INTERRUPTED, and what `onHead` and the sink throw
   */
  async exchange(
    request: HttpRequest,
    onHead: (head: Head) => ByteSink | undefined,
    { signal, totalTimeoutMs }: ExchangeLimits,
  ): Promise<Head> {
    const { url } = request;
    this.#refuseWhileQuiet(url);
    const where = showUrl(url);
    const exchange = new Exchange({
      where,
      headersTimeoutMs: this.#options.headersTimeoutMs,
      idleTimeoutMs: this.#options.idleTimeoutMs,
      totalTimeoutMs,
      stats: this.stats,
      onHead: (head) => (PASSING_STATUS.has(head.status) ? undefined : onHead(head)),
      signal,
    });
    if (!exchange.isOver) this.#connections.dispatch(this.#dispatchOptions(request, exchange), exchange);
    const head = await exchange.done.catch((error) => {
      const { fault, isTransient } = explainTransport(error, { host: url.host, where });
      this.#logger?.debug({ method: request.method, where, code: fault.code }, "the origin gave no answer");
      throw isTransient ? this.#asPassing(fault) : fault;
    });
    this.#logger?.debug({ method: request.method, where, status: head.status }, "the origin answered");
    if (PASSING_STATUS.has(head.status)) throw this.#asPassing(this.#notNow(head, url));
    return head;
  }

  /** Repeats `attempt` with growing pauses while its faults may pass; then throws the last one. */
  async retry<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
    const { signal, maxWaitMs = MAX_WAIT_MS, mayRetry = () => true } = options;
    for (let tries = 0; ; tries++) {
      try {
        return await attempt();
      } catch (error) {
        const isPassing = error instanceof SwarmError && this.#passing.has(error);
        if (!isPassing || tries === RETRIES || !mayRetry()) throw error;
        const delayMs = this.#delayMs(tries, error.retryAfterMs);
        if (delayMs > maxWaitMs * (1 + JITTER)) throw error;
        this.#events?.emit({ type: "origin-retry", code: error.code, reason: error.message, delayMs });
        await pause(delayMs, signal);
      }
    }
  }

  #dispatchOptions({ url, method, headers, body, authorization }: HttpRequest, user: Exchange): RequestOptions {
    return {
      ...(body === undefined ? {} : { body }),
      origin: url.origin,
      path: url.pathname + url.search,
      method,
      headers: {
        "user-agent": this.#userAgent,
        "accept-encoding": "identity",
        accept: "*/*",
        ...headers,
        ...(authorization === undefined ? {} : { authorization }),
      },
      user,
    };
  }

  #refuseWhileQuiet(url: URL): void {
    const retryAfterMs = this.#quietHosts.remainingMs(url.host, performance.now());
    if (retryAfterMs > 0) throw this.#asPassing(busy(url, retryAfterMs));
  }

  #notNow(head: Head, url: URL): SwarmError {
    const retryAfterMs = parseRetryAfterMs(head.fields);
    if (head.status === 429) {
      if (retryAfterMs !== undefined) this.#quietHosts.note(url.host, retryAfterMs, performance.now());
      return busy(url, retryAfterMs);
    }
    return new SwarmError("ORIGIN_FAULT", `${url.host} answered ${head.status} to the request for ${showUrl(url)}`, {
      hint: "The server has trouble; try again in a while.",
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  }

  #asPassing(fault: SwarmError): SwarmError {
    this.#passing.add(fault);
    return fault;
  }

  #delayMs(tries: number, retryAfterMs = 0): number {
    const backOffMs = this.#options.retryBaseMs * 2 ** tries;
    return Math.max(backOffMs, retryAfterMs) * (1 + Math.random() * JITTER);
  }
}

function busy(url: URL, retryAfterMs: number | undefined): SwarmError {
  const wait = retryAfterMs === undefined ? "a while" : `${Math.ceil(retryAfterMs / 1000)} s`;
  return new SwarmError("ORIGIN_BUSY", `${url.host} asks to be left alone for ${wait} (429, too many requests)`, {
    hint: "Hugging Face allows more requests to those who set HF_TOKEN.",
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

/** @throws SwarmError INTERRUPTED */
async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(delayMs, undefined, { signal });
  } catch (cause) {
    throw new SwarmError("INTERRUPTED", "the wait for another try was stopped", { cause });
  }
}
