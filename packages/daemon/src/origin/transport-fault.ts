/** What undici and the network throw, as errors that a person can act on. */
import { type ErrorCode, SwarmError } from "@swarmd/protocol";

/** Where a request went, in words that may be shown. */
export interface Target {
  readonly host: string;
  /** Origin and path. */
  readonly where: string;
}

interface Explanation {
  readonly code: ErrorCode;
  readonly message: (target: Target) => string;
  readonly hint?: string;
  /** The same request may succeed in a moment. */
  readonly isTransient: boolean;
}

const NETWORK_HINT = "Check the network, and the address if you gave one (HF_ENDPOINT, --origin).";

const NO_HOST: Explanation = {
  code: "ORIGIN_UNREACHABLE",
  message: ({ host }) => `there is no host named ${host}`,
  hint: NETWORK_HINT,
  isTransient: false,
};
const NO_CONNECTION: Explanation = {
  code: "ORIGIN_UNREACHABLE",
  message: ({ host }) => `${host} could not be reached`,
  hint: NETWORK_HINT,
  isTransient: false,
};
const BROKE_OFF: Explanation = {
  code: "ORIGIN_UNREACHABLE",
  message: ({ where }) => `the connection broke off while fetching ${where}`,
  hint: "Try again; what has arrived is kept.",
  isTransient: true,
};
const NO_HTTP: Explanation = {
  code: "ORIGIN_FAULT",
  message: ({ host }) => `${host} answered with something that is not HTTP`,
  hint: "Check the address and the port; http and https may be mixed up.",
  isTransient: false,
};
const BAD_CERTIFICATE: Explanation = {
  code: "ORIGIN_UNREACHABLE",
  message: ({ host }) => `${host} can't prove that it is ${host} (its TLS certificate is not trusted)`,
  hint: "Behind a company proxy, point NODE_EXTRA_CA_CERTS at its certificate.",
  isTransient: false,
};
const STOPPED: Explanation = {
  code: "INTERRUPTED",
  message: ({ where }) => `the node is stopping, and so did the request to ${where}`,
  isTransient: false,
};

/** By `code` of the error. */
const EXPLANATIONS: Readonly<Record<string, Explanation>> = {
  ENOTFOUND: NO_HOST,
  EAI_AGAIN: {
    ...NO_HOST,
    message: ({ host }) => `the name ${host} can't be looked up at the moment`,
    isTransient: true,
  },
  ECONNREFUSED: { ...NO_CONNECTION, message: ({ host }) => `nobody answers at ${host} (connection refused)` },
  UND_ERR_CONNECT_TIMEOUT: { ...NO_CONNECTION, message: ({ host }) => `no connection to ${host} in good time` },
  ETIMEDOUT: NO_CONNECTION,
  EHOSTUNREACH: NO_CONNECTION,
  EHOSTDOWN: NO_CONNECTION,
  ENETUNREACH: NO_CONNECTION,
  ENETDOWN: NO_CONNECTION,
  EADDRNOTAVAIL: NO_CONNECTION,
  UND_ERR_SOCKET: BROKE_OFF,
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: BROKE_OFF,
  PARSER_EOF: BROKE_OFF,
  PARSER: NO_HTTP,
  ECONNRESET: BROKE_OFF,
  ECONNABORTED: BROKE_OFF,
  EPIPE: BROKE_OFF,
  UND_ERR_HEADERS_OVERFLOW: NO_HTTP,
  EPROTO: NO_HTTP,
  UND_ERR_DESTROYED: STOPPED,
  UND_ERR_CLOSED: STOPPED,
};

const INTERNAL: Explanation = {
  code: "INTERNAL",
  message: ({ where }) => `the request for ${where} failed in a way that nobody foresaw`,
  isTransient: false,
};

/** The error to throw, and whether another try makes sense. A SwarmError passes as it is, and is final. */
export function explainTransport(
  error: unknown,
  target: Target,
): { readonly fault: SwarmError; readonly isTransient: boolean } {
  if (error instanceof SwarmError) return { fault: error, isTransient: error.code === "ORIGIN_STALLED" };
  const explanation = findExplanation(codeOf(error));
  const { code, hint, message, isTransient } = explanation;
  const options = { cause: bareCause(error), ...(hint === undefined ? {} : { hint }) };
  return { fault: new SwarmError(code, message(target), options), isTransient };
}

function findExplanation(code: string): Explanation {
  const known = EXPLANATIONS[code];
  if (known !== undefined) return known;
  if (code.startsWith("ERR_SSL_")) return NO_HTTP;
  return /CERT|ERR_TLS_|^UNABLE_TO_|SELF_SIGNED/.test(code) ? BAD_CERTIFICATE : INTERNAL;
}

function codeOf(error: unknown): string {
  const { code, name, message } = (error ?? {}) as { code?: unknown; name?: unknown; message?: unknown };
  // undici's parser errors come without a code; one that speaks of the end of input saw the connection close within a body.
  if (name === "HTTPParserError") return String(message).includes("EOF") ? "PARSER_EOF" : "PARSER";
  return typeof code === "string" ? code : "";
}

/** Name, code and text only: undici hangs sockets and pieces of the answer on its errors, and those may hold a signed URL. */
function bareCause(error: unknown): Error {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  const code = codeOf(error);
  return new Error([name, code, message].filter((part) => part !== "").join(": "));
}
