/** What came from each peer over each link, and how fast. Pure: whoever reports knows the time. */
import type { NodeId } from "@swarmd/protocol";

/** Bytes that came from a peer over one link, from one time to another, both in ms of one clock. */
export interface Delivery {
  readonly peer: NodeId;
  readonly link: string;
  readonly bytes: number;
  readonly startedMs: number;
  readonly endedMs: number;
}

interface Traffic {
  receivedBytes: number;
  /** The newest last. */
  latest: readonly Delivery[];
}

/** A rate is that of the last few fetches: older ones may have met another network. */
const LATEST = 64;

export class LinkTraffic {
  readonly #peers = new Map<NodeId, Map<string, Traffic>>();
  readonly #lastLinks = new Map<NodeId, string>();

  note(delivery: Delivery): void {
    const { peer, link, bytes } = delivery;
    let links = this.#peers.get(peer);
    if (links === undefined) {
      links = new Map();
      this.#peers.set(peer, links);
    }
    const known = links.get(link);
    const receivedBytes = (known?.receivedBytes ?? 0) + bytes;
    links.set(link, { receivedBytes, latest: [...(known?.latest ?? []), delivery].slice(-LATEST) });
    this.#lastLinks.set(peer, link);
  }

  receivedBytes(peer: NodeId, link: string): number {
    return this.#peers.get(peer)?.get(link)?.receivedBytes ?? 0;
  }

  /** Over all links, those that are gone too. */
  receivedBytesFrom(peer: NodeId): number {
    return [...(this.#peers.get(peer)?.values() ?? [])].reduce((sum, { receivedBytes }) => sum + receivedBytes, 0);
  }

  /** Bytes per second while something came, of all fetches that ran beside each other; `undefined` when nothing came yet. */
  rate(peer: NodeId, link: string): number | undefined {
    const latest = this.#peers.get(peer)?.get(link)?.latest;
    if (latest === undefined) return undefined;
    const bytes = latest.reduce((sum, delivery) => sum + delivery.bytes, 0);
    return Math.round((1_000 * bytes) / Math.max(1, busyMs(latest)));
  }

  /** Over which link bytes last came. */
  lastLink(peer: NodeId): string | undefined {
    return this.#lastLinks.get(peer);
  }
}

/** The time that these took, where several ran at once counted once. */
function busyMs(deliveries: readonly Delivery[]): number {
  let sumMs = 0;
  let untilMs = Number.NEGATIVE_INFINITY;
  for (const { startedMs, endedMs } of [...deliveries].sort((a, b) => a.startedMs - b.startedMs)) {
    sumMs += Math.max(0, endedMs - Math.max(startedMs, untilMs));
    untilMs = Math.max(untilMs, endedMs);
  }
  return sumMs;
}
