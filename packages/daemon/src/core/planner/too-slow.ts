/** Whether our own node is what holds up its transfers, as far as it can tell by itself. */

/** What comes from fewer than so many may be their fault. */
const LEAST_SOURCES = 3;
const LEAST_STREAMS = 4;
/** Nearly all: a fast node behind some slow relays gets the rest as ever. */
const MOST = 0.75;

/** A shard on its way whose pace a scarce source or a relay sets. */
export interface Stream {
  /** Who sends it: a peer's id, or a name for the origin. */
  readonly from: string;
  /** It is our node that asks the origin for it, and others follow. */
  readonly isFromOrigin: boolean;
  /** It is long overdue, and far slower than usual. */
  readonly crawls: boolean;
  /** Over another connection than at first. */
  readonly isSecondTry: boolean;
}

/**
 * What we fetch from the origin ourselves is enough to tell, if all of it crawls: the others wait for it, whosever fault it is. A single
 * connection may be unlucky among the many that share the origin's line, so it is given a second try. Else nearly all has to crawl, from
 * several peers.
 */
export function isTooSlow(streams: readonly Stream[]): boolean {
  const ours = streams.filter(({ isFromOrigin }) => isFromOrigin);
  if (ours.length > 0 && ours.every(({ crawls }) => crawls)) {
    if (ours.length > 1 || ours.some(({ isSecondTry }) => isSecondTry)) return true;
  }
  const crawling = streams.filter(({ crawls }) => crawls);
  if (crawling.length < LEAST_STREAMS || crawling.length < streams.length * MOST) return false;
  return new Set(crawling.map(({ from }) => from)).size >= LEAST_SOURCES;
}
