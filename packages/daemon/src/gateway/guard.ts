/** Keeps out what no honest client sends: web pages that have a browser ask for them, and those who take the gateway for a proxy. */
import { timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { HubError } from "./hub-error.js";

export interface GuardOptions {
  /** Whoever is not on this machine has to name it, as a path prefix (`/t/<token>/…`) or in `X-Swarm-Token`. `undefined`: loopback only. */
  readonly token: string | undefined;
}

export interface Admitted {
  /** The path without the prefix. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** How the caller calls the gateway. */
  readonly baseUrl: string;
}

/** Far longer than any path and query of the Hub's. */
const MAX_TARGET_LENGTH = 8 * 1024;
const OWN_HOSTS: readonly string[] = ["127.0.0.1", "localhost", "[::1]"];
const HOST = /^(?<name>\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,255})(?::\d{1,5})?$/;
const PREFIX = /^\/t\/([A-Za-z0-9_-]{1,128})(?=\/|$)/;

/** @throws HubError 400, 401, 403, 414 */
export function admit(target: string, headers: IncomingHttpHeaders, options: GuardOptions): Admitted {
  if (target.length > MAX_TARGET_LENGTH) throw new HubError(414, "the address is too long");
  if (!target.startsWith("/")) throw new HubError(400, "this is a gateway to one Hub, not a proxy to other hosts");
  const host = headers.host ?? "";
  const name = HOST.exec(host)?.groups?.name?.toLowerCase();
  if (name === undefined) throw new HubError(400, "the request names no host, or one that can't be");
  const { token } = options;
  const prefix = PREFIX.exec(target);
  if (token === undefined || (OWN_HOSTS.includes(name) && prefix === null)) checkOwn(name, headers);
  if (token !== undefined) checkToken(token, prefix?.[1] ?? headers["x-swarm-token"]);
  const rest = prefix === null || token === undefined ? target : target.slice(prefix[0].length);
  const queryAt = rest.indexOf("?");
  const path = queryAt === -1 ? rest : rest.slice(0, queryAt);
  return {
    path: path === "" ? "/" : path,
    query: new URLSearchParams(queryAt === -1 ? "" : rest.slice(queryAt + 1)),
    baseUrl: `http://${host}${token === undefined ? "" : (prefix?.[0] ?? "")}`,
  };
}

/** A page of another site can make a browser ask, but not lie about where it comes from. */
function checkOwn(name: string, { origin, referer }: IncomingHttpHeaders): void {
  const foreign =
    (OWN_HOSTS.includes(name) ? undefined : "Host") ??
    (isOwnUrl(origin) ? undefined : "Origin") ??
    (isOwnUrl(referer) ? undefined : "Referer");
  if (foreign !== undefined) throw new HubError(403, `a request with a foreign ${foreign} header was refused`);
}

function isOwnUrl(url: string | undefined): boolean {
  if (url === undefined) return true;
  return URL.canParse(url) && OWN_HOSTS.includes(new URL(url).hostname);
}

function checkToken(token: string, given: string | readonly string[] | undefined): void {
  if (typeof given === "string" && isSame(given, token)) return;
  throw new HubError(
    401,
    "this gateway wants its token: use http://HOST:PORT/t/TOKEN as the endpoint (swarm env prints it)",
  );
}

function isSame(a: string, b: string): boolean {
  const [one, other] = [Buffer.from(a), Buffer.from(b)];
  return one.length === other.length && timingSafeEqual(one, other);
}
