import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { describe, it } from "node:test";
import { type BlobId, type NodeId, parseNodeId, parseRepoName, parseRevision } from "@swarmd/protocol";
import { encodeFileList, type Publication } from "@swarmd/protocol/wire";
import { findPublicKey, nodeIdOfKey } from "../verify/evidence/node-identity.js";
import { KeptPublications } from "./kept.js";
import type { Signer } from "./ports.js";
import { findFiles, findList, isSigned, publish } from "./signed.js";

const REPO = { type: "model", name: parseRepoName("me/tuned") } as const;
const FILES = ["config.json", "model.gguf"].map((path, index) => {
  return { path, sizeBytes: index + 1, blob: `sha256:${String(index).repeat(64)}` as BlobId };
});

function makeSigner(): Signer & { readonly publicKey: KeyObject } {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
  return { id: nodeIdOfKey(raw), publicKey, sign: async (bytes) => new Uint8Array(sign(null, bytes, privateKey)) };
}

const what = { repo: REPO, revision: parseRevision("main"), files: FILES, cluster: "open", timeMs: 7 };

function memory(text?: string) {
  const records = {
    text,
    read: async () => records.text,
    write: async (written: string) => {
      records.text = written;
    },
  };
  return records;
}

describe("publications", () => {
  it("are signed by the key that the node is named by", async () => {
    const signer = makeSigner();
    assert.deepEqual(findPublicKey(signer.id)?.export({ format: "jwk" }), signer.publicKey.export({ format: "jwk" }));
    assert.ok(isSigned(await publish(what, signer)));
  });

  it("know libp2p's own form of a node's name", () => {
    assert.ok(findPublicKey(parseNodeId("12D3KooWGRUaQj4UVm1bjCBMSJ6YaPfBSGJQbEMsEcQM1T3Zq8Q1")) !== undefined);
    for (const name of ["QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", "12D3KooW", "1", "0OIl"]) {
      assert.equal(findPublicKey(name as NodeId), undefined, name);
    }
  });

  it("lose their signature with every field that changes", async () => {
    const good = await publish(what, makeSigner());
    const changes: readonly Partial<Publication>[] = [
      { timeMs: 8 },
      { cluster: "c1" },
      { repo: { type: "dataset", name: REPO.name } },
      { revision: parseRevision("v1") },
      { commit: "0".repeat(40) as Publication["commit"] },
      { listSha256: "0".repeat(64) },
      { listBytes: 1 },
      { files: 3 },
      { bytes: 4 },
      { publisher: makeSigner().id },
      { signature: new Uint8Array(64) },
    ];
    assert.equal(changes.length, Object.keys(good).length);
    for (const change of changes) assert.ok(!isSigned({ ...good, ...change }), JSON.stringify(Object.keys(change)));
  });

  it("give the same files the same commit, and other files or another name another", async () => {
    const signer = makeSigner();
    const { commit } = await publish(what, signer);
    assert.equal((await publish({ ...what, timeMs: 99, files: [...FILES].reverse() }, makeSigner())).commit, commit);
    assert.notEqual((await publish({ ...what, files: FILES.slice(1) }, signer)).commit, commit);
    assert.notEqual(
      (await publish({ ...what, repo: { ...REPO, name: parseRepoName("me/other") } }, signer)).commit,
      commit,
    );
  });

  it("name their file list by its content, and take no other", async () => {
    const one = await publish(what, makeSigner());
    assert.deepEqual(findFiles(one, encodeFileList(FILES)), FILES);
    assert.equal(findFiles(one, encodeFileList(FILES.slice(1))), undefined);
    assert.equal(
      findFiles({ ...one, commit: "0".repeat(40) as Publication["commit"] }, encodeFileList(FILES)),
      undefined,
    );
    assert.deepEqual(findList(one, FILES), encodeFileList(FILES));
    assert.equal(findList(one, FILES.slice(1)), undefined);
  });

  it("are kept over restarts, each name with one publisher", async () => {
    const [ann, ben] = [makeSigner(), makeSigner()];
    const records = memory();
    const kept = new KeptPublications({ records });
    const [first, tagged] = [await publish(what, ann), await publish({ ...what, revision: parseRevision("v1") }, ann)];
    await kept.keep(first);
    await kept.keep(tagged);
    const again = new KeptPublications({ records: memory(records.text) });
    assert.deepEqual(await again.all(), [first, tagged]);
    assert.equal(await again.publisherOf(REPO), ann.id);
    await again.keep(await publish(what, ben));
    assert.equal(await again.publisherOf(REPO), ben.id);
    assert.deepEqual(
      (await again.all()).map(({ publisher }) => publisher),
      [ben.id],
    );
    await again.drop(REPO, first.commit);
    assert.equal(await again.publisherOf(REPO), undefined);
  });

  it("are not believed when the file that keeps them was tampered with, or is damaged", async () => {
    const records = memory();
    const signer = makeSigner();
    await new KeptPublications({ records }).keep(await publish(what, signer));
    const { text = "" } = records;
    const forged = text.replace(
      /"publications": \[\s*"(.{40})./,
      (all) => `${all.slice(0, -1)}${all.endsWith("A") ? "B" : "A"}`,
    );
    assert.notEqual(forged, text);
    assert.deepEqual(await new KeptPublications({ records: memory(forged) }).all(), []);
    for (const damaged of ["", "{", "[]", "null", text.slice(0, 60), '{"version":9}']) {
      assert.deepEqual(await new KeptPublications({ records: memory(damaged) }).all(), [], damaged);
    }
  });
});
