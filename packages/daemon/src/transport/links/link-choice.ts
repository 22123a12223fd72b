/** Which of the ways to a peer is tried first, and why, in words. Pure. */
import type { PeerRoute } from "./routes.js";

/** A way to a peer, with what is to be said of its place in the line. */
export interface ChosenRoute {
  readonly route: PeerRoute;
  readonly isChosen: boolean;
  readonly whyChosen: string;
}

/** @param routes best first @param lastLink over which bytes last came */
export function explainChoice(routes: readonly PeerRoute[], lastLink: string | undefined): readonly ChosenRoute[] {
  const [first] = routes;
  return routes.map((route, index) => {
    if (first === undefined || index > 0) return { route, isChosen: false, whyChosen: whyLater(route, lastLink) };
    return { route, isChosen: true, whyChosen: whyFirst(first, routes[1], lastLink) };
  });
}

function whyFirst(first: PeerRoute, second: PeerRoute | undefined, lastLink: string | undefined): string {
  const failed =
    lastLink !== undefined && lastLink !== first.link ? `; it failed the last time, ${lastLink} did not` : "";
  return `${reason(first, second)}${failed}`;
}

function reason(first: PeerRoute, second: PeerRoute | undefined): string {
  if (second === undefined) return "the only one";
  if (first.class !== second.class) return `${first.class} goes before ${second.class}`;
  if (first.speedBytesPerS > second.speedBytesPerS) return `the fastest ${first.class}`;
  return second.port === 0 ? "before the libp2p connection" : "equal ones go in the order in which the peer names them";
}

function whyLater({ link }: PeerRoute, lastLink: string | undefined): string {
  return link === lastLink ? "took over when a better one failed" : "when a better one fails";
}
