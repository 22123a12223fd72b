/** npm `@huggingface/hub`, as it is, through the gateway: cold, warm, and with the Hub gone. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import {
  downloadFile,
  downloadFileToCacheDir,
  fileDownloadInfo,
  fileExists,
  listFiles,
  modelInfo,
  parseSafetensorsMetadata,
  pathsInfo,
  snapshotDownload,
  whoAmI,
} from "@huggingface/hub";
import type { Content } from "../support/hub/content.js";
import { readContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { makeModelRepo } from "../support/repo-maker.js";
import { startGateway, type TestGateway } from "./gateway-kit.js";

const REPO = "acme/small";

describe("@huggingface/hub through the gateway", () => {
  let hub: EmbeddedHub;
  let gateway: TestGateway;
  let files: Record<string, Content>;

  before(async () => {
    files = makeModelRepo({ weightBytes: 6_000_000, weightFiles: 2 });
    const xetHash = "ef".repeat(32);
    const inputs = Object.fromEntries(
      Object.entries(files).map(([path, content]) => [
        path,
        path.endsWith(".safetensors") ? { content, xetHash } : content,
      ]),
    );
    hub = await EmbeddedHub.start({
      treePageSize: 3,
      repos: [
        { name: REPO, files: inputs },
        { name: "acme/secret", private: true, files: { "a.txt": "secret" } },
      ],
    });
    await hub.prepare();
    gateway = await startGateway(hub);
  });
  after(async () => {
    await gateway.stop();
    await hub.stop();
  });

  const weights = "model-00001-of-00002.safetensors";
  const run = (when: string, isOffline: boolean) => {
    const at = () => ({ repo: REPO, hubUrl: gateway.url });

    describe(when, () => {
      it("lists and informs", async () => {
        const listed: string[] = [];
        for await (const { path, type } of listFiles({ ...at(), recursive: true }))
          if (type === "file") listed.push(path);
        assert.deepEqual(listed.sort(), Object.keys(files).sort());
        const info = await modelInfo({ name: REPO, hubUrl: gateway.url, additionalFields: ["sha"] });
        assert.equal(info.sha, hub.getRepo(REPO).findCommit("main")?.id);
        const [found] = await pathsInfo({ ...at(), paths: [weights] });
        assert.equal(found?.size, files[weights]?.sizeBytes);
        assert.equal((found as { xetHash?: string }).xetHash, undefined);
        assert.equal(await fileExists({ ...at(), path: "config.json" }), true);
        assert.equal(await fileExists({ ...at(), path: "nothing" }), false);
        const about = await fileDownloadInfo({ ...at(), path: weights });
        assert.equal(about?.size, files[weights]?.sizeBytes);
        assert.equal(about?.xet, undefined);
        assert.equal(await fileDownloadInfo({ ...at(), path: "nothing" }), null);
      });

      it("downloads whole and in part", async () => {
        for (const path of ["config.json", weights]) {
          const content = await readContent(files[path] as Content);
          const blob = await downloadFile({ ...at(), path });
          assert.ok(blob !== null);
          assert.equal(blob.size, content.length);
          assert.ok(Buffer.from(await blob.slice(10, 500).arrayBuffer()).equals(content.subarray(10, 500)));
          assert.ok(Buffer.from(await blob.arrayBuffer()).equals(content));
        }
      });

      it("reads the header of safetensors", async () => {
        const { sharded, headers } = (await parseSafetensorsMetadata({ ...at() })) as {
          sharded: boolean;
          headers: Record<string, unknown>;
        };
        assert.equal(sharded, true);
        assert.equal(Object.keys(headers).length, 2);
      });

      it("takes a snapshot into a cache of its own", async () => {
        const cacheDir = await mkdtemp(join(tmpdir(), "swarmd-hubjs-"));
        try {
          const one = await downloadFileToCacheDir({ ...at(), path: "config.json", cacheDir });
          assert.ok((await readFile(one)).equals(await readContent(files["config.json"] as Content)));
          const place = await snapshotDownload({ ...at(), cacheDir });
          for (const [path, content] of Object.entries(files)) {
            assert.ok((await readFile(join(place, path))).equals(await readContent(content)), path);
          }
        } finally {
          await rm(cacheDir, { recursive: true, force: true });
        }
      });

      if (!isOffline) {
        it("is who it is, and reads what is private with its own token only", async () => {
          const me = await whoAmI({ accessToken: "hf_reader", hubUrl: gateway.url });
          assert.equal(me.name, "reader");
          const secret = { repo: "acme/secret", hubUrl: gateway.url, path: "a.txt" };
          assert.equal(await (await downloadFile({ ...secret, accessToken: "hf_reader" }))?.text(), "secret");
          await assert.rejects(downloadFile(secret), { statusCode: 401 });
        });
      }
    });
  };

  run("cold", false);
  describe("then", () => {
    before(() => hub.resetStats());
    run("warm", false);
    after(() => assert.equal(hub.stats().bytesSent, 0));
  });
  describe("and at last", () => {
    before(() => hub.faults.set([{ kind: "down" }]));
    run("with the Hub gone", true);
  });
});
