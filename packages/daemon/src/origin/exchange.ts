/** One request and its answer, streamed: the only code that sees undici's callbacks. */
import { SwarmError, toSwarmError } from "@swarmd/protocol";
import type { Dispatcher } from "undici";
import type { ConnectionUser, Holdable } from "./connections.js";
import type { ByteSink } from "./ports.js";

/** Status and header fields of an answer; names in lower case. */
export interface Head {
  readonly status: number;
  readonly fields: Readonly<Record<string, string | undefined>>;
}

export interface ExchangeOptions {
  /** Host and path, for messages. */
  readonly where: string;
  /** Longest time from the request to the head of the answer. */
  readonly headersTimeoutMs: number;
  /** Longest silence within a body. */
  readonly idleTimeoutMs: number;
  /** Longest time for all of it, from now to the last byte; absent for answers whose size nobody can say in advance. */
  readonly totalTimeoutMs?: number | undefined;
  readonly stats: OriginStats;
  /** Looks at the answer and says who takes its body; `undefined` means that nobody wants it. May throw. */
  readonly onHead: (head: Head) => ByteSink | undefined;
  readonly signal: AbortSignal;
}

/** What this node did on its origins, counted since the start. */
export interface OriginStats {
  /** Requests sent. */
  requests: number;
  /** Body bytes received, wanted or not. */
  bytesReceived: number;
  /** Sum over all requests of the time between sending and the first byte of the body (the answer's end, if it has none). */
  waitedMs: number;
}

/** An unwanted body is read to its end up to here, to keep the connection; beyond, the connection is the cheaper loss. */
const MAX_DISCARDED_BYTES = 64 * 1024;

