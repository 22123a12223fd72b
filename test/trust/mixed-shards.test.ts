/** Shards that a peer began and the origin ended: nobody could vouch for them, so they are compared with what the origin has. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { BlobStore } from "@swarmd/daemon/store/blob-store";
import type { Staging } from "@swarmd/daemon/store/staging";
import type { RangeSource } from "@swarmd/daemon/transfer/ports";
import { type TransferReport, Transfers } from "@swarmd/daemon/transfer/transfers";
import { loadBlake3 } from "@swarmd/daemon/verify/shard-hasher";
import { type NodeId, parseBlobId, SwarmError } from "@swarmd/protocol";
import { originJudge } from "../support/origin-judge.js";

const { createShardHasher } = await loadBlake3();
const SHARD_BYTES = 64 * 1024;
const CONTENT = Buffer.alloc(2 * SHARD_BYTES, "What the origin has. ");
const BLOB = parseBlobId(`sha256:${createHash("sha256").update(CONTENT).digest("hex")}`);
const PEER = "12D3KooWGRUaQj4UVm1bjCBMSJ6YaPfBSGJQbEMsEcQM1T3Zq8Q1" as NodeId;
const PART_BYTES = 20_000;

/** Sends these bytes, and breaks off at the end of them if more was asked for. */
function sourceOf(bytes: Buffer, asked: [number, number][] = []): RangeSource {
  return {
    async read(_blob, startBytes, endBytes, sink) {
      asked.push([startBytes, endBytes]);
      for (let at = startBytes; at < Math.min(endBytes, bytes.length); at += 7_000) {
        await sink.write(Buffer.from(bytes.subarray(at, Math.min(at + 7_000, endBytes, bytes.length))));
      }
      if (endBytes > bytes.length) throw new SwarmError("PEER_STALLED", "the peer is gone");
    },
  };
}

describe("a shard that a peer began and the origin ends", () => {
  let folder: string;
  let store: BlobStore;
  let staging: Staging;
  let transfers: Transfers;
  let reports: TransferReport[];
  let compared: number;
  let attempt = 0;

  async function open(): Promise<void> {
    store = new BlobStore(
      { cacheDir: join(folder, "cache"), stateDir: join(folder, "state"), marginBytes: 0 },
      { createShardHasher, events: { emit: () => undefined } },
    );
    await store.start();
    const { signal } = new AbortController();
    const spec = { blob: BLOB, sizeBytes: CONTENT.length, shardBytes: SHARD_BYTES, repo: undefined, signal };
    const opened = await store.openStaging(spec);
    assert.ok(opened.kind === "staging");
    staging = opened.staging;
    transfers = new Transfers({
      newHasher: createShardHasher,
      judge: originJudge(),
      report: (report) => reports.push(report),
      onCompared: (_blob, bytes) => {
        compared += bytes;
      },
    });
  }

  async function close(): Promise<void> {
    await transfers.stop();
    await staging.close();
    await store.stop();
  }

  /** Shard 1, or the rest of it. @returns the code of what went wrong */
  async function fetch(
    source: RangeSource,
    from: { kind: "origin" } | { kind: "peer"; peer: NodeId },
    startBytes = SHARD_BYTES,
  ) {
    attempt += 1;
    const order = { attempt, blob: BLOB, startBytes, endBytes: CONTENT.length, source, from, sink: staging };
    transfers.begin(order);
    for (;;) {
      const ended = reports.find((report) => report.type === "ended" && report.attempt === attempt);
      if (ended?.type === "ended") return ended.fault?.code;
      await new Promise(setImmediate);
    }
  }

  const begin = (bytes: Buffer) =>
    fetch(sourceOf(bytes.subarray(0, SHARD_BYTES + PART_BYTES)), { kind: "peer", peer: PEER });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "swarmd-mixed-"));
    reports = [];
    compared = 0;
    await open();
  });
  afterEach(async () => {
    await close();
    await rm(folder, { recursive: true, force: true });
  });

  it("counts when the peer's part is the origin's, and only that part is fetched twice", async () => {
    assert.equal(await begin(CONTENT), "PEER_STALLED");
    assert.deepEqual(staging.guests(1), [PEER]);
    const asked: [number, number][] = [];
    const fault = await fetch(sourceOf(CONTENT, asked), { kind: "origin" }, SHARD_BYTES + PART_BYTES);
    assert.equal(fault, undefined);
    assert.ok(staging.isChecked(1));
    assert.equal(compared, PART_BYTES);
    assert.deepEqual(asked[1], [SHARD_BYTES, SHARD_BYTES + PART_BYTES]);
    assert.deepEqual(staging.guests(1), []);
  });

  for (const isRestarted of [false, true]) {
    it(`is forgotten when one bit of the peer's part is wrong${isRestarted ? ", also after a restart" : ""}`, async () => {
      const wrong = Buffer.from(CONTENT);
      wrong[SHARD_BYTES + 12_345] = (wrong[SHARD_BYTES + 12_345] as number) ^ 1;
      assert.equal(await begin(wrong), "PEER_STALLED");
      if (isRestarted) {
        await close();
        await open();
        assert.deepEqual(staging.resumeState().partial, [{ shard: 1, watermarkBytes: PART_BYTES }]);
        assert.deepEqual(staging.guests(1), [PEER]);
      }
      const fault = await fetch(sourceOf(CONTENT), { kind: "origin" }, SHARD_BYTES + PART_BYTES);
      assert.equal(fault, "PEER_CORRUPT");
      assert.ok(!staging.isChecked(1));
      assert.equal(staging.filledUpTo(SHARD_BYTES), SHARD_BYTES);

      assert.equal(await fetch(sourceOf(CONTENT), { kind: "origin" }), undefined);
      assert.ok(staging.isChecked(1));
      assert.equal(staging.findChecked(1)?.ground?.kind, "origin");
    });
  }
});
