/** Passes a request of somebody else on to the Hub, with that one's own credentials, and hands the answer back as it is. */
import { SwarmError } from "@swarmd/protocol";
import type { Head } from "./exchange.js";
import type { HttpRequest, OriginDeps, OriginHttp } from "./origin-http.js";
import { showUrl } from "./origin-url.js";
import type { ByteSink } from "./ports.js";
import { isRedirect, MAX_REDIRECTS, redirectTarget, tooManyRedirects } from "./redirects.js";

export interface RelayRequest {
  readonly method: "GET" | "HEAD" | "POST";
  /** Path and query on the Hub, beginning with `/`. */
  readonly target: string;
  /** Of whoever asks; goes to the Hub and to no other host. */
  readonly authorization: string | undefined;
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export interface RelayedHead {
  readonly status: number;
  /** Names in lower case. */
  readonly fields: Readonly<Record<string, string | undefined>>;
}

export interface RelayedAnswer extends RelayedHead {
  readonly body: Buffer;
}

export interface RelayOptions {
  readonly signal: AbortSignal;
  /** More is ORIGIN_FAULT. */
  readonly maxBytes: number;
}

export class HubRelay {
  readonly #endpoint: URL;
  readonly #http: OriginHttp;

  constructor(options: { readonly endpoint: string }, deps: OriginDeps) {
    this.#endpoint = new URL(options.endpoint);
    this.#http = deps.http;
  }

  /**
   * One request, whole answer; tried once. Redirects on the Hub itself are followed, one that leads to another host is the answer.
   *
   * @throws SwarmError ORIGIN_UNREACHABLE, ORIGIN_STALLED, ORIGIN_FAULT, ORIGIN_BUSY, INTERRUPTED
   */
  async ask(request: RelayRequest, { signal, maxBytes }: RelayOptions): Promise<RelayedAnswer> {
    let chunks: Uint8Array[] = [];
    let bytes = 0;
    const write = (chunk: Uint8Array): undefined => {
      bytes += chunk.length;
      if (bytes > maxBytes) throw new SwarmError("ORIGIN_FAULT", `the Hub answered with more than ${maxBytes} bytes`);
      chunks.push(chunk);
    };
    const head = await this.#follow(request, signal, () => {
      chunks = [];
      bytes = 0;
      return { write };
    });
    return { ...head, body: Buffer.concat(chunks) };
  }

  /** The same for an answer of any length: its head first, then its bytes as they come. Redirects to other hosts are followed, without credentials. */
  async stream(
    request: RelayRequest,
    onHead: (head: RelayedHead) => ByteSink | undefined,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<void> {
    await this.#follow(request, signal, onHead, true);
  }

  async #follow(
    request: RelayRequest,
    signal: AbortSignal,
    onHead: (head: Head) => ByteSink | undefined,
    elsewhere = false,
  ): Promise<Head> {
    const { method, target, headers, body, authorization } = request;
    const start = this.#urlOf(target);
    let url = start;
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      const here = url;
      const isHub = here.origin === start.origin;
      const http: HttpRequest = {
        url: here,
        method,
        ...(headers === undefined ? {} : { headers }),
        ...(body === undefined ? {} : { body }),
        authorization: isHub ? authorization : undefined,
      };
      const goesOn = (head: Head) => isRedirect(head) && (elsewhere || isOn(start, head, here));
      const head = await this.#http.exchange(http, (head) => (goesOn(head) ? undefined : onHead(head)), { signal });
      if (!goesOn(head)) return head;
      url = redirectTarget(head, here);
    }
    throw tooManyRedirects(start);
  }

  #urlOf(target: string): URL {
    const url = new URL(`${this.#endpoint.href.replace(/\/+$/, "")}${target}`);
    if (url.origin === this.#endpoint.origin) return url;
    throw new SwarmError("INTERNAL", `${showUrl(url)} is not on the Hub`);
  }
}

function isOn(start: URL, head: Head, from: URL): boolean {
  return redirectTarget(head, from).origin === start.origin;
}
