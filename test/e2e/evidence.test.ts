/** What honest nodes tell each other about their shards: while a file arrives, after a restart, and of files that others put there. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parseBlobId } from "@swarmd/protocol";
import type { VerifyEvent } from "@swarmd/protocol/api";
import { assertCacheIsSound } from "../support/cache-checks.js";
import { bytesContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { doneOf, pullEvents } from "../support/local-node.js";
import { LyingNode } from "../support/lying-node.js";
import { type KitNode, knows, SwarmKit } from "../support/swarm-kit.js";

const MIB = 1024 * 1024;
const REPO = "acme/wanted";
/** Three shards. */
const CONTENT = Buffer.alloc(36 * MIB, "What the origin has. ");
const CLOCK_SPEED = 0.2;
let hub: EmbeddedHub;

async function groundOf({ node }: KitNode) {
  const events: VerifyEvent[] = [];
  const { signal } = new AbortController();
  await node.commands.verify({ target: REPO, explain: true }, (event) => events.push(event), { signal });
  const file = events.find((event) => event.type === "checked" && event.path === "model.bin");
  assert.ok(file?.type === "checked" && file.ok);
  return file.restsOn;
}

async function idOf({ node }: KitNode): Promise<string> {
  const { self } = await node.views.status();
  assert.ok(self !== null);
  return self.id;
}

describe("evidence between honest nodes", { timeout: 240_000 }, () => {
  before(async () => {
    hub = await EmbeddedHub.start({ repos: [{ name: REPO, files: { "model.bin": bytesContent(CONTENT) } }] });
    await hub.prepare();
  });
  after(() => hub.stop());

  it("goes with the shards; a finished node vouches after a restart, and for what it finds in its cache", async () => {
    const kit = new SwarmKit(hub.url);
    const options = { clockSpeed: CLOCK_SPEED };
    try {
      const first = await kit.start([], {}, options);
      await pullEvents(first.node, { target: REPO });
      const own = await groundOf(first);
      assert.deepEqual([own?.vouchedBy, own?.shards?.origin], ["origin", 3]);
      const seed = await idOf(first);
      await kit.stop(first);
      hub.resetStats();

      const again = await kit.start([], {}, { ...options, folders: first.folders });
      assert.equal(await idOf(again), seed);
      const second = await kit.start([again.address], {}, options);
      await knows(second, 1);
      const { bytesFromOrigin } = doneOf(await pullEvents(second.node, { target: REPO }));
      assert.equal(bytesFromOrigin, 0);
      assert.deepEqual((await groundOf(second))?.shards?.attestation, { [seed]: 3 });
      await assertCacheIsSound(second.folders.cacheDir);
      await kit.stop(again);
      await kit.stop(second);

      // As if another program had put the file there.
      await rm(join(second.folders.stateDir, "grounds"), { recursive: true });
      const adopted = await kit.start([], {}, { ...options, folders: second.folders });
      const third = await kit.start([adopted.address], {}, options);
      await knows(third, 1);
      assert.equal(doneOf(await pullEvents(third.node, { target: REPO })).bytesFromOrigin, 0);
      assert.deepEqual((await groundOf(third))?.shards?.attestation, { [await idOf(adopted)]: 3 });
      assert.equal((await groundOf(adopted))?.fetchedAt, null);
      await first.folders.remove();
    } finally {
      await kit.end();
    }
  });

  it("is asked of another holder when the sender has none", async () => {
    const kit = new SwarmKit(hub.url);
    const blob = parseBlobId(`sha256:${createHash("sha256").update(CONTENT).digest("hex")}`);
    const silent = await LyingNode.start({ blob, content: CONTENT, lie: "no-evidence", peers: [] });
    try {
      const holder = await kit.start([], {}, { clockSpeed: CLOCK_SPEED });
      await pullEvents(holder.node, { target: REPO });
      hub.resetStats();
      const node = await kit.start([holder.address, silent.address], {}, { clockSpeed: CLOCK_SPEED });
      await knows(node, 2);
      const done = doneOf(await pullEvents(node.node, { target: REPO }));
      assert.equal(done.bytesFromOrigin, 0);
      assert.deepEqual((await groundOf(node))?.shards?.attestation, { [await idOf(holder)]: 3 });
      assert.deepEqual((await node.node.views.status()).banned, []);
    } finally {
      await kit.end();
      await silent.stop();
    }
  });
});
