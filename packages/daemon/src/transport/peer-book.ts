/** The peers that are here: what they said of themselves, and the routes to them from where we are now. */
import type { NodeId } from "@swarmd/protocol";
import { type Hello, LIBP2P_LINK } from "@swarmd/protocol/wire";
import type { LocalInterface } from "./links/link-class.js";
import { type PeerRoute, planRoutes } from "./links/routes.js";

/** A peer that is up. */
export interface BookedPeer {
  readonly id: NodeId;
  readonly hello: Hello;
  readonly routes: readonly PeerRoute[];
}

export class PeerBook {
  readonly #peers = new Map<NodeId, BookedPeer>();
  #interfaces: readonly LocalInterface[] = [];

  get peers(): readonly BookedPeer[] {
    return [...this.#peers.values()];
  }

  find(peer: NodeId): BookedPeer | undefined {
    return this.#peers.get(peer);
  }

  /** @returns the peer if it is new or its routes changed */
  note(id: NodeId, hello: Hello): BookedPeer | undefined {
    const known = this.#peers.get(id);
    if (known !== undefined && hello.revision <= known.hello.revision) return undefined;
    const peer = { id, hello, routes: routesTo(this.#interfaces, hello) };
    this.#peers.set(id, peer);
    return known !== undefined && isSame(known.routes, peer.routes) ? undefined : peer;
  }

  /** @returns whether it was there */
  drop(peer: NodeId): boolean {
    return this.#peers.delete(peer);
  }

  /** Our own interfaces changed. @returns the peers whose routes did */
  setInterfaces(interfaces: readonly LocalInterface[]): readonly BookedPeer[] {
    this.#interfaces = interfaces;
    const changed: BookedPeer[] = [];
    for (const known of this.#peers.values()) {
      const peer = { ...known, routes: routesTo(interfaces, known.hello) };
      this.#peers.set(peer.id, peer);
      if (!isSame(known.routes, peer.routes)) changed.push(peer);
    }
    return changed;
  }
}

/** The stream of the libp2p connection is the last resort: it is there whenever the peer is, and it is slow. */
const LAST_RESORT: PeerRoute = {
  link: LIBP2P_LINK,
  host: "",
  port: 0,
  class: "routed",
  speedBytesPerS: 0,
  via: undefined,
  why: "over the libp2p connection",
};

function routesTo(interfaces: readonly LocalInterface[], { lanes }: Hello): readonly PeerRoute[] {
  return [...planRoutes(interfaces, lanes), LAST_RESORT];
}

function isSame(a: readonly PeerRoute[], b: readonly PeerRoute[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
