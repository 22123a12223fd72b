/** With the day's budget used up, what nobody waits for still comes from nodes of the LAN. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { syntheticContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { doneOf, pullEvents } from "../support/local-node.js";
import { knows, SwarmKit, until } from "../support/swarm-kit.js";

const SIZE_BYTES = 40_000_000;

describe("a budget that is used up", () => {
  it("lets a pull in the background go on from peers, and holds back only what they lack", async () => {
    const model = (seed: number, sizeBytes: number) => {
      return { "model.safetensors": syntheticContent({ seed, sizeBytes }) };
    };
    const hub = await EmbeddedHub.start({
      repos: [
        { name: "acme/shared", files: model(80, SIZE_BYTES) },
        { name: "acme/lacking", files: model(81, SIZE_BYTES) },
        { name: "acme/small", files: model(82, 1_000_000) },
      ],
    });
    await hub.prepare();
    const kit = new SwarmKit(hub.url);
    try {
      const holder = await kit.start([]);
      await pullEvents(holder.node, { target: "acme/shared" });
      const background = { budgetBytes: 500_000, hours: undefined, lists: [], isPassing: false };
      const late = await kit.start([holder.address], { background });
      await knows(late, 1);
      const jobs = async () => (await late.node.views.status()).background.jobs;
      const used = doneOf(await pullEvents(late.node, { target: "acme/small" }));
      assert.equal(used.bytesFromOrigin, 1_000_000, "somebody waited for it: the budget does not stop that");
      const sentBefore = hub.stats().bytesSent;

      await late.node.commands.pullLater({ pull: { target: "acme/lacking" } });
      await late.node.commands.pullLater({ pull: { target: "acme/shared" } });
      await until("the peer has given it", async () => (await jobs())[1]?.state === "done", 120_000);
      const lacking = (await jobs())[0];
      assert.equal(lacking?.state, "waiting");
      assert.equal(lacking?.reason, "budget");
      assert.equal(hub.stats().bytesSent, sentBefore, "not a byte of a file came from the origin");
      const { originToday } = (await late.node.views.status()).background;
      assert.equal(originToday.backgroundBytes, 0);
      assert.equal(originToday.foregroundBytes, 1_000_000);
    } finally {
      await kit.end();
      await hub.stop();
    }
  });
});
