/** Every fault of the origin, alone and in random mixes: the pull ends verified, or with the right code and a way out; nothing is lost. */
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type ErrorCode, SwarmError } from "@swarmd/protocol";
import { type Folders, makeFolders } from "../support/binaries.js";
import { assertCacheIsSound } from "../support/cache-checks.js";
import { syntheticContent } from "../support/hub/content.js";
import type { Fault } from "../support/hub/faults.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { doneOf, pullEvents, startTestNode } from "../support/local-node.js";

const REPO = "acme/faulty";
const MODEL = "model-00001-of-00001.safetensors";
const MODEL_BYTES = 70 * 1024 * 1024 + 12_345;
const FILES = {
  "config.json": '{"model_type":"llama"}',
  "empty.txt": "",
  "sub/folder/tokenizer.json": `{"version":"1.0","vocab":${JSON.stringify("x".repeat(50_000))}}`,
  [MODEL]: syntheticContent({ seed: 7, sizeBytes: MODEL_BYTES }),
};

interface Case {
  readonly id: string;
  readonly faults: readonly Fault[];
  /** Absent: the pull must succeed. */
  readonly code?: ErrorCode;
  /** What the message and the hint together must say. */
  readonly says?: RegExp;
}

const SURVIVED: readonly Case[] = [
  { id: "nothing", faults: [] },
  { id: "connections dropped midway", faults: [{ kind: "drop", path: MODEL, atFraction: 0.5, times: 4 }] },
  { id: "bodies that end early", faults: [{ kind: "truncate", path: MODEL, atFraction: 0.3, times: 3 }] },
  { id: "a body that stalls", faults: [{ kind: "stall", path: MODEL, atFraction: 0.5, times: 2 }] },
  { id: "wrong bytes, once", faults: [{ kind: "wrongBytes", path: MODEL, times: 1 }] },
  { id: "wrong bytes in a small file, once", faults: [{ kind: "wrongBytes", path: "tokenizer.json", times: 1 }] },
  { id: "Range ignored throughout", faults: [{ kind: "ignoreRange", path: MODEL }] },
  { id: "429 with Retry-After", faults: [{ kind: "rateLimited", retryAfterS: 1, times: 2 }] },
  { id: "429 with RateLimit", faults: [{ kind: "rateLimited", rateLimitResetS: 1, times: 2 }] },
  { id: "a burst of 500", faults: [{ kind: "status", status: 500, times: 3 }] },
  { id: "a longer burst of 503 for the bytes", faults: [{ kind: "status", status: 503, times: 12, path: MODEL }] },
  { id: "signed URLs that expire", faults: [{ kind: "expiredUrl", path: MODEL, every: 2, times: 3 }] },
  { id: "hang-ups before any answer", faults: [{ kind: "hangUp", times: 3 }] },
  { id: "an answer that never comes, once", faults: [{ kind: "silent", path: MODEL, times: 1 }] },
  { id: "a slow start", faults: [{ kind: "latency", ms: 100 }] },
];

const FATAL: readonly Case[] = [
  {
    id: "wrong bytes, always",
    faults: [{ kind: "wrongBytes", path: MODEL }],
    code: "INTEGRITY",
    says: /again later|another network/,
  },
  {
    id: "wrong bytes in a small file, always",
    faults: [{ kind: "wrongBytes", path: "config.json" }],
    code: "INTEGRITY",
  },
  { id: "a gate", faults: [{ kind: "gated" }], code: "ACCESS_GATED", says: /accept|token|HF_TOKEN/i },
  { id: "a private repo", faults: [{ kind: "private" }], code: "REPO_NOT_FOUND", says: /HF_TOKEN/ },
  {
    id: "a missing repo",
    faults: [{ kind: "missingRepo" }],
    code: "REPO_NOT_FOUND",
    says: /does not exist|not found|HF_TOKEN/i,
  },
  { id: "a missing revision", faults: [{ kind: "missingRevision" }], code: "REVISION_NOT_FOUND" },
  { id: "a file that is listed but missing", faults: [{ kind: "missingFile", path: MODEL }], code: "FILE_NOT_FOUND" },
  { id: "a Hub that is down", faults: [{ kind: "down" }], code: "ORIGIN_UNREACHABLE", says: /127\.0\.0\.1/ },
  { id: "503 for ever", faults: [{ kind: "status", status: 503 }], code: "ORIGIN_FAULT" },
];