/** Handed to `dispatch`; `done` is the outcome. */
export class Exchange implements Dispatcher.DispatchHandler, ConnectionUser {
  /** Rejects with a SwarmError (of this exchange, of `onHead` or of the sink) or with undici's own error. */
  readonly done: Promise<Head>;
  readonly #options: ExchangeOptions;
  #settle!: { readonly resolve: (head: Head) => void; readonly reject: (error: unknown) => void };
  #isOver = false;
  #connection: Holdable | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #sentAtMs: number | undefined;
  #idle: NodeJS.Timeout | undefined;
  #total: NodeJS.Timeout | undefined;
  #head: Head | undefined;
  #sink: ByteSink | undefined;
  /** The sink is busy: nothing is read from the socket, and what undici had in hand already lines up in `#backlog`. */
  #isHeld = false;
  readonly #backlog: Buffer[] = [];
  /** The last byte has come, though the sink may be busy still. */
  #hasEnded = false;
  #discardedBytes = 0;
  readonly #onAbort = () => {
    const message = `the request to ${this.#options.where} was stopped`;
    this.#fail(new SwarmError("INTERRUPTED", message, { cause: this.#options.signal.reason }));
  };

  constructor(options: ExchangeOptions) {
    this.#options = options;
    this.done = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    if (options.signal.aborted) {
      this.#onAbort();
      return;
    }
    options.signal.addEventListener("abort", this.#onAbort, { once: true });
    const { totalTimeoutMs } = options;
    if (totalTimeoutMs !== undefined) this.#total = setTimeout(() => this.#onTotal(totalTimeoutMs), totalTimeoutMs);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  onConnection(connection: Holdable): void {
    this.#connection = connection;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#isOver) {
      controller.abort(new Error("given up while waiting for a connection"));
      return;
    }
    this.#options.stats.requests++;
    this.#sentAtMs = performance.now();
    const { headersTimeoutMs } = this.#options;
    // undici may start a request again on another connection when the first one closes before it was sent.
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#onSilence(headersTimeoutMs, "in answer to a request"), headersTimeoutMs);
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    if (this.#isOver || status < 200) return;
    try {
      this.#head = { status, fields: joinFields(headers) };
      this.#sink = this.#options.onHead(this.#head);
      this.#watch();
    } catch (error) {
      this.#fail(toSwarmError(error));
    }
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isOver) return;
    this.#noteWaited();
    this.#options.stats.bytesReceived += chunk.length;
    if (this.#sink === undefined) this.#discard(chunk.length);
    else if (this.#isHeld) this.#backlog.push(chunk);
    else this.#give(this.#sink, chunk);
  }

  onResponseEnd(): void {
    this.#noteWaited();
    this.#hasEnded = true;
    if (!this.#isHeld) this.#succeed();
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    this.#fail(error);
  }

  #give(sink: ByteSink, chunk: Buffer): void {
    try {
      const hasRoom = sink.write(chunk);
      if (hasRoom !== undefined) this.#holdUntil(hasRoom);
      // The sink may have had the read stopped; a timer that was cleared must stay so.
      else if (!this.#isOver) this.#idle?.refresh();
    } catch (error) {
      this.#fail(toSwarmError(error));
    }
  }

  #holdUntil(hasRoom: Promise<void>): void {
    if (!this.#isHeld && !this.#isOver) {
      this.#isHeld = true;
      this.#connection?.hold();
      clearTimeout(this.#idle);
    }
    hasRoom.then(
      () => this.#goOn(),
      (error) => this.#fail(toSwarmError(error)),
    );
  }

  /** Called from a promise, so never while undici's parser is at work. */
  #goOn(): void {
    if (this.#isOver) return;
    const next = this.#backlog.shift();
    if (next !== undefined) {
      this.#giveHeld(next);
      return;
    }
    this.#isHeld = false;
    const hasEnded = this.#hasEnded;
    if (!hasEnded) this.#watch();
    // This may hand over more bytes, and the end, before it returns.
    this.#connection?.release();
    if (hasEnded) this.#succeed();
  }

  #giveHeld(chunk: Buffer): void {
    try {
      this.#holdUntil(this.#sink?.write(chunk) ?? Promise.resolve());
    } catch (error) {
      this.#fail(toSwarmError(error));
    }
  }

  #watch(): void {
    clearTimeout(this.#idle);
    const { idleTimeoutMs } = this.#options;
    if (!this.#isOver) this.#idle = setTimeout(() => this.#onSilence(idleTimeoutMs, "amid an answer"), idleTimeoutMs);
  }

  #discard(bytes: number): void {
    this.#discardedBytes += bytes;
    if (this.#discardedBytes <= MAX_DISCARDED_BYTES) return;
    this.#succeed();
    this.#controller?.abort(new Error("the rest of the answer is not wanted"));
  }

  #onSilence(timeoutMs: number, when: string): void {
    const message = `${this.#options.where}: the server sent nothing for ${timeoutMs / 1000} s ${when}`;
    this.#fail(new SwarmError("ORIGIN_STALLED", message, { hint: "Try again; what has arrived is kept." }));
  }

  #onTotal(totalTimeoutMs: number): void {
    const message = `${this.#options.where} was not answered in full within ${totalTimeoutMs / 1000} s`;
    this.#fail(new SwarmError("ORIGIN_STALLED", message, { hint: "Try again when the network is better." }));
  }

  #noteWaited(): void {
    if (this.#sentAtMs === undefined) return;
    this.#options.stats.waitedMs += performance.now() - this.#sentAtMs;
    this.#sentAtMs = undefined;
  }

  #succeed(): void {
    if (!this.#finish()) return;
    this.#settle.resolve(this.#head as Head);
  }

  #fail(error: unknown): void {
    if (!this.#finish()) return;
    this.#settle.reject(error);
    this.#controller?.abort(error instanceof Error ? error : new Error("given up"));
    // An answer that was complete leaves a connection that lives on, and somebody else's answer may be next on it.
    // Later, since whoever gives up may be at work inside another answer.
    if (this.#isHeld) queueMicrotask(() => this.#connection?.release());
  }

  /** After this the sink is never called again. */
  #finish(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    clearTimeout(this.#idle);
    clearTimeout(this.#total);
    this.#options.signal.removeEventListener("abort", this.#onAbort);
    return true;
  }
}

function joinFields(headers: Readonly<Record<string, string | string[] | undefined>>): Head["fields"] {
  const fields: Record<string, string | undefined> = Object.create(null);
  for (const [name, value] of Object.entries(headers)) {
    fields[name.toLowerCase()] = Array.isArray(value) ? value.join(", ") : value;
  }
  return fields;
}
