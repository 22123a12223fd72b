/** One request and its answer, with everything about them that handlers ask for. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Account, HubContext } from "./context.js";
import type { RequestFaults } from "./faults.js";
import type { RequestRecord } from "./ledger.js";
import type { Route } from "./route.js";
import { Throttle } from "./throttle.js";

/** Who asks: the owner of a valid token, nobody, or somebody with a token that is none. */
export type Caller =
  | { readonly kind: "anonymous" }
  | { readonly kind: "invalid" }
  | { readonly kind: "user"; readonly account: Account };

const connectionThrottles = new WeakMap<Socket, Throttle>();

export class Exchange {
  readonly context: HubContext;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly url: URL;
  readonly route: Route;
  readonly faults: RequestFaults;
  readonly record: RequestRecord;
  /** `<remote address> <User-Agent>`. */
  readonly client: string;
  readonly caller: Caller;
  #isClosed = false;
  #onClose: (() => void) | undefined;

  constructor(context: HubContext, req: IncomingMessage, res: ServerResponse, url: URL, route: Route) {
    this.context = context;
    this.req = req;
    this.res = res;
    this.url = url;
    this.route = route;
    this.caller = callerOf(req.headers.authorization, context);
    this.client = `${req.socket.remoteAddress?.replace(/^::ffff:/, "") ?? "?"} ${req.headers["user-agent"] ?? "-"}`;
    const method = req.method ?? "GET";
    const range = req.headers.range;
    this.faults = context.faults.begin({ kind: route.kind, method, subject: this.#subject(), range: range ?? "" });
    this.record = {
      kind: route.kind,
      method,
      url: req.url ?? "/",
      range,
      userAgent: req.headers["user-agent"],
      hasAuthorization: req.headers.authorization !== undefined,
      status: 0,
    };
    context.ledger.openRequest(this.record, this.client);
    res.once("close", () => {
      this.#isClosed = true;
      context.ledger.closeRequest(this.record);
      this.#onClose?.();
    });
  }

  /** True once the answer is complete or the connection is gone. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Sends the head. Body bytes follow with {@link write}, or `res.end()`. */
  writeHead(status: number, headers: Readonly<Record<string, string>>): void {
    this.record.status = status;
    this.res.writeHead(status, { ...headers });
  }

  /** Sends bytes; resolves to true when the kernel has them (the buffer is free again), to false when nobody is there. */
  write(bytes: Uint8Array): Promise<boolean> {
    if (this.#isClosed) return Promise.resolve(false);
    return this.#untilClosed((done) => {
      this.res.write(bytes, (error) => done(!error));
    });
  }

  /** Resolves to true after this time, to false when the connection is gone before. undefined: waits for that alone. */
  pause(ms: number | undefined): Promise<boolean> {
    if (this.#isClosed) return Promise.resolve(false);
    let timer: NodeJS.Timeout | undefined;
    return this.#untilClosed((done) => {
      if (ms !== undefined) timer = setTimeout(done, ms, true);
    }).finally(() => clearTimeout(timer));
  }

  /** Reset: what the other side sees when a server crashes or a network breaks. */
  reset(): void {
    this.req.socket.resetAndDestroy();
  }

  /** A clean close: everything written arrives, then the end of the connection. */
  closeCleanly(): void {
    this.req.socket.destroySoon();
  }

  /** The limit of this connection, which lives as long as it. */
  get connectionThrottle(): Throttle | undefined {
    const rate = this.context.settings.connectionBytesPerSecond;
    if (rate === undefined) return undefined;
    const throttle = connectionThrottles.get(this.req.socket) ?? new Throttle(rate);
    connectionThrottles.set(this.req.socket, throttle);
    return throttle;
  }

  /** One thing at a time: the answer is either being written or paused. */
  #untilClosed(start: (done: (value: boolean) => void) => void): Promise<boolean> {
    return new Promise((resolve) => {
      this.#onClose = () => resolve(false);
      start(resolve);
    });
  }

  /** What fault scopes match on, see FaultScope.path. */
  #subject(): string {
    const { kind, repo, rest } = this.route;
    if (kind === "file") return `files/${rest.join("/")}`;
    if (kind === "cdn") return rest.join("/");
    if (!repo || !["resolve", "raw", "resolveCache"].includes(kind)) return this.url.pathname;
    const prefix = repo.type === "model" ? "" : `${repo.type}s/`;
    return `${prefix}${repo.name}/${rest.slice(1).join("/")}`;
  }
}

function callerOf(authorization: string | undefined, context: HubContext): Caller {
  if (authorization === undefined) return { kind: "anonymous" };
  const token = /^Bearer\s+(\S+)$/i.exec(authorization)?.[1] ?? "";
  const account = Object.hasOwn(context.settings.tokens, token) ? context.settings.tokens[token] : undefined;
  return account ? { kind: "user", account } : { kind: "invalid" };
}
