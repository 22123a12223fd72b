/** Bounds on everything a peer can send. What is above them is refused before it costs memory. */

/** The body of one gossip message: it is copied to every peer in the mesh. */
export const GOSSIP_BYTES_MAX = 256 * 1024;
/** One message on the state stream: a full record of a node with thousands of files in progress. */
export const STATE_MESSAGE_BYTES_MAX = 4 * 1024 * 1024;
/** Full state on one stream: 16,384 blobs at some 256 a message. */
export const STATE_MESSAGES_MAX = 128;
/** One question or one answer. */
export const CONTROL_BYTES_MAX = 16 * 1024;

/** Bytes of a blob in one message of the libp2p lane. A message that is cut is lost, so they are small. */
export const SHARD_MESSAGE_BYTES_MAX = 64 * 1024;

/** Announcements in one message; more are sent in the next. */
export const RECORDS_MAX = 32;
/** Blobs in one announcement; the engine puts in at most 256. */
export const BLOBS_MAX = 1024;
/** Shards named one by one. */
export const SHARDS_LISTED_MAX = 65_536;
/** Shards of one blob: 16 TiB. */
export const SHARDS_MAX = 1_048_576;
/** No machine has more ways to it than this. */
export const LANES_MAX = 32;
export const REDIRECTS_MAX = 32;

/** In characters. */
export const HOST_LENGTH_MAX = 45;
export const AGENT_LENGTH_MAX = 64;
export const TICKET_LENGTH_MAX = 1024;
export const MESSAGE_LENGTH_MAX = 512;
export const CODE_LENGTH_MAX = 32;
/** A peer that says nothing for a day is gone. */
export const TTL_MS_MAX = 24 * 3_600_000;

/** One question or one answer between members; a file list goes in pages. */
export const MEMBER_BYTES_MAX = 1024 * 1024;
export const MEMBERS_MAX = 1024;
export const MEMBER_ADDRESSES_MAX = 16;
export const MEMBER_NAME_LENGTH_MAX = 64;
/** Files in one answer. */
export const FILES_PER_ANSWER_MAX = 8192;
/** Files of one repo: ten times what the Hub recommends. */
export const FILES_MAX = 1_000_000;
export const PATH_LENGTH_MAX = 4096;
/** One frame of the pairing conversation: the greatest is the grant, with a list of members. */
export const PAIR_FRAME_BYTES_MAX = 16 * 1024;
/** Members named in a grant: enough to find the rest. */
export const GRANT_MEMBERS_MAX = 32;

/** A question about copies: a thousand digests. */
export const COPIES_BYTES_MAX = 64 * 1024;
export const KEEP_BLOBS_MAX = 1024;
/** Whoever wants a copy kept says so again before this. */
export const LEASE_MS_MAX = 24 * 3_600_000;
