/** A real client against the embedded Hub: what npm `@huggingface/hub` relies on, it finds. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it, mock } from "node:test";
import {
  checkRepoAccess,
  datasetInfo,
  downloadFile,
  downloadFileToCacheDir,
  fileDownloadInfo,
  fileExists,
  HubApiError,
  listCommits,
  listFiles,
  modelInfo,
  parseSafetensorsMetadata,
  pathsInfo,
  scanCacheDir,
  snapshotDownload,
  whoAmI,
} from "@huggingface/hub";
import { makeModelRepo } from "../repo-maker.js";
import { type Content, readContent } from "./content.js";
import { sha256Of } from "./digest.js";
import { EmbeddedHub } from "./hub.js";

const FILES = makeModelRepo({ weightBytes: 3_000_000, weightFiles: 2 });
const WEIGHTS = "model-00001-of-00002.safetensors";
const repo = "acme/small";

let hub: EmbeddedHub;
let hubUrl: string;
let folder: string;

before(async () => {
  // The client tells the console about each download.
  mock.method(console, "debug", () => {});
  folder = await mkdtemp(join(tmpdir(), "hub-client-"));
  hub = await EmbeddedHub.start({
    repos: [
      { name: repo, files: { ...FILES, "onnx/deep/model.onnx": "tiny" }, formerNames: ["acme/former"] },
      { name: "acme/gate", files: FILES, gated: true },
      { type: "dataset", name: "acme/data", files: { "train.csv": "a,b\n" } },
    ],
    tokens: { hf_reader: { name: "reader" }, hf_outsider: { name: "outsider", access: [] } },
  });
  hubUrl = hub.url;
});
beforeEach(() => hub.resetStats());
afterEach(() => hub.configure({ treePageSize: 1000, cdnSaysCloudfront: false, smallFiles: "redirect" }));
after(async () => {
  mock.restoreAll();
  await hub.stop();
  await rm(folder, { recursive: true });
});

function contentOf(path: string): Content {
  const content = FILES[path];
  assert.ok(content, path);
  return content;
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function bytesOf(blob: Blob | null | undefined): Promise<Buffer> {
  assert.ok(blob);
  return Buffer.from(await blob.arrayBuffer());
}

const isStatus = (status: number) => (error: unknown) => error instanceof HubApiError && error.statusCode === status;

describe("@huggingface/hub with the embedded Hub", () => {
  it("lists files over several pages, with digests and the last commit", async () => {
    hub.configure({ treePageSize: 3 });
    const entries = await collect(listFiles({ repo, hubUrl, recursive: true, expand: true }));
    assert.deepEqual(
      entries.filter((entry) => entry.type === "file").map((entry) => entry.path),
      [...Object.keys(FILES), "onnx/deep/model.onnx"].sort(),
    );
    const weights = entries.find((entry) => entry.path === WEIGHTS);
    assert.equal(weights?.lfs?.oid, await sha256Of(contentOf(WEIGHTS)));
    assert.match(weights?.lastCommit?.id ?? "", /^[0-9a-f]{40}$/);
    assert.equal(hub.stats().requestsByKind.tree, Math.ceil(entries.length / 3));
  });

  it("reads model, dataset, commits, paths and the owner of a token", async () => {
    const info = await modelInfo({ name: repo, hubUrl, additionalFields: ["sha"] });
    assert.equal(info.name, repo);
    assert.match(String(info.sha), /^[0-9a-f]{40}$/);
    assert.equal((await datasetInfo({ name: "acme/data", hubUrl })).name, "acme/data");
    const commits = await collect(listCommits({ repo, hubUrl }));
    assert.equal(commits[0]?.oid, info.sha);
    const [config] = await pathsInfo({ repo, hubUrl, paths: ["config.json"], expand: true });
    assert.equal(config?.lastCommit.id, info.sha);
    assert.equal((await whoAmI({ hubUrl, accessToken: "hf_reader" })).name, "reader");
    await checkRepoAccess({ repo, hubUrl });
  });

  it("finds size and place of a file; null for a missing one", async () => {
    const weights = await fileDownloadInfo({ repo, hubUrl, path: WEIGHTS });
    assert.equal(weights?.size, FILES[WEIGHTS]?.sizeBytes);
    assert.equal(
      (await fileDownloadInfo({ repo, hubUrl, path: "config.json" }))?.size,
      FILES["config.json"]?.sizeBytes,
    );
    assert.equal(await fileDownloadInfo({ repo, hubUrl, path: "nope.json" }), null);
    assert.equal(await fileExists({ repo, hubUrl, path: "nope.json" }), false);
  });

  for (const smallFiles of ["redirect", "direct"] as const) {
    it(`downloads whole files and parts, small files by ${smallFiles}`, async () => {
      hub.configure({ smallFiles });
      for (const path of ["config.json", WEIGHTS]) {
        const blob = await downloadFile({ repo, hubUrl, path });
        const want = await readContent(contentOf(path));
        assert.ok(want.equals(await bytesOf(blob)), path);
        assert.ok(want.subarray(10, 50).equals(await bytesOf(blob?.slice(10, 50))), path);
      }
    });
  }

  it("reads the safetensors headers that the repo maker wrote", async () => {
    const metadata = await parseSafetensorsMetadata({ repo, hubUrl, computeParametersCount: true });
    assert.ok(metadata.sharded);
    assert.equal(Object.keys(metadata.headers).length, 2);
    const { metadata: index } = JSON.parse((await readContent(contentOf("model.safetensors.index.json"))).toString());
    assert.equal(metadata.parameterCount?.BF16, index.total_size / 2);
  });

  it("downloads one file into a cache", async () => {
    const cacheDir = join(folder, "one");
    const path = await downloadFileToCacheDir({ repo, hubUrl, path: WEIGHTS, cacheDir });
    const sha256 = createHash("sha256")
      .update(await readFile(path))
      .digest("hex");
    assert.equal(sha256, await sha256Of(contentOf(WEIGHTS)));
    assert.ok((await readlink(path)).endsWith(`blobs/${sha256}`));
  });

  it("downloads a snapshot, each byte once", async () => {
    const cacheDir = join(folder, "snapshot");
    const snapshot = await snapshotDownload({ repo, hubUrl, cacheDir });
    for (const [path, content] of Object.entries(FILES)) {
      assert.ok((await readContent(content)).equals(await readFile(join(snapshot, path))), path);
    }
    const [cached] = (await scanCacheDir(cacheDir)).repos;
    assert.deepEqual(cached?.id, { name: repo, type: "model" });
    // The client asks for one byte of each file to learn its size.
    const files = Object.keys(FILES).length + 1;
    assert.ok(hub.stats().bytesSentTwice <= files, `${hub.stats().bytesSentTwice} bytes twice`);
  });

  it("follows a former name", async () => {
    assert.equal((await modelInfo({ name: "acme/former", hubUrl })).name, repo);
    assert.equal((await downloadFile({ repo: "acme/former", hubUrl, path: "onnx/deep/model.onnx" }))?.size, 4);
  });

  it("is told what is missing or not allowed", async () => {
    await assert.rejects(modelInfo({ name: "acme/nope", hubUrl }), isStatus(401));
    await assert.rejects(modelInfo({ name: "acme/nope", hubUrl, accessToken: "hf_reader" }), isStatus(404));
    await assert.rejects(modelInfo({ name: repo, hubUrl, revision: "nope" }), isStatus(404));
    await assert.rejects(modelInfo({ name: repo, hubUrl, accessToken: "hf_wrong" }), isStatus(401));
    await assert.rejects(downloadFile({ repo: "acme/gate", hubUrl, path: WEIGHTS }), isStatus(401));
    const outsider = { hubUrl, accessToken: "hf_outsider" };
    await assert.rejects(downloadFile({ repo: "acme/gate", path: WEIGHTS, ...outsider }), isStatus(403));
    const blob = await downloadFile({ repo: "acme/gate", path: WEIGHTS, hubUrl, accessToken: "hf_reader" });
    assert.equal(blob?.size, FILES[WEIGHTS]?.sizeBytes);
  });

  it("keeps its token from the CDN, except from one that says it is cloudfront", async () => {
    const download = async () => {
      const blob = await downloadFile({ repo, hubUrl, path: WEIGHTS, accessToken: "hf_reader" });
      await blob?.arrayBuffer();
      return hub.stats().cdnRequestsWithAuthorization;
    };
    assert.equal(await download(), 0);
    hub.configure({ cdnSaysCloudfront: true });
    assert.ok((await download()) > 0);
  });
});
