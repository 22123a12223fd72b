import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type BlobId,
  type CommitId,
  parseRepoName,
  parseRevision,
  type RepoFile,
  SHARD_BYTES,
  SwarmError,
} from "@swarmd/protocol";
import { describeBlob, describeModel } from "./model-manifest.js";
import type { HeadSource, HeadSources, PlannedRepo } from "./ports.js";

const { signal } = new AbortController();

/** A safetensors file of so many bytes of tensors, with a header that is made long. */
function safetensors(dataBytes: number, padding = 0): Buffer {
  const header = {
    a: { dtype: "U8", shape: [dataBytes], data_offsets: [0, dataBytes] },
    __metadata__: { pad: "x".repeat(padding) },
  };
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(dataBytes)]);
}

function file(path: string, sizeBytes: number, digit: string): RepoFile {
  return { path, sizeBytes, blob: `sha256:${digit.repeat(64)}` as BlobId };
}

function repoOf(files: readonly RepoFile[]): PlannedRepo {
  const repo = { type: "model", name: parseRepoName("org/name") } as const;
  const manifest = { repo, revision: parseRevision("main"), commit: "c".repeat(40) as CommitId, files };
  return { manifest, publisher: undefined, mayAskOrigin: true };
}

function sourceOf(name: HeadSource["name"], content: Buffer, asked: string[] = []): () => Promise<HeadSource> {
  return async () => ({
    name,
    read: async (endBytes) => {
      asked.push(`${name} ${endBytes}`);
      return content.subarray(0, endBytes);
    },
    close: async () => void asked.push(`${name} closed`),
  });
}

const failing = (name: HeadSource["name"]) => async (): Promise<HeadSource> => ({
  name,
  read: async () => {
    throw new SwarmError("PEER_UNREACHABLE", "gone");
  },
  close: async () => undefined,
});

describe("describeModel", () => {
  it("tells every tensor's place in its file, and takes a head in as many steps as it needs", async () => {
    const content = safetensors(100, 300_000);
    const weights = file("model.safetensors", content.length, "1");
    const asked: string[] = [];
    const sources: HeadSources = { of: () => [async () => undefined, sourceOf("origin", content, asked)] };
    const found = await describeModel(repoOf([file("config.json", 5, "2"), weights]), sources, { signal });
    assert.deepEqual(found.tensors, [
      { name: "a", file: "model.safetensors", offset: content.length - 100, length: 100, dtype: "U8", shape: [100] },
    ]);
    assert.deepEqual(found.heads, [{ file: "model.safetensors", format: "safetensors", source: "origin", tensors: 1 }]);
    assert.equal(asked.at(-1), "origin closed");
    assert.equal(asked.length, 3, "two reads");
    assert.equal(found.size, content.length + 5);
    assert.deepEqual(
      found.files.map(({ path }) => path),
      ["config.json", "model.safetensors"],
    );
  });

  it("goes to the next source when one fails, and past a peer that lies", async () => {
    const content = safetensors(10);
    const weights = file("w.safetensors", content.length, "1");
    const lying = sourceOf("peer", Buffer.alloc(content.length, 0xff));
    const sources: HeadSources = { of: () => [failing("origin"), lying, sourceOf("peer", content)] };
    const { heads } = await describeModel(repoOf([weights]), sources, { signal });
    assert.deepEqual(heads, [{ file: "w.safetensors", format: "safetensors", source: "peer", tensors: 1 }]);
  });

  it("tells of a file that can't be understood, and goes on with the others", async () => {
    const content = safetensors(10);
    const files = [
      file("bad.gguf", 50, "1"),
      file("good.safetensors", content.length, "2"),
      file("gone.gguf", 50, "3"),
    ];
    const sources: HeadSources = {
      of: ({ path }) =>
        path === "gone.gguf" ? [] : [sourceOf("cache", path === "bad.gguf" ? Buffer.alloc(50, "GGUFxxxx") : content)],
    };
    const { heads, tensors } = await describeModel(repoOf(files), sources, { signal });
    assert.deepEqual(
      heads.map(({ file, source, tensors }) => [file, source, tensors]),
      [
        ["bad.gguf", null, 0],
        ["good.safetensors", "cache", 1],
        ["gone.gguf", null, 0],
      ],
    );
    assert.match(heads[0]?.problem ?? "", /can't be read/);
    assert.match(heads[2]?.problem ?? "", /nobody who has gone.gguf/);
    assert.equal(tensors.length, 1);
  });

  it("refuses a header that claims more than may be held in memory", async () => {
    const head = Buffer.alloc(8);
    head.writeBigUInt64LE(90_000_000n);
    const weights = file("huge.safetensors", 100_000_000, "1");
    const asked: string[] = [];
    const { heads } = await describeModel(
      repoOf([weights]),
      { of: () => [sourceOf("cache", head, asked)] },
      { signal },
    );
    assert.match(heads[0]?.problem ?? "", /longer than/);
    assert.deepEqual(asked, ["cache 262144", "cache closed"]);
  });

  it("names a content that several files have once, and cuts it into shards that cover it", async () => {
    const files = [file("a.bin", 10, "1"), file("b.bin", 10, "1"), file("empty", 0, "2")];
    const { blobs } = await describeModel(repoOf(files), { of: () => [] }, { signal });
    assert.deepEqual(
      blobs.map(({ shards }) => shards.length),
      [1, 0],
    );
    const { id, shards } = describeBlob([files[0]?.blob as BlobId, 2 * SHARD_BYTES + 5]);
    assert.deepEqual(shards, [
      { id: `${id}#0`, offset: 0, size: SHARD_BYTES },
      { id: `${id}#1`, offset: SHARD_BYTES, size: SHARD_BYTES },
      { id: `${id}#2`, offset: 2 * SHARD_BYTES, size: 5 },
    ]);
  });

  it("ends when it is told to", async () => {
    const options = { signal: AbortSignal.abort() };
    await assert.rejects(describeModel(repoOf([]), { of: () => [] }, options), { code: "INTERRUPTED" });
  });
});
