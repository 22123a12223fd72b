/** Who asks, as far as the gateway goes: the Hub token of one request, and a name for its holder that gives nothing away. */
import { createHmac, randomBytes } from "node:crypto";
import { HubError } from "./hub-error.js";

export interface Caller {
  /** The Authorization header, for the origin only. Never kept beyond the request (and the fetch it began), logged, or sent to peers. */
  readonly authorization: string | undefined;
  /** The same for the same token while this process runs; nobody can find the token from it. `anonymous` without one. */
  readonly key: string;
}

const BEARER = /^Bearer ([\x21-\x7e]{1,4096})$/i;
/** Lives and dies with the process, so the names mean nothing elsewhere or later. */
const SECRET = randomBytes(32);

/** @throws HubError 401 for an Authorization header that holds no token */
export function callerOf(authorization: string | undefined): Caller {
  if (authorization === undefined) return { authorization: undefined, key: "anonymous" };
  const token = BEARER.exec(authorization.trim())?.[1];
  if (token === undefined) throw new HubError(401, "Invalid credentials in Authorization header");
  return { authorization: `Bearer ${token}`, key: createHmac("sha256", SECRET).update(token).digest("base64url") };
}
