/** Refuses requests that a web page could have made somebody's browser send. */
import type { IncomingHttpHeaders } from "node:http";
import { SwarmError } from "@swarmd/protocol";
import { API_HOSTS } from "@swarmd/protocol/api";

/**
 * The socket is reached through a file, so no honest client names another host, comes from another origin or was sent by a page.
 *
 * @throws SwarmError ACCESS_DENIED
 */
export function checkPeerHeaders(headers: IncomingHttpHeaders): void {
  const foreign =
    (isOwnHost(headers.host) ? undefined : "Host") ??
    (isOwnUrl(headers.origin) ? undefined : "Origin") ??
    (isOwnUrl(headers.referer) ? undefined : "Referer");
  if (foreign === undefined) return;
  throw new SwarmError("ACCESS_DENIED", `a request with a foreign ${foreign} header was refused`, {
    hint: `The local API is for programs on this machine; call it as http://${API_HOSTS[0]}/.`,
  });
}

function isOwnHost(host: string | undefined): boolean {
  return host !== undefined && API_HOSTS.includes(host.replace(/:\d+$/, "").toLowerCase());
}

function isOwnUrl(url: string | undefined): boolean {
  if (url === undefined) return true;
  return URL.canParse(url) && API_HOSTS.includes(new URL(url).hostname);
}
