/** The gateway's table of routes: which request is whose. Each part of the gateway brings a list of its own; they are tried in order. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Caller } from "./caller.js";
import { HubError } from "./hub-error.js";

export type GatewayMethod = "GET" | "POST";

export interface GatewayRoute {
  /** A GET route answers HEAD as well: its handler writes the same head, and no body. */
  readonly method: GatewayMethod;
  /** Matched against the path as it was sent, before percent-decoding and without the query. Named groups become `params`, decoded. */
  readonly pattern: RegExp;
  /** Answers, or throws: a {@link HubError} as it stands, a SwarmError by its code. */
  readonly handle: (call: GatewayCall) => Promise<void>;
}

/** One request, looked at and let in. */
export interface GatewayCall {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The request is HEAD: the same headers, no body. */
  readonly isHead: boolean;
  /** The pattern's named groups, percent-decoded; a group that took no part is absent. */
  readonly params: Readonly<Record<string, string>>;
  /** As it was sent, before decoding, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Who asks, by the Hub token of the request. */
  readonly caller: Caller;
  /** How the caller calls this gateway: `http://127.0.0.1:7480`, without a trailing slash. */
  readonly baseUrl: string;
  /** Aborts when the caller goes away or the node stops. */
  readonly signal: AbortSignal;
}

export interface FoundRoute {
  readonly route: GatewayRoute;
  readonly params: Readonly<Record<string, string>>;
}

/** @throws HubError 404, 405; 400 for what can't be decoded */
export function findRoute(routes: readonly GatewayRoute[], method: string, path: string): FoundRoute {
  const asked = method === "HEAD" ? "GET" : method;
  const allowed = new Set<string>();
  for (const route of routes) {
    const match = route.pattern.exec(path);
    if (match === null) continue;
    if (route.method === asked) return { route, params: decodeGroups(match.groups ?? {}) };
    allowed.add(route.method);
  }
  if (allowed.size === 0) throw new HubError(404, "Sorry, there is nothing here.");
  const allow = [...allowed].flatMap((one) => (one === "GET" ? ["GET", "HEAD"] : [one])).join(", ");
  throw new HubError(405, `this address takes ${allow}`, { headers: { allow } });
}

function decodeGroups(groups: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const params: Record<string, string> = {};
  for (const [name, text] of Object.entries(groups)) if (text !== undefined) params[name] = decodePart(text);
  return params;
}

/** What climbs, or could end a C string, is refused wherever it stands. @throws HubError 400 */
function decodePart(text: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(text);
  } catch {
    throw new HubError(400, "the address is not percent-encoded UTF-8");
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
  if (/[\u0000-\u001f\u007f\\]/.test(decoded))
    throw new HubError(400, "the address holds a character that no file has");
  const climbs = decoded.split("/").some((part) => part === "." || part === "..");
  if (climbs) throw new HubError(400, "the address climbs out of its folder");
  return decoded;
}
