/** Reads ranges of one file. Finds out once where its bytes are, however many readers start together, and again when that place expires. */
import { SwarmError, toSwarmError } from "@swarmd/protocol";
import type { Head } from "./exchange.js";
import type { OriginDeps, OriginHttp } from "./origin-http.js";
import { showUrl } from "./origin-url.js";
import type { ByteSink } from "./ports.js";
import { checkRangeAnswer, explainUnsatisfied, isData, type Range, RangeSink } from "./range-answer.js";
import type { RangeTarget } from "./range-target.js";
import { authorizationFor, isRedirect, MAX_REDIRECTS, redirectTarget, tooManyRedirects } from "./redirects.js";
import { renewalTimeMs } from "./signed-url.js";

/** Where the bytes are, after redirects. */
interface Place {
  readonly url: URL;
  /** Unix ms after which it should not be used any more. */
  readonly renewAtMs: number | undefined;
}

interface Order {
  readonly range: Range;
  readonly sink: RangeSink;
  readonly signal: AbortSignal;
}

/** How a place that has expired, or never was, answers. */
const GONE = new Set([401, 403, 404, 410]);
/** A longer pause than this is the engine's to wait: it can do other things meanwhile. */
const MAX_WAIT_MS = 10_000;

export class FileReader {
  readonly #target: RangeTarget;
  readonly #http: OriginHttp;
  #place: Place | undefined;
  /** Somebody is finding the place. Resolves when that is over, with the reason if it failed for everybody. */
  #search: Promise<SwarmError | undefined> | undefined;

  constructor(target: RangeTarget, deps: OriginDeps) {
    this.#target = target;
    this.#http = deps.http;
  }

  /** @throws SwarmError ORIGIN_*, and what the Hub's refusals mean (HubOrigin has the list); INTERRUPTED on abort */
  async read(range: Range, sink: ByteSink, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    const { start } = this.#target;
    const order = { range, sink: new RangeSink(sink, range, start.url), signal };
    let isRenewed = false;
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      const place = await this.#locate(order);
      if (place === "delivered") return;
      const head = await this.#request(place.url, order);
      if (isData(head)) return;
      if (isRedirect(head)) this.#move(place, redirectTarget(head, place.url));
      else if (!isRenewed && this.#mayBeExpired(head, place)) {
        isRenewed = true;
        this.#move(place, undefined);
      } else throw this.#explain(head, place.url);
    }
    throw tooManyRedirects(start.url);
  }

  /** The place; or "delivered" when finding it has brought the bytes as well, because the first answer had them. */
  async #locate(order: Order): Promise<Place | "delivered"> {
    for (;;) {
      const place = this.#place;
      if (place !== undefined && !(place.renewAtMs !== undefined && place.renewAtMs <= Date.now())) return place;
      if (this.#search === undefined) return this.#lead(order);
      const failure = await untilAborted(this.#search, order.signal);
      if (failure !== undefined) throw failure;
    }
  }

  /** Finds the place for everybody who waits. */
  async #lead(order: Order): Promise<Place | "delivered"> {
    this.#place = undefined;
    let settle: (failure: SwarmError | undefined) => void = () => {};
    const search = new Promise<SwarmError | undefined>((resolve) => {
      settle = resolve;
    });
    this.#search = search;
    const end = (failure?: SwarmError): void => {
      if (this.#search === search) this.#search = undefined;
      settle(failure);
    };
    const publish = (place: Place): void => {
      this.#place = place;
      end();
    };
    try {
      const mayRetry = () => this.#search === search;
      return await this.#http.retry(() => this.#walk(order, publish), {
        signal: order.signal,
        maxWaitMs: MAX_WAIT_MS,
        mayRetry,
      });
    } catch (error) {
      const failure = toSwarmError(error);
      // Only this reader was told to stop: another one takes over.
      end(failure.code === "INTERRUPTED" ? undefined : failure);
      throw failure;
    }
  }

  /** Follows redirects up to the first other host, or to the bytes. */
  async #walk(order: Order, publish: (place: Place) => void): Promise<Place | "delivered"> {
    const { start, explain } = this.#target;
    let { url } = start;
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      const here = url;
      const head = await this.#request(here, order, () => publish({ url: here, renewAtMs: undefined }));
      if (isData(head)) return "delivered";
      if (!isRedirect(head)) throw head.status === 416 ? this.#explain(head, here) : explain(head);
      url = redirectTarget(head, here);
      if (url.origin === start.url.origin) continue;
      const place = placeAt(url);
      publish(place);
      return place;
    }
    throw tooManyRedirects(start.url);
  }

  async #request(url: URL, order: Order, onData: () => void = () => {}): Promise<Head> {
    const { range, sink, signal } = order;
    const { start, sizeBytes, checkIdentity } = this.#target;
    const authorization = authorizationFor(url, start);
    const onHead = (head: Head) => {
      checkIdentity(head, url);
      if (!isData(head)) return undefined;
      checkRangeAnswer(head, range, { url, sizeBytes });
      onData();
      return sink;
    };
    const request = { url, method: "GET", headers: this.#headers(range), authorization } as const;
    const head = await this.#http.exchange(request, onHead, { signal });
    if (isData(head)) sink.assertComplete();
    return head;
  }

  #headers({ startBytes, endBytes }: Range): Readonly<Record<string, string>> {
    const { ifRange } = this.#target;
    const range = `bytes=${startBytes}-${endBytes - 1}`;
    return ifRange === undefined ? { range } : { range, "if-range": ifRange };
  }

  /** Forgets a place, or replaces it, unless somebody did so already. */
  #move(from: Place, to: URL | undefined): void {
    if (this.#place === from) this.#place = to === undefined ? undefined : placeAt(to);
  }

  #mayBeExpired(head: Head, place: Place): boolean {
    return GONE.has(head.status) && place.url.href !== this.#target.start.url.href;
  }

  #explain(head: Head, url: URL): SwarmError {
    const { start, sizeBytes, explain } = this.#target;
    if (head.status === 416) return explainUnsatisfied(head, { url, sizeBytes });
    if (url.origin === start.url.origin) return explain(head);
    return new SwarmError(
      "ORIGIN_FAULT",
      `${url.host} refused ${showUrl(url)} (${head.status}), to where ${start.url.host} had sent us`,
      {
        hint: "Try again; if it stays so, the clock of this machine may be wrong, or the network blocks that host.",
      },
    );
  }
}

function placeAt(url: URL): Place {
  return { url, renewAtMs: renewalTimeMs(url, Date.now()) };
}

/** @throws SwarmError INTERRUPTED when the signal comes first */
async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort: () => void = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () =>
      reject(new SwarmError("INTERRUPTED", "a read was stopped before it began", { cause: signal.reason }));
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
