/**
 * The embedded Hugging Face Hub: the origin of tests, benchmarks and the demo, true to the contract that clients rely on.
 *
 * *purpose:* serve repos and plain files as the real Hub does, go wrong on demand, and count what was sent.
 * *in:* HTTP on two ports of 127.0.0.1: the Hub itself, and the CDN that LFS files are redirected to.
 * *out:* answers; `stats()`, `log()`. *never:* touches the network beyond its two ports, or writes a file.
 *
 * ```ts
 * const hub = await EmbeddedHub.start({
 *   repos: [{
 *     name: "acme/tiny",
 *     files: {
 *       "config.json": "{}",
 *       "model.safetensors": syntheticContent({ seed: 1, sizeBytes: 64 * 1024 * 1024 }), // LFS by its name
 *     },
 *   }],
 *   uplinkBytesPerSecond: 25_000_000,
 * });
 * hub.faults.set([{ kind: "drop", afterBytes: 1_000_000, times: 1, path: "model.safetensors" }]);
 * // … point a client at hub.url …
 * hub.stats().files["acme/tiny/model.safetensors"]?.bytesSentTwice;
 * await hub.stop();
 * ```
 *
 * - contents: text, bytes, `syntheticContent`, `diskContent`, `concatContent` (content.ts); `await hub.prepare()` computes
 *   the digests of all of them, which the first tree or resolve would otherwise wait for
 * - repos: `hub.addRepo(spec)` returns a {@link HubRepo} with `commit`, `tag`, `findCommit`; `hub.removeRepo(name)`
 * - any-URL origin: `hub.putFile(name, content, options)` is served as `hub.fileUrl(name)`
 * - behaviour at run time: `hub.configure({ latencyMs: 150, treePageSize: 2, smallFiles: "direct", … })` (context.ts)
 * - faults: `hub.faults.set([…])`, `.add(…)`, `.random(seed, {kinds, chance})`, `.clear()` (faults.ts)
 * - tokens: `hf_reader` may read everything; others through the setting `tokens`
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { RepoType } from "@swarmd/protocol";
import { answer } from "./answer.js";
import type { ContentInput } from "./content.js";
import type { HubContext, HubSettings } from "./context.js";
import { EarlyAnswer } from "./early-answer.js";
import { Exchange } from "./exchange.js";
import { FaultBox } from "./faults.js";
import { answerCdn, answerPlainFile, answerRaw, answerResolve, answerResolveCache } from "./file-routes.js";
import { type HubStats, Ledger, type RequestRecord } from "./ledger.js";
import { makePlainFile, type PlainFileOptions } from "./plain-file.js";
import { QuotaMeter } from "./quota.js";
import {
  answerAuthCheck,
  answerCommits,
  answerInfo,
  answerPathsInfo,
  answerRefs,
  answerTree,
  answerWhoami,
} from "./repo-routes.js";
import { RepoShelf } from "./repo-shelf.js";
import type { HubRepo, RepoSpec } from "./repos.js";
import { parseRoute, type RequestKind } from "./route.js";
import { Throttle } from "./throttle.js";
import { UrlSigner } from "./url-signer.js";

export interface HubOptions extends Partial<HubSettings> {
  readonly repos?: readonly RepoSpec[];
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /**
   * How signed URLs call the CDN; it listens on `host`. Some clients (Python's, from 2.0) follow a redirect as the Hub's
   * own when only the port differs, so by default it is `localhost` for a Hub on 127.0.0.1. Elsewhere it is `host`.
   */
  readonly cdnHost?: string;
}

const DEFAULTS: HubSettings = {
  uplinkBytesPerSecond: undefined,
  connectionBytesPerSecond: undefined,
  latencyMs: 0,
  treePageSize: 1000,
  smallFiles: "redirect",
  gzipText: true,
  signedUrlTtlMs: 3_600_000,
  cdnSaysCloudfront: false,
  tokens: { hf_reader: { name: "reader" } },
  quotas: undefined,
};

const HANDLERS: Readonly<Record<Exclude<RequestKind, "cdn">, (ex: Exchange) => Promise<void>>> = {
  info: answerInfo,
  tree: answerTree,
  pathsInfo: answerPathsInfo,
  refs: answerRefs,
  commits: answerCommits,
  authCheck: answerAuthCheck,
  whoami: answerWhoami,
  resolve: answerResolve,
  raw: answerRaw,
  resolveCache: answerResolveCache,
  file: answerPlainFile,
  other: async () => {
    throw new EarlyAnswer(404, "Sorry, there is nothing here.");
  },
};

export class EmbeddedHub {
  readonly faults: FaultBox;
  readonly #context: { -readonly [Key in keyof HubContext]: HubContext[Key] };
  readonly #hub: Server;
  readonly #cdn: Server;
  readonly #sockets = new Set<Socket>();
  readonly #host: string;
  readonly #cdnHost: string;
  #hubPort = 0;
  #cdnPort = 0;
  #requests = 0;

