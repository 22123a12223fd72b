/** What every lane must do, whatever it is made of. Run on the memory twin and on each real lane. */
import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import type { FileSource, RangeSource } from "@swarmd/daemon/transfer/ports";
import type { LaneHandler } from "@swarmd/daemon/transport/lanes/ports";
import { parseBlobId, parseNodeId } from "@swarmd/protocol";
import { LaneNode } from "../support/lane-node.js";
import { seededRandom } from "../support/seeded-random.js";

export interface LaneUnderTest {
  readonly source: RangeSource | FileSource;
  /** From now on each connection breaks after so many bytes, be they body or not. */
  cutAfter(bytes: number): void;
  stop(): Promise<void>;
}

export interface LaneMaker {
  readonly name: string;
  /** A lane that leads to this handler. */
  open(handler: LaneHandler): Promise<LaneUnderTest>;
}

const KIB = 1024;
const BLOB = parseBlobId(`sha256:${"5a".repeat(32)}`);
const OTHERS = [parseNodeId("12D3KooWother1"), parseNodeId("12D3KooWother2")];

/** Shards are small here; nothing depends on their size. */
const SHARD_BYTES = 256 * KIB;
const SIZE_BYTES = 3 * SHARD_BYTES + 1000;

/** @param maker makes the lane that is to be judged */
export function describeLane(maker: LaneMaker): void {
  describe(`lane conformance: ${maker.name}`, () => {
    const stops: (() => Promise<void>)[] = [];
    afterEach(async () => {
      for (const stop of stops.splice(0).reverse()) await stop();
    });

    async function node(sizeBytes = SIZE_BYTES, idleMs = 30_000): Promise<LaneNode> {
      const made = await LaneNode.start({ id: BLOB, sizeBytes, shardBytes: SHARD_BYTES }, { idleMs });
      stops.push(() => made.stop());
      return made;
    }

    async function laneTo(sender: LaneNode): Promise<LaneUnderTest> {
      const lane = await maker.open(sender.serve);
      stops.push(() => lane.stop());
      return lane;
    }

    /** A sender that has the whole blob, a receiver that has nothing, and the lane between them. */
    async function pair(sizeBytes = SIZE_BYTES) {
      const content = contentOf(sizeBytes);
      const [sender, receiver] = [await node(sizeBytes), await node(sizeBytes)];
      await sender.put(content, 0, sizeBytes);
      return { content, sender, receiver, lane: await laneTo(sender) };
    }

    for (const { id, sizeBytes, startBytes, endBytes } of [
      { id: "a whole blob whose last shard is short", sizeBytes: SIZE_BYTES, startBytes: 0, endBytes: SIZE_BYTES },
      { id: "a blob of one byte", sizeBytes: 1, startBytes: 0, endBytes: 1 },
      { id: "one shard", sizeBytes: SIZE_BYTES, startBytes: SHARD_BYTES, endBytes: 2 * SHARD_BYTES },
      { id: "the last, short shard", sizeBytes: SIZE_BYTES, startBytes: 3 * SHARD_BYTES, endBytes: SIZE_BYTES },
      { id: "a blob that ends with a shard", sizeBytes: SHARD_BYTES, startBytes: 0, endBytes: SHARD_BYTES },
      {
        id: "two bytes across a shard's end",
        sizeBytes: SIZE_BYTES,
        startBytes: SHARD_BYTES - 1,
        endBytes: SHARD_BYTES + 1,
      },
    ]) {
      it(`brings ${id}`, async () => {
        const { content, sender, receiver, lane } = await pair(sizeBytes);
        if (startBytes % SHARD_BYTES !== 0) await receiver.put(content, 0, startBytes);
        const fetched = await receiver.fetch(lane.source, startBytes, endBytes).done;
        assert.deepEqual(fetched, { positionBytes: endBytes, fault: undefined });
        await receiver.assertHolds(content, startBytes, endBytes);
        await settled(sender);
      });
    }

    it("goes on in the middle of a shard, and hashes the whole of it", async () => {
      const { content, receiver, lane } = await pair();
      const middle = SHARD_BYTES + 777;
      await receiver.put(content, SHARD_BYTES, middle);
      assert.equal((await receiver.fetch(lane.source, middle, 2 * SHARD_BYTES).done).fault, undefined);
      await receiver.assertHolds(content, SHARD_BYTES, 2 * SHARD_BYTES);
    });

    it("serves many requests one after the other and side by side", async () => {
      const { content, sender, receiver, lane } = await pair();
      for (let round = 0; round < 3; round += 1) {
        const fetches = [0, 1, 2].map((shard) =>
          receiver.fetch(lane.source, shard * SHARD_BYTES, (shard + 1) * SHARD_BYTES),
        );
        for (const { done } of fetches) assert.equal((await done).fault, undefined);
      }
      assert.equal((await receiver.fetch(lane.source, 3 * SHARD_BYTES, SIZE_BYTES).done).fault, undefined);
      await receiver.assertHolds(content, 0, SIZE_BYTES);
      await settled(sender);
      assert.equal(sender.servedCount, 10);
    });

    it("tells the engine the shard and the byte that are asked for", async () => {
      const { content, sender, receiver, lane } = await pair();
      await receiver.put(content, 2 * SHARD_BYTES, 2 * SHARD_BYTES + 5);
      await receiver.fetch(lane.source, 2 * SHARD_BYTES + 5, 3 * SHARD_BYTES).done;
      assert.deepEqual(sender.asked, [{ shard: 2, startBytes: 2 * SHARD_BYTES + 5 }]);
    });

    it("relays a shard in progress: what is below the watermark at once, the rest as it rises, never more", async () => {
      const content = contentOf(SIZE_BYTES);
      const [sender, receiver] = [await node(), await node()];
      const lane = await laneTo(sender);
      await sender.put(content, 0, 1000);
      const fetch = receiver.fetch(lane.source, 0, SHARD_BYTES);
      for (const watermark of [1000, 1001, 70_000, 200_000]) {
        await sender.put(content, receiver.staging.filledUpTo(0), watermark);
        await fetch.reached(watermark);
        assert.equal(receiver.staging.filledUpTo(0), watermark);
        assert.ok((await receiver.bytes(watermark)).equals(content.subarray(0, watermark)));
      }
      await sender.put(content, 200_000, SHARD_BYTES);
      assert.deepEqual(await fetch.done, { positionBytes: SHARD_BYTES, fault: undefined });
      await receiver.assertHolds(content, 0, SHARD_BYTES);
    });

    it("answers at once when nothing of a shard is there yet", async () => {
      const content = contentOf(SIZE_BYTES);
      const [sender, receiver] = [await node(), await node()];
      const lane = await laneTo(sender);
      const fetch = receiver.fetch(lane.source, 0, SHARD_BYTES);
      await until(() => sender.serve.uploads().length === 1);
      await sender.put(content, 0, SHARD_BYTES);
      assert.equal((await fetch.done).fault, undefined);
    });

    it("relays to a follower of a follower", async () => {
      const content = contentOf(SIZE_BYTES);
      const [first, second, third] = [await node(), await node(), await node()];
      const [toFirst, toSecond] = [await laneTo(first), await laneTo(second)];
      const follow = second.fetch(toFirst.source, 0, SIZE_BYTES);
      const followOn = third.fetch(toSecond.source, 0, SIZE_BYTES);
      for (let at = 0; at < SIZE_BYTES; at += 100_000) {
        await first.put(content, at, Math.min(at + 100_000, SIZE_BYTES));
        await followOn.reached(Math.min(at + 100_000, SIZE_BYTES));
      }
      assert.equal((await follow.done).fault, undefined);
      assert.equal((await followOn.done).fault, undefined);
      await third.assertHolds(content, 0, SIZE_BYTES);
    });

    for (const { code, redirect } of [
      { code: "PEER_BUSY", redirect: OTHERS },
      { code: "PEER_LACKS", redirect: OTHERS },
      { code: "PEER_LACKS", redirect: [] },
      { code: "PEER_DENIED", redirect: [] },
    ] as const) {
      it(`carries the refusal ${code} with ${redirect.length} others to ask`, async () => {
        const { sender, receiver, lane } = await pair();
        sender.verdict = { kind: "refuse", code, redirect };
        const { positionBytes, fault } = await receiver.fetch(lane.source, 0, SHARD_BYTES).done;
        assert.equal(fault?.code, code);
        assert.equal(fault?.blame, "none");
        assert.equal(positionBytes, 0);
        assert.deepEqual(fault?.redirect ?? [], redirect);
        assert.equal(fault?.retryAfterMs !== undefined, code === "PEER_BUSY");
        assert.equal(sender.servedCount, 0);
        sender.verdict = { kind: "serve" };
        assert.equal((await receiver.fetch(lane.source, 0, SHARD_BYTES).done).fault, undefined);
      });
    }

    it("says that what it sent proved wrong", async () => {
      const content = contentOf(SIZE_BYTES);
      const [sender, receiver] = [await node(), await node()];
      const lane = await laneTo(sender);
      await sender.put(content, 0, 5000);
      const fetch = receiver.fetch(lane.source, 0, SHARD_BYTES);
      await fetch.reached(5000);
      sender.serve.stopServing(sender.lastRequest);
      const { fault } = await fetch.done;
      assert.equal(fault?.code, "PEER_TAINTED");
      assert.equal(fault?.blame, "none");
      await settled(sender);
    });

    it("gives up a relay whose own source is silent", async () => {
      const content = contentOf(SIZE_BYTES);
      const [sender, receiver] = [await node(SIZE_BYTES, 50), await node()];
      const lane = await laneTo(sender);
      await sender.put(content, 0, 5000);
      const { positionBytes, fault } = await receiver.fetch(lane.source, 0, SHARD_BYTES).done;
      assert.equal(fault?.blame, "peer");
      assert.equal(positionBytes, 5000);
      await settled(sender);
    });

    it("stops when the receiver cancels; what came is kept, the slot is given back", async () => {
      const content = contentOf(SIZE_BYTES);
      const [sender, receiver] = [await node(), await node()];
      const lane = await laneTo(sender);
      await sender.put(content, 0, 5000);
      const fetch = receiver.fetch(lane.source, 0, SHARD_BYTES);
      await fetch.reached(5000);
      fetch.cancel();
      const { positionBytes, fault } = await fetch.done;
      assert.equal(fault?.code, "INTERRUPTED");
      assert.equal(positionBytes, 5000);
      await settled(sender);
      await sender.put(content, 5000, SHARD_BYTES);
      assert.equal((await receiver.fetch(lane.source, 5000, SHARD_BYTES).done).fault, undefined);
      await receiver.assertHolds(content, 0, SHARD_BYTES);
    });

    it("lets an asker wait for its turn, which begins with no word of its own", async () => {
      const { content, sender, receiver, lane } = await pair();
      sender.isParking = true;
      const fetch = receiver.fetch(lane.source, 0, SHARD_BYTES);
      await until(() => sender.parkedCount === 1);
      sender.letIn();
      assert.equal((await fetch.done).fault, undefined);
      await receiver.assertHolds(content, 0, SHARD_BYTES);
      await settled(sender);
      assert.equal(sender.servedCount, 1);
    });

    it("tells at once when an asker leaves that waits for its turn, and goes on with others", async () => {
      const { content, sender, receiver, lane } = await pair();
      sender.isParking = true;
      const [first, second] = [0, 1].map((shard) =>
        receiver.fetch(lane.source, shard * SHARD_BYTES, (shard + 1) * SHARD_BYTES),
      );
      await until(() => sender.parkedCount === 2);
      first?.cancel();
      assert.equal((await first?.done)?.fault?.code, "INTERRUPTED");
      await until(() => sender.servedCount === 1);
      assert.equal(sender.parkedCount, 1);
      sender.letIn();
      assert.equal((await second?.done)?.fault, undefined);
      await receiver.assertHolds(content, SHARD_BYTES, 2 * SHARD_BYTES);
      await settled(sender);
      assert.equal(sender.servedCount, 2);
    });

    it("blames the peer when the sender stops midway; another one can go on from there", async () => {
      const content = contentOf(SIZE_BYTES);
      const [sender, receiver, other] = [await node(), await node(), await node()];
      const [lane, otherLane] = [await laneTo(sender), await laneTo(other)];
      await sender.put(content, 0, 70_000);
      await other.put(content, 0, SIZE_BYTES);
      const fetch = receiver.fetch(lane.source, 0, SHARD_BYTES);
      await fetch.reached(70_000);
      await lane.stop();
      sender.serve.stop();
      const { positionBytes, fault } = await fetch.done;
      assert.ok(fault?.blame === "peer" || fault?.code === "PEER_BUSY" || fault?.code === "INTERRUPTED", fault?.code);
      assert.equal(positionBytes, 70_000);
      assert.equal((await receiver.fetch(otherLane.source, positionBytes, SHARD_BYTES).done).fault, undefined);
      await receiver.assertHolds(content, 0, SHARD_BYTES);
    });

    it("keeps a right prefix wherever the connection is cut, and goes on from it", async () => {
      const sizeBytes = 3000;
      const { content, receiver, lane } = await pair(sizeBytes);
      let position = 0;
      for (let cut = 1; position < sizeBytes; cut += 97) {
        lane.cutAfter(cut);
        const { positionBytes, fault } = await receiver.fetch(lane.source, position, sizeBytes).done;
        if (positionBytes < sizeBytes) assert.equal(fault?.blame, "peer", fault?.message);
        assert.ok(positionBytes >= position);
        assert.ok((await receiver.bytes(positionBytes)).equals(content.subarray(0, positionBytes)));
        position = positionBytes;
      }
      await receiver.assertHolds(content, 0, sizeBytes);
    });

    it("brings every byte when many cuts fall into a large range", async () => {
      const { content, receiver, lane } = await pair();
      lane.cutAfter(150_000);
      let position = 0;
      for (let tries = 0; position < SIZE_BYTES && tries < 50; tries += 1) {
        position = (await receiver.fetch(lane.source, position, SIZE_BYTES).done).positionBytes;
      }
      await receiver.assertHolds(content, 0, SIZE_BYTES);
    });
  });
}

function contentOf(sizeBytes: number): Buffer {
  const random = seededRandom(sizeBytes);
  const content = Buffer.alloc(sizeBytes);
  for (let at = 0; at < sizeBytes; at += 1) content[at] = random() * 256;
  return content;
}

/** Every upload that began has ended, once. */
async function settled(sender: LaneNode): Promise<void> {
  await until(() => sender.serve.uploads().length === 0);
}

/** Gives others their turn until it is so; the test's own deadline is the limit. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 1));
}
