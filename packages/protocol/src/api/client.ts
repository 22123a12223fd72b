/** The client of the local API, derived from the routes. It does no I/O: whoever makes it brings the transport. */
import { fromErrorBody, SwarmError } from "../errors.js";
import { splitLines } from "./lines.js";
import { type JsonRoute, ROUTES, type RouteName, type Routes, type StreamRoute } from "./routes.js";

export interface ApiRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** JSON. */
  readonly body: string | undefined;
}

export interface ApiResponse {
  readonly status: number;
  /** Decoded text, cut anywhere. Ends early only by throwing. */
  readonly body: AsyncIterable<string>;
}

/**
 * Sends one request. `Options` is the transport's own business: a signal, a deadline.
 *
 * @throws SwarmError DAEMON_UNREACHABLE when nobody answers or the connection breaks, INTERRUPTED when it was aborted.
 */
export type Transport<Options> = (request: ApiRequest, options: Options) => Promise<ApiResponse>;

/** One method per route. Stream methods end after their last event; an `error` line is thrown, not given. */
export type ApiClient<Options> = {
  readonly [Name in RouteName]: Routes[Name] extends JsonRoute<infer Request, infer Response>
    ? (request: Request, options: Options) => Promise<Response>
    : Routes[Name] extends StreamRoute<infer Request, infer Event>
      ? (request: Request, options: Options) => AsyncGenerator<Exclude<Event, { type: "error" }>, void, undefined>
      : never;
};

/** @throws SwarmError, from every method: what the daemon answered, or DAEMON_UNREACHABLE. */
export function createApiClient<Options>(transport: Transport<Options>): ApiClient<Options> {
  const methods = Object.entries(ROUTES).map(([name, route]) => [
    name,
    route.kind === "json"
      ? (request: unknown, options: Options) => callJson(transport, route, request, options)
      : (request: unknown, options: Options) => callStream(transport, route, request, options),
  ]);
  return Object.fromEntries(methods) as ApiClient<Options>;
}

async function callJson<Options>(
  transport: Transport<Options>,
  route: JsonRoute<unknown, unknown>,
  request: unknown,
  options: Options,
): Promise<unknown> {
  const response = await transport(toApiRequest(route, request), options);
  const text = await readAll(response.body);
  if (response.status >= 400) throw fromErrorBody(parseAnswer(text));
  return parseAnswer(text);
}

async function* callStream<Options>(
  transport: Transport<Options>,
  route: StreamRoute<unknown, { readonly type: string }>,
  request: unknown,
  options: Options,
): AsyncGenerator<{ readonly type: string }, void, undefined> {
  const response = await transport(toApiRequest(route, request), options);
  if (response.status >= 400) throw fromErrorBody(parseAnswer(await readAll(response.body)));
  for await (const line of splitLines(response.body)) {
    const event = parseAnswer(line) as { readonly type: string };
    if (event.type === "error") throw fromErrorBody(event);
    yield event;
    if (event.type === route.last) return;
  }
  throw new SwarmError("DAEMON_UNREACHABLE", "the daemon closed the connection before it was done", {
    hint: "Run the same command again; what was fetched is kept.",
  });
}

function toApiRequest(route: { readonly method: "GET" | "POST"; readonly path: string }, request: unknown): ApiRequest {
  const body = request === undefined ? undefined : JSON.stringify(request);
  return { method: route.method, path: route.path, body };
}

async function readAll(body: AsyncIterable<string>): Promise<string> {
  let text = "";
  for await (const chunk of body) text += chunk;
  return text;
}

function parseAnswer(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SwarmError("DAEMON_UNREACHABLE", "what answers on the daemon's socket is no swarmd", {
      cause,
      hint: "Is --state-dir (or SWARM_HOME) the folder of a running swarmd?",
    });
  }
}
