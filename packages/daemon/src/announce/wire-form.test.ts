import assert from "node:assert/strict";
import { it } from "node:test";
import { parseBlobId } from "@swarmd/protocol";
import fc from "fast-check";
import type { Announcement, BlobNews } from "../core/catalog/announcement.js";
import { ShardSet } from "../core/shard-set.js";
import { fromWire, toWire } from "./wire-form.js";

const BLOB = parseBlobId(`sha256:${"a".repeat(64)}`);

function plain(news: BlobNews) {
  const { holds } = news;
  return {
    ...news,
    holds: holds.kind === "exactly" ? { kind: holds.kind, size: holds.shards.size, all: [...holds.shards] } : holds,
  };
}

it("an announcement comes back from the wire as it was", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 300 }),
      fc.array(fc.nat(299)),
      fc.constantFrom("all", "exactly", "more"),
      (size, some, kind) => {
        const members = some.filter((shard) => shard < size);
        const shards = new ShardSet(size);
        for (const shard of members) shards.add(shard);
        const holds: BlobNews["holds"] =
          kind === "all" ? { kind } : kind === "exactly" ? { kind, shards } : { kind, shards: members };
        const news: BlobNews = { blob: BLOB, sizeBytes: 7, wants: true, mayFetch: false, holds, rooted: members };
        const record: Announcement = {
          epoch: 3,
          sequence: 4,
          ttlMs: 5,
          isFull: true,
          capacityBytesPerS: 6,
          freeSlots: 1,
          blobs: [news],
        };
        const back = fromWire(toWire(record));
        assert.deepEqual({ ...back, blobs: back.blobs.map(plain) }, { ...record, blobs: record.blobs.map(plain) });
      },
    ),
  );
});
