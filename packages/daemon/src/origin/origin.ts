/**
 * origin: Hugging Face and plain HTTP behind one face.
 *
 * In: a repo and a revision, a URL, or a range of a registered blob. Out: manifests, descriptions, bytes, and errors that say whose
 * fault it is. Never: decides what to fetch or when to try again once bytes flow, checks a digest, touches a disk, sends a token to
 * a host it was not given for, or shows one (nor a signature) in a message.
 */
import type { OriginStats } from "./exchange.js";
import { type HubOptions, HubOrigin } from "./hub-origin.js";
import { HubRelay } from "./hub-relay.js";
import { OriginHttp, type OriginHttpDeps, type OriginHttpOptions } from "./origin-http.js";
import { OriginSources } from "./origin-sources.js";
import { UrlOrigin } from "./url-origin.js";

export type OriginOptions = HubOptions & OriginHttpOptions;

/** All that a node knows of its origins. Opens no connection before the first request. */
export class Origin {
  readonly name = "origin";
  readonly hub: HubOrigin;
  readonly urls: UrlOrigin;
  readonly sources: OriginSources;
  readonly relay: HubRelay;
  readonly #options: OriginOptions;
  readonly #http: OriginHttp;

  constructor(options: OriginOptions, deps: OriginHttpDeps = {}) {
    const http = new OriginHttp(options, deps);
    this.#options = options;
    this.#http = http;
    this.hub = new HubOrigin(options, { http });
    this.urls = new UrlOrigin({ http });
    this.sources = new OriginSources(options, { http });
    this.relay = new HubRelay(options, { http });
  }

  /** The Hub as somebody else may see it. The token lives as long as what is returned. */
  hubFor(token: string | undefined): HubOrigin {
    return new HubOrigin({ endpoint: this.#options.endpoint, token }, { http: this.#http });
  }

  /** Live counters; read them as often as you like. */
  get stats(): Readonly<OriginStats> {
    return this.#http.stats;
  }

  /** Nothing to do: there is no connection to keep. */
  async start(): Promise<void> {}

  /** Breaks off what is under way (INTERRUPTED) and closes all connections. */
  async stop(): Promise<void> {
    await this.#http.stop();
  }
}
