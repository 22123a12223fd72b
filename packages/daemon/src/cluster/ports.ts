/**
 * What the cluster room needs of others.
 *
 * *purpose:* whether this node belongs to a cluster, how others come in, and who is in. *in:* orders of a person, words of members, TCP
 * connections of nodes that pair. *out:* the key that the swarm's half runs with, answers to members. *never:* decides about blobs,
 * shows the key to anybody who was not let in.
 */
import type { CommitId, NodeId, RepoFile, RepoRef, Revision } from "@swarmd/protocol";
import type { MemberRequest, MemberResponse, ShareGated } from "@swarmd/protocol/wire";

/** What the half of the node that deals with peers has to know of a cluster. */
export interface ClusterKey {
  /** Bytes of a libp2p swarm key. */
  readonly swarmKey: Uint8Array;
  /** Names topics and the mDNS service. It follows from the key, and tells nothing of it or of the cluster's own name. */
  readonly publicName: string;
  readonly shareGated: ShareGated;
}

/** The half of the node that deals with peers. */
export interface ClusterNetwork {
  /** Leaves all peers and looks for those who have this key; without one, for everybody in open mode. @throws SwarmError */
  switchTo(key: ClusterKey | undefined): Promise<void>;
  /** Public name of the key that it runs with now; `undefined` in open mode. While it changes, that is the one before. */
  readonly runsWith: string | undefined;
  /** Peers that are up. */
  readonly connected: readonly NodeId[];
  /** Multiaddrs where this node's libp2p listens, without its name. */
  readonly addresses: readonly string[];
  /** Dials a member where it was last. */
  find(member: NodeId, addresses: readonly string[]): void;
  /** @throws SwarmError PEER_UNREACHABLE, PEER_STALLED, PEER_FAULT, INTERRUPTED */
  ask(member: NodeId, request: MemberRequest, options: { readonly signal: AbortSignal }): Promise<MemberResponse>;
}

/** An answer to a member, and what follows once it is on its way. */
export interface MemberAnswer {
  readonly response: MemberResponse;
  readonly afterwards?: () => void;
}

/** One address where an invitation may be waiting. */
export interface PairAddress {
  readonly host: string;
  readonly port: number;
}

/** Tells the LAN of an invitation, and finds one. Nothing that is secret passes here. */
export interface PairBeacon {
  /** @returns takes it back */
  announce(tag: string, port: number, self: NodeId): Promise<() => Promise<void>>;
  /** All that answer until the signal aborts. */
  look(tag: string, options: { readonly signal: AbortSignal }): AsyncIterable<PairAddress>;
}

/** What this node knows of repos, for members that can't ask the origin. */
export interface RepoShelf {
  resolve(
    repo: RepoRef,
    revision: Revision,
  ): Promise<{ readonly commit: CommitId; readonly isPrivate: boolean; readonly ageMs: number } | undefined>;
  /** Whether only nodes that have access may see the repo; what nobody knows is private. */
  isPrivate(repo: RepoRef): Promise<boolean>;
  files(repo: RepoRef, commit: CommitId): Promise<readonly RepoFile[] | undefined>;
}