describe("faults of the origin", () => {
  let hub: EmbeddedHub;
  const folders: Folders[] = [];

  before(async () => {
    hub = await EmbeddedHub.start({ repos: [{ name: REPO, files: FILES }] });
    await hub.prepare();
  });
  after(async () => {
    await hub.stop();
    for (const folder of folders) await folder.remove();
  });

  const inFreshFolders = async (): Promise<Folders> => {
    const made = await makeFolders();
    folders.push(made);
    hub.faults.clear();
    hub.resetStats();
    return made;
  };

  for (const { id, faults } of SURVIVED) {
    it(`${id}: the pull ends verified`, async () => {
      const place = await inFreshFolders();
      const node = await startTestNode(place, hub.url);
      try {
        hub.faults.set(faults);
        const done = doneOf(await pullEvents(node, { target: REPO }));
        assert.equal(done.files, Object.keys(FILES).length);
        assert.equal(await assertCacheIsSound(place.cacheDir), Object.keys(FILES).length);
        assert.equal(hub.stats().cdnRequestsWithAuthorization, 0);
      } finally {
        await node.stop();
      }
    });
  }

  for (const { id, faults, code, says } of FATAL) {
    it(`${id}: ${code}, with a way out, and the next pull goes on`, async () => {
      const place = await inFreshFolders();
      const node = await startTestNode(place, hub.url);
      try {
        hub.faults.set(faults);
        const error = await pullEvents(node, { target: REPO }).then(
          () => assert.fail("the pull went through"),
          (thrown: unknown) => thrown,
        );
        assert.ok(error instanceof SwarmError, String(error));
        assert.equal(error.code, code, error.message);
        assert.ok((error.hint ?? "").length > 10, `no hint: ${error.message}`);
        if (says !== undefined) assert.match(`${error.message} ${error.hint}`, says);
        await assertCacheIsSound(place.cacheDir);
        hub.faults.clear();
        doneOf(await pullEvents(node, { target: REPO }));
        assert.equal(await assertCacheIsSound(place.cacheDir), Object.keys(FILES).length);
      } finally {
        await node.stop();
      }
    });
  }

  for (let seed = 1; seed <= 12; seed += 1) {
    it(`a random mix, seed ${seed}: in the end everything is there, and right`, async () => {
      const place = await inFreshFolders();
      const node = await startTestNode(place, hub.url);
      try {
        hub.faults.random(seed, { chance: 0.35, budget: 40 });
        // A mix may be worse than any one pull can bear; then the next one goes on.
        for (let round = 0; round < 5; round += 1) {
          const error = await pullEvents(node, { target: REPO }).then(
            () => undefined,
            (thrown: unknown) => thrown,
          );
          await assertCacheIsSound(place.cacheDir);
          if (error === undefined) break;
          assert.ok(
            error instanceof SwarmError &&
              [
                "ORIGIN_FAULT",
                "ORIGIN_UNREACHABLE",
                "ORIGIN_STALLED",
                "ORIGIN_BUSY",
                "INTEGRITY",
                "ACCESS_DENIED",
              ].includes(error.code),
            `seed ${seed}: ${error}`,
          );
        }
        hub.faults.clear();
        doneOf(await pullEvents(node, { target: REPO }));
        assert.equal(await assertCacheIsSound(place.cacheDir), Object.keys(FILES).length);
        const left = (await readdir(join(place.cacheDir, "models--acme--faulty", "blobs"))).filter((name) =>
          name.endsWith(".incomplete"),
        );
        assert.deepEqual(left, []);
      } finally {
        await node.stop();
      }
    });
  }

  it("the origin breaks off for good midway: the next pull fetches only what is missing", async () => {
    const place = await inFreshFolders();
    const node = await startTestNode(place, hub.url);
    try {
      hub.faults.set([
        { kind: "drop", path: MODEL, atFraction: 0.5, times: 3 },
        { kind: "status", status: 503, path: MODEL, skip: 3 },
      ]);
      await assert.rejects(pullEvents(node, { target: REPO }));
      const before = hub.stats().files[`${REPO}/${MODEL}`]?.bytesCovered ?? 0;
      hub.faults.clear();
      hub.resetStats();
      const done = doneOf(await pullEvents(node, { target: REPO }));
      const again = hub.stats().files[`${REPO}/${MODEL}`]?.bytesSent ?? 0;
      assert.ok(before > 4 * 1024 * 1024, `only ${before} bytes had come`);
      // The Hub breaks off only once its bytes were read, and every byte read is kept.
      assert.ok(
        again <= MODEL_BYTES - before + 1024 * 1024,
        `${again} of ${MODEL_BYTES} bytes came again, ${before} were there`,
      );
      assert.ok(done.bytesFromCache > 0);
    } finally {
      await node.stop();
    }
  });
});
