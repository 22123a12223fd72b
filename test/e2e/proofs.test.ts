/** Files with a hash that parts of them can be proven against: proofs go with the shards, and whoever sends other bytes is caught by them. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parseBlobId, SHARD_BYTES } from "@swarmd/protocol";
import type { VerifyEvent } from "@swarmd/protocol/api";
import { assertCacheIsSound } from "../support/cache-checks.js";
import { bytesContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { doneOf, pullEvents } from "../support/local-node.js";
import { type Lie, LyingNode } from "../support/lying-node.js";
import { ProvingHolder } from "../support/proving-holder.js";
import { seededRandom } from "../support/seeded-random.js";
import { type KitNode, knows, SwarmKit, until } from "../support/swarm-kit.js";

const MIB = 1024 * 1024;
const REPO = "acme/proven";
/** Three shards, cut like any other file. */
const CONTENT = randomContent(36 * MIB);
const BLOB = parseBlobId(`sha256:${createHash("sha256").update(CONTENT).digest("hex")}`);
const CLOCK_SPEED = 0.2;
let hub: EmbeddedHub;
let holder: ProvingHolder;

function randomContent(sizeBytes: number): Buffer {
  const random = seededRandom(12);
  const content = Buffer.alloc(sizeBytes);
  for (let at = 0; at < sizeBytes; at += 4) content.writeUInt32LE(Math.floor(random() * 2 ** 32), at);
  return content;
}

async function groundOf({ node }: KitNode) {
  const events: VerifyEvent[] = [];
  const { signal } = new AbortController();
  await node.commands.verify({ target: REPO, explain: true }, (event) => events.push(event), { signal });
  const file = events.find((event) => event.type === "checked" && event.path === "model.bin");
  assert.ok(file?.type === "checked" && file.ok);
  return file.restsOn;
}

/** A tree is built after the pull, beside everything else. */
function hasTree({ events }: KitNode): Promise<void> {
  return until("a tree is built", () => events.some(({ type }) => type === "proof-tree"));
}

const faults = ({ events }: KitNode) => events.filter(({ type }) => type === "attempt-failed").map(({ code }) => code);

describe("proofs", { timeout: 240_000 }, () => {
  before(async () => {
    holder = await ProvingHolder.make(CONTENT, SHARD_BYTES);
    const file = { content: bytesContent(CONTENT), xetHash: holder.xetHash };
    hub = await EmbeddedHub.start({ repos: [{ name: REPO, files: { "model.bin": file } }] });
    await hub.prepare();
  });
  after(async () => {
    await hub.stop();
    await holder.stop();
  });

  it("go with the shards of a finished file, and are there again after a restart", async () => {
    const kit = new SwarmKit(hub.url);
    const options = { clockSpeed: CLOCK_SPEED };
    try {
      const first = await kit.start([], {}, options);
      await pullEvents(first.node, { target: REPO });
      await hasTree(first);
      const own = await groundOf(first);
      assert.deepEqual([own?.shards?.origin, own?.canProve], [3, true]);
      await kit.stop(first);
      hub.resetStats();

      const again = await kit.start([], {}, { ...options, folders: first.folders });
      const second = await kit.start([again.address], {}, options);
      await knows(second, 1);
      assert.equal(doneOf(await pullEvents(second.node, { target: REPO })).bytesFromOrigin, 0);
      const theirs = await groundOf(second);
      assert.deepEqual([theirs?.shards?.proof, theirs?.shards?.attestation], [3, {}]);
      await hasTree(second);
      assert.equal((await groundOf(second))?.canProve, true);
      await assertCacheIsSound(second.folders.cacheDir);
      await first.folders.remove();
    } finally {
      await kit.end();
    }
  });

  const LIES: readonly { readonly lie: Lie; readonly isBanned: boolean }[] = [
    { lie: "proven-otherwise", isBanned: true },
    // Nonsense, but no bytes are refuted by it.
    { lie: "spoiled-proof", isBanned: false },
    { lie: "proof-of-other", isBanned: false },
  ];
  for (const { lie, isBanned } of LIES) {
    it(`${lie}: the file is right, the liar ${isBanned ? "banned and shown" : "left alone"}`, async () => {
      const kit = new SwarmKit(hub.url);
      const liar = await LyingNode.start({ blob: BLOB, content: CONTENT, lie, holder, peers: [] });
      try {
        const node = await kit.start([liar.address], {}, { clockSpeed: CLOCK_SPEED });
        await knows(node, 1);
        const done = doneOf(await pullEvents(node.node, { target: REPO }));
        assert.deepEqual(await readFile(join(done.path, "model.bin")), CONTENT);
        assert.ok(liar.served.length > 0, "the liar was not asked for anything");
        const { banned } = await node.node.views.status();
        assert.deepEqual(
          banned.map(({ id }) => id),
          isBanned ? [liar.id] : [],
          JSON.stringify(faults(node)),
        );
        await assertCacheIsSound(node.folders.cacheDir);
      } finally {
        await kit.end();
        await liar.stop();
      }
    });
  }

  it("of an honest node catch a liar that brings none and vouches for its own bytes", async () => {
    const kit = new SwarmKit(hub.url);
    const liar = await LyingNode.start({ blob: BLOB, content: CONTENT, lie: "wrong-hash", peers: [] });
    try {
      const honest = await kit.start([], {}, { clockSpeed: CLOCK_SPEED });
      await pullEvents(honest.node, { target: REPO });
      await hasTree(honest);
      hub.resetStats();
      const node = await kit.start([honest.address, liar.address], {}, { clockSpeed: CLOCK_SPEED });
      await knows(node, 2);
      const done = doneOf(await pullEvents(node.node, { target: REPO }));
      assert.deepEqual(await readFile(join(done.path, "model.bin")), CONTENT);
      // No shard was believed on the liar's word.
      const ground = await groundOf(node);
      assert.equal(ground?.shards?.attestation[liar.id], undefined);
      assert.ok((ground?.shards?.proof ?? 0) > 0);
      const { banned } = await node.node.views.status();
      assert.deepEqual(
        banned.map(({ id }) => id),
        liar.served.length > 0 ? [liar.id] : [],
      );
    } finally {
      await kit.end();
      await liar.stop();
    }
  });
});
