/**
 * What the transport room needs of others.
 *
 * *purpose:* the libp2p node: who is there, what they say, and the lanes to them. *in:* announcements to publish, tickets to ask for.
 * *out:* peers that come and go with their links, what they say, requests on the libp2p lane. *never:* decides what to fetch, or
 * touches a blob's bytes on disk.
 */
import type { BlobId, NodeId } from "@swarmd/protocol";
import type { WireAnnouncement } from "@swarmd/protocol/wire";
import type { LaneTicket } from "./lanes/ports.js";
import type { PeerRoute } from "./links/routes.js";

/** Hears what happens among the peers. Never throws. */
export interface PeerEvents {
  /** A peer can be reached over these links, best first; again when they change. */
  peerUp(peer: NodeId, routes: readonly PeerRoute[]): void;
  peerDown(peer: NodeId): void;
  /** A ban has ended or was lifted. */
  pardoned?(peer: NodeId): void;
  /** A peer's announcement came, by gossip or over a stream; it is signed or came from the peer itself. */
  heard(peer: NodeId, record: WireAnnouncement): void;
}

/** What a node says with its question for a ticket. */
export interface TicketTerms {
  /** Only to a lane that is encrypted; else as the other side thinks right. */
  readonly encrypted: boolean;
  /** The asker's own token opens the blob at the origin. */
  readonly hasAccess: boolean;
}

/** Gives tickets for this node's own direct lane. */
export interface TicketOffice {
  /** @throws SwarmError PEER_DENIED, PEER_LACKS, PEER_BUSY: the peer is told */
  issue(peer: NodeId, blob: BlobId, terms: TicketTerms): LaneTicket | Promise<LaneTicket>;
}
