/** URLs as the origin room keeps them: parsed, without credentials in them, and shown to people without their query. */
import { SwarmError } from "@swarmd/protocol";

/** An address, and the credentials that its own host may see. */
export interface OriginUrl {
  /** http or https; no user, password or fragment. */
  readonly url: URL;
  /** Value of the Authorization header. Sent to `url.origin` only. */
  readonly authorization?: string;
}

/**
 * Reads a URL that a user gave. Credentials in it become an Authorization header.
 *
 * @throws SwarmError USAGE; the message does not repeat the text, which may hold a password.
 */
export function parseOriginUrl(text: string): OriginUrl {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new SwarmError("USAGE", "not an http or https URL", {
      hint: "Give the whole address, for example https://example.org/models/model.gguf.",
    });
  }
  const authorization = basicAuthorization(url);
  const bare = withoutSecrets(url);
  return authorization === undefined ? { url: bare } : { url: bare, authorization };
}

/** The same address without credentials and fragment. */
export function withoutSecrets(url: URL): URL {
  const bare = new URL(url);
  bare.username = "";
  bare.password = "";
  bare.hash = "";
  return bare;
}

/** What may stand in a message or a log: origin and path. The query may be a signature. */
export function showUrl(url: URL): string {
  return url.origin + url.pathname;
}

function basicAuthorization(url: URL): string | undefined {
  if (url.username === "" && url.password === "") return undefined;
  const pair = `${decode(url.username)}:${decode(url.password)}`;
  return `Basic ${Buffer.from(pair, "utf8").toString("base64")}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A stray % is meant as it stands.
    return text;
  }
}
