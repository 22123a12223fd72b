/** Plain faces: blobs, manifests and whereabouts, to whom they may be shown; and repos that no Hub has. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { ModelLocation, ModelManifest } from "@swarmd/protocol/api";
import { EmbeddedHub } from "../support/hub/hub.js";
import { pullEvents } from "../support/local-node.js";
import { AUTHORIZED, startGateway, type TestGateway } from "./gateway-kit.js";

const { signal } = new AbortController();
const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

/** Large enough to be an LFS file, whose name is its sha256. */
function safetensors(seed: string): Buffer {
  const dataBytes = 1024 * 1024;
  const json = Buffer.from(JSON.stringify({ w: { dtype: "U8", shape: [dataBytes], data_offsets: [0, dataBytes] } }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(dataBytes, seed)]);
}

const NAMES = ["public", "private", "gated"] as const;
const content = Object.fromEntries(NAMES.map((name) => [name, safetensors(`${name} `)])) as Record<
  (typeof NAMES)[number],
  Buffer
>;
const blobPath = (bytes: Buffer) => `/blobs/sha256:${sha256(bytes)}`;

describe("plain faces", () => {
  let hub: EmbeddedHub;
  let gateway: TestGateway;

  before(async () => {
    hub = await EmbeddedHub.start({
      repos: NAMES.map((name) => ({
        name: `acme/${name}`,
        files: { "config.json": "{}", "model.safetensors": content[name] },
        ...(name === "private" ? { private: true } : name === "gated" ? { gated: true } : {}),
      })),
    });
    await hub.prepare();
    gateway = await startGateway(hub, { token: "hf_reader" });
    for (const name of NAMES) await pullEvents(gateway.node, { target: `acme/${name}` });
  });
  after(async () => {
    await gateway.stop();
    await hub.stop();
  });

  it("a public blob is for everybody, for ever", async () => {
    const path = blobPath(content.public);
    const { status, headers, body } = await gateway.get(path);
    assert.equal(status, 200);
    assert.deepEqual(body, content.public);
    assert.equal(headers["cache-control"], "public, max-age=31536000, immutable");
    assert.equal(headers.etag, `"${sha256(content.public)}"`);
    const head = await gateway.head(path);
    assert.deepEqual(
      [head.status, head.headers["content-length"], head.body.length],
      [200, String(content.public.length), 0],
    );
    const part = await gateway.get(path, { headers: { range: "bytes=5-9" } });
    assert.deepEqual([part.status, part.headers["content-range"]], [206, `bytes 5-9/${content.public.length}`]);
    assert.deepEqual(part.body, content.public.subarray(5, 10));
    const tail = await gateway.get(path, { headers: { range: "bytes=-4" } });
    assert.deepEqual(tail.body, content.public.subarray(-4));
    const same = await gateway.get(path, { headers: { "if-none-match": `"${sha256(content.public)}"` } });
    assert.deepEqual([same.status, same.body.length], [304, 0]);
    const beyond = await gateway.get(path, { headers: { range: `bytes=${content.public.length}-` } });
    assert.equal(beyond.status, 416);
    assert.equal((await gateway.get(path.replace(":", "%3A"))).status, 200);
  });

  for (const name of ["private", "gated"] as const) {
    it(`a ${name} blob is only for whose token opens it, and else looks as if it were not there`, async () => {
      const denied = await gateway.get(blobPath(content[name]));
      const absent = await gateway.get(`/blobs/sha256:${"0".repeat(64)}`);
      assert.deepEqual([denied.status, denied.body.toString()], [404, absent.body.toString()]);
      assert.equal(
        (await gateway.get(blobPath(content[name]), { headers: { authorization: "Bearer hf_wrong" } })).status,
        404,
      );
      const allowed = await gateway.get(blobPath(content[name]), { headers: AUTHORIZED });
      assert.equal(allowed.status, 200);
      assert.deepEqual(allowed.body, content[name]);
      assert.equal(allowed.headers["cache-control"], "private, max-age=31536000, immutable");
    });

    it(`a ${name} manifest is only for whose token opens it`, async () => {
      const path = `/api/swarm/v1/manifest/acme/${name}`;
      const denied = await gateway.get(path);
      assert.ok([401, 403, 404].includes(denied.status), `${denied.status}`);
      assert.ok(!denied.body.toString().includes(sha256(content[name])));
      const manifest = (await gateway.json(path, { headers: AUTHORIZED })) as ModelManifest;
      assert.equal(manifest.tensors.length, 1);
    });
  }

  it("what is no blob's name is not found, and nothing is read for it", async () => {
    for (const path of [
      "/blobs/sha256:abc",
      "/blobs/..%2f..%2fetc%2fpasswd",
      `/blobs/sha256:${"A".repeat(64)}`,
      "/blobs/",
    ]) {
      assert.equal((await gateway.get(path)).status, 404, path);
    }
  });

  it("a manifest tells files, blobs, shards and tensors", async () => {
    const manifest = (await gateway.json("/api/swarm/v1/manifest/acme/public@main")) as ModelManifest;
    const { length } = content.public;
    const id = `sha256:${sha256(content.public)}`;
    assert.deepEqual(manifest.files.map(({ path }) => path).sort(), ["config.json", "model.safetensors"]);
    assert.deepEqual(manifest.blobs.find((blob) => blob.id === id)?.shards, [
      { id: `${id}#0`, offset: 0, size: length },
    ]);
    assert.deepEqual(manifest.tensors, [
      {
        name: "w",
        file: "model.safetensors",
        offset: length - 1024 * 1024,
        length: 1024 * 1024,
        dtype: "U8",
        shape: [1024 * 1024],
      },
    ]);
    assert.deepEqual(
      manifest.heads.map(({ source }) => source),
      ["cache"],
    );
    const none = await gateway.get("/api/swarm/v1/manifest/acme/none");
    assert.deepEqual(
      [none.status, none.headers["x-error-code"]],
      [401, "RepoNotFound"],
      "as the Hub tells it a stranger",
    );
    assert.equal((await gateway.get("/api/swarm/v1/manifest/acme/public@none")).status, 404);
    assert.equal((await gateway.get("/api/swarm/v1/manifest/a/b/c/d")).status, 400);
  });

  it("registrations are told, over restarts; private repos of the cache are not", async () => {
    const register = (body: string, type = "application/json") =>
      gateway.get("/register", {
        method: "POST",
        headers: { "content-type": type, "content-length": String(Buffer.byteLength(body)) },
        body,
      });
    assert.equal((await register('{"node":"nas","model":"acme/public"}')).status, 200);
    for (const [body, status] of [
      ["{", 400],
      ['{"node":"nas"}', 400],
      ['{"node":"../x","model":"acme/public"}', 400],
      ['{"node":"nas","model":"acme/public@main"}', 400],
      ['{"node":"nas","model":"a/b/c"}', 400],
    ] as const) {
      assert.equal((await register(body)).status, status, body);
    }
    assert.equal((await register('{"node":"nas","model":"acme/public"}', "text/plain")).status, 415);
    const has = async (model: string) => {
      const { nodes } = (await gateway.json(`/locate/${model}`)) as ModelLocation;
      return nodes.map(({ has, isSelf }) => `${has}${isSelf ? " self" : ""}`);
    };
    assert.deepEqual(await has("acme/public"), ["whole self", "said"]);
    assert.deepEqual(await has("acme/private"), []);
    assert.deepEqual(await has("acme/nobody"), []);
    gateway = await gateway.restart();
    assert.deepEqual(await has("acme/public"), ["whole self", "said"]);
  });

  it("what this node publishes is served as a repo of the Hub's, and the Hub hears nothing of it", async () => {
    const folder = join(gateway.folders.root, "tuned");
    await mkdir(join(folder, "sub"), { recursive: true });
    const weights = safetensors("tuned ");
    await writeFile(join(folder, "model.safetensors"), weights);
    await writeFile(join(folder, "sub", "config.json"), "{}");
    await gateway.node.commands.add({ path: folder, as: "me/tuned" }, () => undefined, { signal });
    hub.resetStats();
    const info = (await gateway.json("/api/models/me/tuned?blobs=true")) as {
      sha: string;
      siblings: { rfilename: string }[];
    };
    assert.deepEqual(
      info.siblings.map(({ rfilename }) => rfilename),
      ["model.safetensors", "sub/config.json"],
    );
    const head = await gateway.head("/me/tuned/resolve/main/model.safetensors");
    assert.deepEqual(
      [head.status, head.headers["x-repo-commit"], head.headers["x-linked-etag"], head.headers["x-linked-size"]],
      [200, info.sha, `"${sha256(weights)}"`, String(weights.length)],
    );
    const range = await gateway.get(`/me/tuned/resolve/${info.sha}/model.safetensors`, {
      headers: { range: "bytes=0-99" },
    });
    assert.deepEqual([range.status, range.body], [206, weights.subarray(0, 100)]);
    const tree = (await gateway.json("/api/models/me/tuned/tree/main?recursive=true")) as { path: string }[];
    assert.deepEqual(
      tree.map(({ path }) => path),
      ["model.safetensors", "sub", "sub/config.json"],
    );
    assert.equal((await gateway.get("/me/tuned/resolve/main/none")).status, 404);
    assert.deepEqual((await gateway.get(blobPath(weights))).body, weights);
    const manifest = (await gateway.json("/api/swarm/v1/manifest/me/tuned")) as ModelManifest;
    assert.match(manifest.publisher ?? "", /^12D3Koo/);
    assert.equal(manifest.commit, info.sha);
    assert.equal(hub.log().length, 0);
    // And the Hub is asked about its own as before.
    assert.equal((await gateway.get("/api/models/acme/public")).status, 200);
    assert.ok(hub.log().length > 0);
  });
});
