/** Redirects, followed by hand: each hop is looked at, and credentials stay with the host they were given for. */
import { SwarmError } from "@swarmd/protocol";
import type { Head } from "./exchange.js";
import type { ExchangeLimits, HttpRequest, OriginHttp } from "./origin-http.js";
import { type OriginUrl, showUrl, withoutSecrets } from "./origin-url.js";
import type { ByteSink } from "./ports.js";

/** What browsers stop at is 20; a file server needs two. */
export const MAX_REDIRECTS = 5;

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

export function isRedirect(head: Head): boolean {
  return REDIRECTS.has(head.status);
}

/** Where a redirect leads. @throws SwarmError ORIGIN_FAULT when that is nowhere. */
export function redirectTarget(head: Head, from: URL): URL {
  const { location } = head.fields;
  const target = location !== undefined && URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (target === undefined || !/^https?:$/.test(target.protocol)) {
    throw new SwarmError(
      "ORIGIN_FAULT",
      `${showUrl(from)} redirects (${head.status}) to no address that can be fetched`,
    );
  }
  return withoutSecrets(target);
}

/** The credentials of `start`, if `url` is on the very host (scheme, name, port) they are for. */
export function authorizationFor(url: URL, start: OriginUrl): string | undefined {
  return url.origin === start.url.origin ? start.authorization : undefined;
}

export function tooManyRedirects(start: URL): SwarmError {
  return new SwarmError("ORIGIN_FAULT", `${showUrl(start)} redirects more than ${MAX_REDIRECTS} times`, {
    hint: "Check the address; a login page may be in the way.",
  });
}

export interface Followed {
  readonly head: Head;
  /** Where the answer came from in the end. */
  readonly url: URL;
}

/**
 * Requests `start`, and where it leads, until an answer is no redirect.
 *
 * @throws SwarmError like {@link OriginHttp.exchange}; ORIGIN_FAULT for redirects without end, or from https to http where `https: "keep"`
 */
export async function follow(
  http: OriginHttp,
  start: OriginUrl & Pick<HttpRequest, "method" | "headers">,
  onHead: (head: Head, url: URL) => ByteSink | undefined,
  options: ExchangeLimits & { readonly https: "keep" | "may-drop" },
): Promise<Followed> {
  let { url } = start;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const here = url;
    const request = { ...start, url, authorization: authorizationFor(url, start) };
    const head = await http.exchange(request, (head) => (isRedirect(head) ? undefined : onHead(head, here)), options);
    if (!isRedirect(head)) return { head, url };
    url = redirectTarget(head, url);
    if (options.https === "keep" && here.protocol === "https:" && url.protocol === "http:") {
      throw new SwarmError(
        "ORIGIN_FAULT",
        `${showUrl(here)} redirects from https to http, where anybody could change the answer`,
      );
    }
  }
  throw tooManyRedirects(start.url);
}
