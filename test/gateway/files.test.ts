/** Files through the gateway: the head that clients rely on, ranges, validators, refusals; cold, warm and without the Hub. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, afterEach, before, describe, it } from "node:test";
import { assertCacheIsSound } from "../support/cache-checks.js";
import { readContent, syntheticContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { AUTHORIZED, startGateway, type TestGateway } from "./gateway-kit.js";

const REPO = "acme/llama";
const SIZE = 40 * 1024 * 1024 + 17;
const WEIGHTS = syntheticContent({ seed: 21, sizeBytes: SIZE });
const CONFIG = '{"a":1}';
const CONFIG_ID = createHash("sha1").update(`blob ${CONFIG.length}\0${CONFIG}`).digest("hex");
const OTHER = syntheticContent({ seed: 23, sizeBytes: 30_000 });
const SECRET = syntheticContent({ seed: 22, sizeBytes: 30_000 });

describe("a file through the gateway", () => {
  let hub: EmbeddedHub;
  let gateway: TestGateway;
  let bytes: Buffer;
  let sha256: string;

  before(async () => {
    bytes = await readContent(WEIGHTS);
    sha256 = createHash("sha256").update(bytes).digest("hex");
    hub = await EmbeddedHub.start({
      repos: [
        {
          name: REPO,
          formerNames: ["acme/old-llama"],
          files: {
            "config.json": CONFIG,
            "empty.txt": "",
            "sub dir/naïve.txt": "hello",
            "model.safetensors": { content: WEIGHTS, xetHash: "ab".repeat(32) },
          },
        },
        { name: "acme/secret", private: true, files: { "model.safetensors": SECRET } },
        { name: "acme/gated", gated: true, files: { "README.md": "open", "model.safetensors": SECRET } },
        { name: "acme/gone", disabled: true, files: { "a.txt": "x" } },
        { type: "dataset", name: "acme/table", files: { "data/train.parquet": SECRET } },
        { type: "space", name: "acme/app", files: { "app.py": "print()" } },
      ],
    });
    await hub.prepare();
    gateway = await startGateway(hub);
  });
  after(async () => {
    await gateway.stop();
    await hub.stop();
  });
  afterEach(() => hub.faults.clear());

  const commit = () => hub.getRepo(REPO).findCommit("main")?.id;

  for (const { id, path, etag, size } of [
    { id: "a small file", path: "config.json", etag: () => CONFIG_ID, size: CONFIG.length },
    { id: "an LFS file", path: "model.safetensors", etag: () => sha256, size: SIZE },
    { id: "an empty file", path: "empty.txt", etag: () => "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391", size: 0 },
  ]) {
    it(`HEAD says what huggingface_hub needs, without a redirect or a way to Xet: ${id}`, async () => {
      const { status, headers, body } = await gateway.head(`/${REPO}/resolve/main/${path}`);
      assert.equal(status, 200);
      assert.equal(body.length, 0);
      assert.equal(headers["x-repo-commit"], commit());
      assert.equal(headers.etag, `"${etag()}"`);
      assert.equal(headers["content-length"], String(size));
      assert.equal(headers["accept-ranges"], "bytes");
      assert.equal(headers.location, undefined);
      assert.deepEqual(
        Object.keys(headers).filter((name) => name.includes("xet")),
        [],
      );
      if (path === "model.safetensors") {
        assert.equal(headers["x-linked-etag"], `"${sha256}"`);
        assert.equal(headers["x-linked-size"], String(SIZE));
      }
    });
  }

  it("GET of a cold file brings it, links it and leaves a sound cache; the second GET asks the Hub for no byte", async () => {
    const cold = await gateway.get(`/${REPO}/resolve/main/model.safetensors`);
    assert.equal(cold.status, 200);
    assert.ok(cold.body.equals(bytes));
    await assertCacheIsSound(gateway.folders.cacheDir);
    hub.resetStats();
    const warm = await gateway.get(`/${REPO}/resolve/${commit()}/model.safetensors`);
    assert.ok(warm.body.equals(bytes));
    assert.equal(hub.stats().bytesSent, 0);
  });

  for (const { range, status, from, to } of [
    { range: "bytes=0-0", status: 206, from: 0, to: 1 },
    { range: "bytes=100-199", status: 206, from: 100, to: 200 },
    { range: `bytes=${SIZE - 10}-`, status: 206, from: SIZE - 10, to: SIZE },
    { range: "bytes=-7", status: 206, from: SIZE - 7, to: SIZE },
    { range: "bytes=16777210-16777225", status: 206, from: 16777210, to: 16777226 },
    { range: `bytes=0-${SIZE * 10}`, status: 206, from: 0, to: SIZE },
    { range: `bytes=${SIZE}-`, status: 416, from: 0, to: 0 },
    { range: "bytes=9-3", status: 416, from: 0, to: 0 },
    { range: "bytes=-0", status: 416, from: 0, to: 0 },
    { range: "bytes=0-1,1-2", status: 416, from: 0, to: 0 },
    { range: "bytes=0-1,5-6", status: 200, from: 0, to: SIZE },
    { range: "pages=1-2", status: 200, from: 0, to: SIZE },
    { range: "bytes=a-b", status: 200, from: 0, to: SIZE },
  ]) {
    it(`Range ${range} is answered with ${status}`, async () => {
      const answer = await gateway.get(`/${REPO}/resolve/main/model.safetensors`, { headers: { range } });
      assert.equal(answer.status, status);
      if (status === 416) {
        assert.equal(answer.headers["content-range"], `bytes */${SIZE}`);
        return;
      }
      assert.ok(answer.body.equals(bytes.subarray(from, to)));
      if (status === 206) assert.equal(answer.headers["content-range"], `bytes ${from}-${to - 1}/${SIZE}`);
    });
  }

  it("knows validators: If-None-Match is 304, If-Range of another version brings the whole", async () => {
    const path = `/${REPO}/resolve/main/config.json`;
    for (const method of ["GET", "HEAD"]) {
      const same = await gateway.get(path, { method, headers: { "if-none-match": `W/"${CONFIG_ID}"` } });
      assert.equal(same.status, 304);
      assert.equal(same.headers["x-repo-commit"], commit());
    }
    const other = await gateway.get(path, { headers: { "if-none-match": '"0"' } });
    assert.equal(other.status, 200);
    const stale = await gateway.get(path, { headers: { range: "bytes=1-2", "if-range": '"0"' } });
    assert.equal(stale.status, 200);
    const fresh = await gateway.get(path, { headers: { range: "bytes=1-2", "if-range": `"${CONFIG_ID}"` } });
    assert.equal(fresh.status, 206);
  });

  for (const { id, path, text } of [
    { id: "a name that is quoted", path: `/${REPO}/resolve/main/sub%20dir/na%C3%AFve.txt`, text: "hello" },
    { id: "an empty file", path: `/${REPO}/resolve/main/empty.txt`, text: "" },
    { id: "a former name of the repo", path: "/acme/old-llama/resolve/main/config.json", text: CONFIG },
    { id: "the prefix models/", path: `/models/${REPO}/resolve/main/config.json`, text: CONFIG },
    { id: "a space", path: "/spaces/acme/app/resolve/main/app.py", text: "print()" },
    { id: "raw", path: `/${REPO}/raw/main/config.json`, text: CONFIG },
  ]) {
    it(`serves ${id}`, async () => {
      const { status, body } = await gateway.get(path);
      assert.equal(status, 200);
      assert.equal(body.toString(), text);
    });
  }

  it("serves a dataset, and resolve-cache", async () => {
    const content = await readContent(SECRET);
    const data = await gateway.get("/datasets/acme/table/resolve/main/data/train.parquet");
    assert.ok(data.body.equals(content));
    const cached = await gateway.get(`/api/resolve-cache/models/${REPO}/${commit()}/config.json`);
    assert.equal(cached.body.toString(), CONFIG);
  });

  it("serves a pull request's ref, encoded or not", async () => {
    hub.getRepo(REPO).commit({ "config.json": '{"a":2}' }, { branch: "refs/pr/1" });
    for (const revision of ["refs%2Fpr%2F1", "refs/pr/1"]) {
      const { body } = await gateway.get(`/${REPO}/resolve/${revision}/config.json`);
      assert.equal(body.toString(), '{"a":2}');
    }
  });

  for (const { id, path, headers, status, code, says } of [
    { id: "no such file", path: `/${REPO}/resolve/main/nothing.bin`, status: 404, code: "EntryNotFound" },
    { id: "no such revision", path: `/${REPO}/resolve/nix/config.json`, status: 404, code: "RevisionNotFound" },
    {
      id: "no such repo, with a token",
      path: "/acme/nix/resolve/main/a",
      headers: AUTHORIZED,
      status: 404,
      code: "RepoNotFound",
    },
    { id: "no such repo, without one", path: "/acme/nix/resolve/main/a", status: 401, code: "RepoNotFound" },
    {
      id: "a private repo, without a token",
      path: "/acme/secret/resolve/main/model.safetensors",
      status: 401,
      code: "RepoNotFound",
    },
    {
      id: "a gate, without a token",
      path: "/acme/gated/resolve/main/model.safetensors",
      status: 401,
      code: "GatedRepo",
    },
    {
      id: "a token that is none",
      path: `/${REPO}/resolve/main/config.json`,
      headers: { authorization: "Bearer hf_wrong" },
      status: 401,
      says: /Invalid credentials/,
    },
    {
      id: "a disabled repo",
      path: "/acme/gone/resolve/main/a.txt",
      status: 403,
      says: /Access to this resource is disabled/,
    },
    { id: "an impossible name", path: "/acme/..x/resolve/main/a.txt", status: 404, code: "RepoNotFound" },
  ] as readonly {
    id: string;
    path: string;
    headers?: Record<string, string>;
    status: number;
    code?: string;
    says?: RegExp;
  }[]) {
    for (const method of ["GET", "HEAD"]) {
      it(`says as the Hub does, to ${method}: ${id}`, async () => {
        const answer = await gateway.get(path, { method, headers: headers ?? {} });
        assert.equal(answer.status, status);
        assert.equal(answer.headers["x-error-code"], code);
        if (says !== undefined) assert.match(String(answer.headers["x-error-message"]), says);
        if (code === "EntryNotFound") assert.equal(answer.headers["x-repo-commit"], commit());
        if (method === "GET") assert.equal(typeof JSON.parse(answer.body.toString()).error, "string");
      });
    }
  }

  it("serves what is private or gated to those who have access, and to nobody else, cached or not", async () => {
    const content = await readContent(SECRET);
    for (const name of ["acme/secret", "acme/gated"]) {
      const path = `/${name}/resolve/main/model.safetensors`;
      const mine = await gateway.get(path, { headers: AUTHORIZED });
      assert.equal(mine.status, 200);
      assert.ok(mine.body.equals(content));
      const sha = hub.getRepo(name).findCommit("main")?.id;
      for (const revision of ["main", sha]) {
        for (const method of ["GET", "HEAD"]) {
          const answer = await gateway.get(`/${name}/resolve/${revision}/model.safetensors`, { method });
          assert.equal(answer.status, 401, `${method} ${name} ${revision}`);
        }
      }
    }
  });

  it("serves the README of a gated repo to everybody", async () => {
    const { status, body } = await gateway.get("/acme/gated/resolve/main/README.md");
    assert.equal(status, 200);
    assert.equal(body.toString(), "open");
  });

  it("hands on what the Hub says of its load", async () => {
    hub.faults.set([{ kind: "rateLimited", retryAfterS: 7, on: "info" }]);
    const { status, headers } = await gateway.get("/acme/app2/resolve/main/x");
    assert.equal(status, 429);
    assert.equal(headers["retry-after"], "7");
  });
});

describe("a file through the gateway while the Hub is gone", () => {
  let hub: EmbeddedHub;
  let gateway: TestGateway;
  const content = syntheticContent({ seed: 31, sizeBytes: 3_000_000 });

  before(async () => {
    hub = await EmbeddedHub.start({
      repos: [
        { name: REPO, files: { "config.json": CONFIG, "model.safetensors": content, "other.bin": OTHER } },
        { name: "acme/secret", private: true, files: { "model.safetensors": SECRET } },
      ],
    });
    await hub.prepare();
    gateway = await startGateway(hub);
    for (const path of ["config.json", "model.safetensors"]) await gateway.get(`/${REPO}/resolve/main/${path}`);
    await gateway.get("/acme/secret/resolve/main/model.safetensors", { headers: AUTHORIZED });
    hub.faults.set([{ kind: "down" }]);
  });
  after(async () => {
    await gateway.stop();
    await hub.stop();
  });

  it("serves what is held, head and bytes, and 404 for what is known not to be there", async () => {
    const bytes = await readContent(content);
    const head = await gateway.head(`/${REPO}/resolve/main/model.safetensors`);
    assert.equal(head.status, 200);
    assert.equal(head.headers["content-length"], String(bytes.length));
    const body = await gateway.get(`/${REPO}/resolve/main/model.safetensors`);
    assert.ok(body.body.equals(bytes));
    const absent = await gateway.head(`/${REPO}/resolve/main/nothing.json`);
    assert.equal(absent.status, 404);
    assert.equal(absent.headers["x-error-code"], "EntryNotFound");
  });

  for (const { id, path } of [
    { id: "a file that nobody holds", path: `/${REPO}/resolve/main/other.bin` },
    { id: "a revision that nobody knows", path: `/${REPO}/resolve/dev/config.json` },
    { id: "a repo that nobody knows", path: "/acme/unheard/resolve/main/config.json" },
    { id: "a private repo, to a stranger", path: "/acme/secret/resolve/main/model.safetensors" },
  ]) {
    it(`answers 504 with a reason, never 401 or 404: ${id}`, async () => {
      const { status, headers, body } = await gateway.get(path, { silenceMs: 20_000 });
      assert.equal(status, 504);
      assert.equal(headers["x-error-code"], undefined);
      assert.ok(JSON.parse(body.toString()).error.length > 20);
    });
  }

  it("serves a private file to whom the Hub let in before", async () => {
    const { status } = await gateway.get("/acme/secret/resolve/main/model.safetensors", { headers: AUTHORIZED });
    assert.equal(status, 200);
  });

  it("does so after a restart, and when told to be offline", async () => {
    gateway = await gateway.restart({ offline: true });
    const { status, body } = await gateway.get(`/${REPO}/resolve/main/config.json`);
    assert.equal(status, 200);
    assert.equal(body.toString(), CONFIG);
    const secret = await gateway.get("/acme/secret/resolve/main/model.safetensors");
    assert.equal(secret.status, 504);
    const lacking = await gateway.get(`/${REPO}/resolve/main/other.bin`, { silenceMs: 20_000 });
    assert.equal(lacking.status, 504);
  });
});
