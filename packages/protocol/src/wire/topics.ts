/** Everything a conversation between nodes is named by: gossip topics, stream protocols, the mDNS service. */

/** Of what is said, not of the program that says it. Nodes that differ don't talk. */
export const PROTOCOL_VERSION = 1;

/** Stream protocols. */
export const STATE_PROTOCOL = "/swarmd/state/1";
/** Questions and their answers, all on one stream. */
export const TALK_PROTOCOL = "/swarmd/talk/1";
/** A shard over a libp2p stream: the same request as on the direct lane. */
export const SHARD_PROTOCOL = "/swarmd/shard/1";
/** Who keeps what, when room is made. */
export const COPIES_PROTOCOL = "/swarmd/copies/1";
/** Between members of a cluster only. */
export const MEMBER_PROTOCOL = "/swarmd/member/1";
/** Of the conversation in which a node becomes a member. */
export const PAIRING_VERSION = 1;

/** Which repos a node has, by name; sent when two nodes meet. */
export const SHELF_PROTOCOL = "/swarmd/shelf/1";
/** The file list of a published repo, by its SHA-256. */
export const FILE_LIST_PROTOCOL = "/swarmd/file-list/1";

/** What open mode calls its cluster. */
export const OPEN_CLUSTER = "open";

/** The gossip topic where a cluster tells what it holds and wants. `cluster` is not secret: it is seen by every peer. */
export function newsTopic(cluster: string): string {
  return `/swarmd/${cluster}/news/1`;
}

/** The gossip topic where a cluster tells which repos came and went. */
export function shelfTopic(cluster: string): string {
  return `/swarmd/${cluster}/shelf/1`;
}

/** The mDNS service of a cluster, so that nodes of different clusters don't even find each other. At most 15 characters before the dot. */
export function serviceTag(cluster: string): string {
  return cluster === OPEN_CLUSTER ? "_swarmd._udp.local" : `_swarmd-${cluster.slice(0, 7)}._udp.local`;
}

/** The mDNS service of an invitation. The tag is the part of the code that is no secret. */
export function pairingServiceTag(tag: string): string {
  return `_swarmd-in-${tag.toLowerCase()}._udp.local`;
}
