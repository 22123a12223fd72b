/**
 * announce: what this node tells others of itself, in the form in which it travels, and what it may tell.
 *
 * In: the engine's announcements, the cache. Out: wire announcements, blobs to offer. Never: decides who is told, or opens a socket.
 */
import { packBits, unpackBits, type WireAnnouncement, type WireBlobNews } from "@swarmd/protocol/wire";
import type { Announcement, BlobNews } from "../core/catalog/announcement.js";
import { ShardSet } from "../core/shard-set.js";

/** The engine's form -> the wire's. */
export function toWire(record: Announcement): WireAnnouncement {
  return { ...record, blobs: record.blobs.map(newsToWire) };
}

/** The wire's form -> the engine's. The codec has checked counts and ranges. */
export function fromWire(record: WireAnnouncement): Announcement {
  return { ...record, blobs: record.blobs.map(newsFromWire) };
}

function newsToWire(news: BlobNews): WireBlobNews {
  const { holds } = news;
  if (holds.kind !== "exactly") return { ...news, holds };
  const { size } = holds.shards;
  return { ...news, holds: { kind: "exactly", size, bits: packBits(size, holds.shards) } };
}

function newsFromWire(news: WireBlobNews): BlobNews {
  const { holds } = news;
  if (holds.kind !== "exactly") return { ...news, holds };
  const shards = new ShardSet(holds.size);
  for (const shard of unpackBits(holds.size, holds.bits)) shards.add(shard);
  return { ...news, holds: { kind: "exactly", shards } };
}