  private constructor(options: HubOptions) {
    const { repos = [], host = "127.0.0.1", port = 0, cdnHost, ...settings } = options;
    const ledger = new Ledger();
    this.faults = new FaultBox({ change: () => this.#applyDown(), fire: (kind) => ledger.countFault(kind) });
    this.#host = host;
    this.#cdnHost = cdnHost ?? (host === "127.0.0.1" ? "localhost" : host);
    this.#hubPort = port;
    this.#context = {
      settings: { ...DEFAULTS, ...settings },
      repos: new RepoShelf(),
      plainFiles: new Map(),
      signer: new UrlSigner(),
      uplink: new Throttle(settings.uplinkBytesPerSecond),
      ledger,
      faults: this.faults,
      quota: new QuotaMeter(),
      cdnUrl: "",
    };
    for (const spec of repos) this.addRepo(spec);
    this.#hub = this.#createServer((req, res) => this.#answerHub(req, res));
    this.#cdn = this.#createServer((req, res) => this.#answerCdn(req, res));
  }

  /** A Hub that listens. Stop it with {@link stop}. */
  static async start(options: HubOptions = {}): Promise<EmbeddedHub> {
    const hub = new EmbeddedHub(options);
    await Promise.all([listen(hub.#hub, hub.#hubPort, hub.#host), listen(hub.#cdn, 0, hub.#host)]);
    hub.#hubPort = portOf(hub.#hub);
    hub.#cdnPort = portOf(hub.#cdn);
    hub.#context.cdnUrl = `http://${hub.#cdnHost}:${hub.#cdnPort}`;
    return hub;
  }

  /** `http://host:port`, without a slash at the end: what HF_ENDPOINT wants. */
  get url(): string {
    return `http://${this.#host}:${this.#hubPort}`;
  }

  /** `http://host:port` of the listener that LFS files are redirected to. */
  get cdnUrl(): string {
    return this.#context.cdnUrl;
  }

  addRepo(spec: RepoSpec): HubRepo {
    return this.#context.repos.add(spec);
  }

  removeRepo(name: string, type: RepoType = "model"): void {
    this.#context.repos.remove(type, name);
  }

  /** The repo of exactly this name. Throws when there is none. */
  getRepo(name: string, type: RepoType = "model"): HubRepo {
    const repo = this.#context.repos.find(type, name);
    if (repo?.name !== name) throw new Error(`the embedded Hub has no ${type} ${name}`);
    return repo;
  }

  /** Puts or replaces a file of the plain face. Returns its URL. */
  putFile(name: string, content: ContentInput, options: PlainFileOptions = {}): string {
    this.#context.plainFiles.set(name, makePlainFile(content, options));
    return this.fileUrl(name);
  }

  removeFile(name: string): void {
    this.#context.plainFiles.delete(name);
  }

  fileUrl(name: string): string {
    return `${this.url}/files/${name.split("/").map(encodeURIComponent).join("/")}`;
  }

  /** Computes the digests of all contents, so that no request has to wait for one. */
  async prepare(): Promise<void> {
    for (const repo of this.#context.repos.all()) await repo.prepare();
  }

  /** Changes how the Hub behaves from now on; bodies on their way follow a new uplink rate. */
  configure(settings: Partial<HubSettings>): void {
    this.#context.settings = { ...this.#context.settings, ...settings };
    if ("uplinkBytesPerSecond" in settings) this.#context.uplink.setRate(settings.uplinkBytesPerSecond);
  }

  stats(): HubStats {
    return this.#context.ledger.stats();
  }

  /** The latest requests (at most 10,000), oldest first. */
  log(): readonly RequestRecord[] {
    return this.#context.ledger.log;
  }

  resetStats(): void {
    this.#context.ledger.reset();
  }

  /** Ends everything at once, answers on their way included. */
  async stop(): Promise<void> {
    const closed = [this.#hub, this.#cdn].map((server) => closeServer(server));
    this.#dropConnections();
    this.#context.uplink.stop();
    await Promise.all(closed);
  }

  #createServer(answer: (req: IncomingMessage, res: ServerResponse) => Promise<void>): Server {
    const server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 0 }, (req, res) => {
      answer(req, res).catch((error: unknown) => {
        // A bug of the Hub's own: say so where the test sees it, and end the answer.
        process.emitWarning(error instanceof Error ? error : String(error));
        res.destroy();
      });
    });
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      this.#context.ledger.openConnection();
      // A reset by the other side is no news here.
      socket.on("error", () => {});
      socket.once("close", () => {
        this.#sockets.delete(socket);
        this.#context.ledger.closeConnection();
      });
    });
    return server;
  }

  async #answerHub(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const url = new URL(req.url ?? "/", this.url);
    const ex = new Exchange(this.#context, req, res, url, parseRoute(url.pathname));
    const id = ex.caller.kind === "user" ? ex.caller.account.name : ex.client.split(" ")[0];
    const caller = { id: id ?? "", isAnonymous: ex.caller.kind !== "user" };
    const quota = this.#context.quota.count(ex.route.kind, caller, this.#context.settings.quotas);
    for (const [name, value] of Object.entries(quota.headers)) res.setHeader(name, value);
    this.#requests += 1;
    res.setHeader("X-Request-Id", `Root=hub-${this.#requests}`);
    await answer(ex, async () => {
      if (quota.isExceeded) throw new EarlyAnswer(429, "Too many requests.");
      const handler = HANDLERS[ex.route.kind as Exclude<RequestKind, "cdn">];
      await handler(ex);
    });
  }

  async #answerCdn(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const url = new URL(req.url ?? "/", this.cdnUrl);
    const opened = this.#context.signer.open(url.searchParams);
    const rest = "grant" in opened ? [opened.grant.repo, opened.grant.path] : [];
    const ex = new Exchange(this.#context, req, res, url, { kind: "cdn", rest });
    await answer(ex, () => answerCdn(ex, opened));
  }

  /** Makes the listeners match the fault `down`. */
  #applyDown(): void {
    for (const [server, port] of [
      [this.#hub, this.#hubPort],
      [this.#cdn, this.#cdnPort],
    ] as const) {
      if (this.faults.isDown && server.listening) server.close();
      // With an address and no name to look up, a server listens at once.
      else if (!this.faults.isDown && !server.listening && port !== 0) server.listen(port, this.#host);
    }
    if (this.faults.isDown) this.#dropConnections();
  }

  #dropConnections(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    if (server.listening) server.close(() => resolve());
    else resolve();
  });
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
