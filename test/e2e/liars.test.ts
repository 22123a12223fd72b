/** A node among liars, all in this process and all made of the real rooms: it ends with the right files, and says who lied. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parseBlobId } from "@swarmd/protocol";
import { assertCacheIsSound } from "../support/cache-checks.js";
import { bytesContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { doneOf, pullEvents } from "../support/local-node.js";
import { type Lie, LyingNode } from "../support/lying-node.js";
import { knows, SwarmKit } from "../support/swarm-kit.js";

const MIB = 1024 * 1024;
const REPO = "acme/wanted";
/** Three shards. */
const CONTENT = Buffer.alloc(36 * MIB, "What the origin has. ");
const BLOB = parseBlobId(`sha256:${createHash("sha256").update(CONTENT).digest("hex")}`);
/** The engine's patience is five times as long: on a busy machine a liar must not be left for being slow. */
const CLOCK_SPEED = 0.2;
let hub: EmbeddedHub;

interface Case {
  readonly lie: Lie;
  readonly isBanned: boolean;
  readonly wrongShards?: readonly number[];
}

const CASES: readonly Case[] = [
  { lie: "wrong-bytes", isBanned: true },
  { lie: "wrong-bytes", isBanned: true, wrongShards: [2] },
  { lie: "wrong-hash", isBanned: true },
  { lie: "wrong-hash", isBanned: true, wrongShards: [1] },
  { lie: "other-shard", isBanned: true },
  { lie: "other-blob", isBanned: true },
  { lie: "other-size", isBanned: true },
  { lie: "forged", isBanned: true },
  // Nothing that it sent was wrong: it is left alone, and the shard comes from elsewhere.
  { lie: "no-evidence", isBanned: false },
];

describe("among liars", { timeout: 240_000 }, () => {
  before(async () => {
    hub = await EmbeddedHub.start({ repos: [{ name: REPO, files: { "model.bin": bytesContent(CONTENT) } }] });
    await hub.prepare();
  });
  after(() => hub.stop());

  for (const { lie, isBanned, wrongShards } of CASES) {
    const where = wrongShards === undefined ? "every shard" : `shard ${wrongShards.join()}`;
    it(`${lie} in ${where}: the file is right${isBanned ? ", the liar banned and shown" : ""}`, async () => {
      const liar = await LyingNode.start({
        blob: BLOB,
        content: CONTENT,
        lie,
        peers: [],
        ...(wrongShards === undefined ? {} : { wrongShards }),
      });
      const kit = new SwarmKit(hub.url);
      try {
        const node = await kit.start([liar.address], {}, { clockSpeed: CLOCK_SPEED });
        await knows(node, 1);
        const done = doneOf(await pullEvents(node.node, { target: REPO }));
        assert.deepEqual(await readFile(join(done.path, "model.bin")), CONTENT);
        await assertCacheIsSound(node.folders.cacheDir);
        assert.ok(liar.served.length > 0, "the liar was not asked for anything");
        const { banned } = await node.node.views.status();
        assert.deepEqual(
          banned.map(({ id }) => id),
          isBanned ? [liar.id] : [],
          JSON.stringify(node.events.filter(({ type }) => type !== "decision")),
        );
        if (isBanned) {
          const file = JSON.parse(await readFile(join(node.folders.stateDir, "bans.json"), "utf8"));
          assert.equal(file[0].id, liar.id);
        }
      } finally {
        await kit.end();
        await liar.stop();
      }
    });
  }
});
