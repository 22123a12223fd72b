/** What the Hub says of repos, through the gateway: with the caller's token, without Xet, from the cache when the Hub is gone. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { syntheticContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { AUTHORIZED, startGateway, type TestGateway } from "./gateway-kit.js";

const REPO = "acme/llama";
const XET = "cd".repeat(32);

interface Entry {
  readonly type: string;
  readonly path: string;
  readonly oid: string;
  readonly lfs?: { readonly oid: string };
  readonly xetHash?: string;
}

describe("metadata through the gateway", () => {
  let hub: EmbeddedHub;
  let gateway: TestGateway;

  before(async () => {
    hub = await EmbeddedHub.start({
      treePageSize: 2,
      repos: [
        {
          name: REPO,
          files: {
            "config.json": "{}",
            "onnx/a/model.onnx": syntheticContent({ seed: 1, sizeBytes: 500 }),
            "onnx/README": "x",
            "model.safetensors": { content: syntheticContent({ seed: 2, sizeBytes: 900 }), xetHash: XET },
          },
        },
        { name: "acme/secret", private: true, files: { "a.txt": "x" } },
        { type: "dataset", name: "acme/table", files: { "a.txt": "x" } },
        { type: "space", name: "acme/app", files: { "a.txt": "x" } },
      ],
    });
    await hub.prepare();
    hub.getRepo(REPO).tag("v1");
    gateway = await startGateway(hub);
  });
  after(async () => {
    await gateway.stop();
    await hub.stop();
  });

  /** What depends on who answers. */
  const same = async (path: string) => {
    const [ours, theirs] = await Promise.all([gateway.json(path), fetch(hub.url + path).then((one) => one.json())]);
    assert.deepEqual(ours, theirs);
  };

  for (const path of [
    `/api/models/${REPO}`,
    `/api/models/${REPO}?blobs=true&securityStatus=true`,
    `/api/models/${REPO}/revision/main`,
    `/api/models/${REPO}/revision/v1?expand=sha&expand=private`,
    `/api/models/${REPO}/refs`,
    `/api/models/${REPO}/refs?include_prs=1`,
    `/api/models/${REPO}/commits/main`,
    "/api/datasets/acme/table",
    "/api/spaces/acme/app/revision/main",
  ]) {
    it(`passes on ${path}`, () => same(path));
  }

  it("pages of a tree lead to the gateway, and say nothing of Xet", async () => {
    const all: Entry[] = [];
    let next: string | undefined = `${gateway.url}/api/models/${REPO}/tree/main?recursive=True&expand=False`;
    for (let pages = 0; next !== undefined; pages += 1) {
      assert.ok(next.startsWith(`${gateway.url}/`), next);
      assert.ok(pages < 10);
      const answer: Response = await fetch(next);
      all.push(...((await answer.json()) as Entry[]));
      next = /<([^>]+)>; rel="next"/.exec(answer.headers.get("link") ?? "")?.[1];
    }
    assert.equal(all.filter(({ type }) => type === "file").length, 4);
    assert.ok(all.every((entry) => entry.xetHash === undefined));
    assert.match(all.find(({ path }) => path === "model.safetensors")?.lfs?.oid ?? "", /^[0-9a-f]{64}$/);
  });

  for (const { id, headers, body } of [
    {
      id: "a form",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: "paths=config.json&paths=onnx&expand=True",
    },
    {
      id: "JSON",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ paths: ["config.json", "onnx"], expand: true }),
    },
  ]) {
    it(`paths-info takes ${id}`, async () => {
      const found = (await gateway.json(`/api/models/${REPO}/paths-info/main`, {
        method: "POST",
        headers: { ...headers, "content-length": String(body.length) },
        body,
      })) as Entry[];
      assert.deepEqual(
        found.map(({ type, path }) => [type, path]),
        [
          ["file", "config.json"],
          ["directory", "onnx"],
        ],
      );
    });
  }

  it("asks with the caller's token, and with none where there is none", async () => {
    const stranger = await gateway.get("/api/models/acme/secret");
    assert.equal(stranger.status, 401);
    assert.equal(stranger.headers["x-error-code"], "RepoNotFound");
    const me = (await gateway.json("/api/whoami-v2", { headers: AUTHORIZED })) as { name: string };
    assert.equal(me.name, "reader");
    assert.equal((await gateway.get("/api/whoami-v2")).status, 401);
    assert.equal((await gateway.get("/api/models/acme/secret/auth-check", { headers: AUTHORIZED })).status, 200);
    assert.equal((await gateway.get("/api/models/acme/secret/auth-check")).status, 401);
    assert.equal(
      ((await gateway.json("/api/models/acme/secret", { headers: AUTHORIZED })) as { private: boolean }).private,
      true,
    );
  });

  it("knows its addresses: others are 404, other methods 405", async () => {
    assert.equal((await gateway.get("/nothing/here/at/all/of/this/kind")).status, 404);
    const posted = await gateway.get(`/api/models/${REPO}`, { method: "POST" });
    assert.equal(posted.status, 405);
    assert.equal(posted.headers.allow, "GET, HEAD");
  });

  describe("while the Hub is gone", () => {
    let info: { sha: string; siblings: { rfilename: string }[] };
    let tree: Entry[];

    before(async () => {
      info = (await gateway.json(`/api/models/${REPO}?blobs=true`)) as typeof info;
      hub.configure({ treePageSize: 1000 });
      tree = (await gateway.json(`/api/models/${REPO}/tree/main?recursive=true`)) as Entry[];
      // Something was fetched: from then on the list of files is here.
      await gateway.get(`/${REPO}/resolve/main/config.json`);
      hub.faults.set([{ kind: "down" }]);
    });

    it("info and its files are as they were", async () => {
      for (const path of [`/api/models/${REPO}?blobs=true`, `/api/models/${REPO}/revision/main?blobs=true`]) {
        const offline = (await gateway.json(path)) as typeof info;
        assert.equal(offline.sha, info.sha);
        const byName = (files: typeof info.siblings) => [...files].sort((a, b) => (a.rfilename < b.rfilename ? -1 : 1));
        assert.deepEqual(byName(offline.siblings), byName(info.siblings));
      }
    });

    it("the tree is as it was, whole, in part, and in pages", async () => {
      const key = ({ type, path, oid, lfs }: Entry) => (type === "file" ? { type, path, oid, lfs } : { type, path });
      const offline = (await gateway.json(`/api/models/${REPO}/tree/main?recursive=true`)) as Entry[];
      const sorted = (entries: Entry[]) => entries.map(key).sort((a, b) => (a.path < b.path ? -1 : 1));
      assert.deepEqual(sorted(offline), sorted(tree));
      const flat = (await gateway.json(`/api/models/${REPO}/tree/${info.sha}/onnx`)) as Entry[];
      assert.deepEqual(
        flat.map(({ path }) => path),
        ["onnx/README", "onnx/a"],
      );
      const paged = await gateway.get(`/api/models/${REPO}/tree/main?limit=1`);
      const next = /<([^>]+)>; rel="next"/.exec(String(paged.headers.link))?.[1] ?? "";
      assert.ok(next.startsWith(gateway.url));
      const second = (await (await fetch(next)).json()) as Entry[];
      assert.equal(second.length, 1);
      assert.notDeepEqual(second, JSON.parse(paged.body.toString()));
    });

    it("refs and paths-info are answered", async () => {
      const refs = (await gateway.json(`/api/models/${REPO}/refs`)) as {
        branches: { name: string; targetCommit: string }[];
      };
      assert.ok(refs.branches.some(({ name, targetCommit }) => name === "main" && targetCommit === info.sha));
      const found = (await gateway.json(`/api/models/${REPO}/paths-info/main`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ paths: ["config.json", "onnx", "nix"] }),
      })) as Entry[];
      assert.deepEqual(
        found.map(({ path }) => path),
        ["config.json", "onnx"],
      );
    });

    it("what nobody knows is 504", async () => {
      for (const path of ["/api/models/acme/unheard", "/api/whoami-v2", `/api/models/${REPO}/commits/main`]) {
        assert.equal((await gateway.get(path)).status, 504, path);
      }
    });
  });
});
