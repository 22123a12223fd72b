/** Peers and the links to them, as `swarm peers` shows them: what several rooms know, put together. */
import type { NodeId } from "@swarmd/protocol";
import type { BannedPeer, LinkStatus, PeerStatus } from "@swarmd/protocol/api";
import { explainChoice } from "./transport/links/link-choice.js";
import type { LinkTraffic } from "./transport/links/link-traffic.js";
import type { PeerView } from "./transport/peer-network.js";

/** Bytes sent to a peer, by the address it asked from; `undefined` stands for its libp2p connection. */
export type SentBytes = (peer: NodeId) => ReadonlyMap<string | undefined, number>;

export interface PeerList {
  /** This node's. */
  readonly id: string;
  readonly addresses: readonly string[];
  readonly peers: readonly PeerStatus[];
  readonly banned: readonly BannedPeer[];
}

export function viewPeer(peer: PeerView, traffic: LinkTraffic, sentBytes: SentBytes): PeerStatus {
  const { id, hello, routes } = peer;
  const sent = sentBytes(id);
  const shown = explainChoice(routes, traffic.lastLink(id));
  return {
    id,
    agent: hello.agent,
    links: shown.map(({ route, isChosen, whyChosen }): LinkStatus => {
      const { link, host, class: linkClass, why, via, speedBytesPerS } = route;
      return {
        link,
        class: linkClass,
        why,
        interface: via ?? null,
        linkBytesPerSecond: speedBytesPerS === 0 ? null : speedBytesPerS,
        measuredBytesPerSecond: traffic.rate(id, link) ?? null,
        bytesReceived: traffic.receivedBytes(id, link),
        bytesSent: sent.get(host === "" ? undefined : host) ?? 0,
        isChosen,
        whyChosen,
      };
    }),
    bytesReceived: traffic.receivedBytesFrom(id),
    bytesSent: [...sent.values()].reduce((sum, bytes) => sum + bytes, 0),
  };
}
