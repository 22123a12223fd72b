import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { syntheticContent, toContent } from "./content.js";
import { gitSha1Of, sha256Of } from "./digest.js";
import { EmbeddedHub } from "./hub.js";
import { type RawAnswer, type RawRequestOptions, rawRequest } from "./raw-request.js";

const WEIGHTS = syntheticContent({ seed: 1, sizeBytes: 3_000_000 });
const CONFIG = '{"model_type":"llama"}';
const CONFIG_SHA1 = await gitSha1Of(toContent(CONFIG));
const WEIGHTS_SHA256 = await sha256Of(WEIGHTS);
const FILES = {
  "README.md": "# tiny",
  "config.json": CONFIG,
  "empty.txt": "",
  "sub/deep/notes.txt": "hello",
  "model.safetensors": { content: WEIGHTS, xetHash: "ab".repeat(32) },
};
const TOKEN = { authorization: "Bearer hf_reader" };
const OUTSIDER = { authorization: "Bearer hf_outsider" };
const BAD_TOKEN = { authorization: "Bearer hf_wrong" };

let hub: EmbeddedHub;
let commit: string;

before(async () => {
  hub = await EmbeddedHub.start({
    repos: [
      { name: "acme/tiny", files: FILES, formerNames: ["acme/old"] },
      { name: "acme/secret", files: FILES, private: true },
      { name: "acme/gate", files: FILES, gated: true },
      { name: "acme/gone", files: FILES, disabled: true },
      { name: "canon", files: FILES },
      { type: "dataset", name: "acme/data", files: { "train.csv": "a,b\n" } },
    ],
    tokens: { hf_reader: { name: "reader" }, hf_outsider: { name: "outsider", access: [] } },
  });
  const tiny = hub.getRepo("acme/tiny");
  commit = tiny.findCommit("main")?.id ?? "";
  tiny.tag("v1");
  tiny.commit({ "config.json": "{}" }, { branch: "refs/pr/1", message: "a proposal" });
  tiny.commit({ "only-here.txt": "x" }, { branch: "feature/x" });
});
after(() => hub.stop());

interface Case {
  readonly id: string;
  readonly path: string;
  readonly request?: RawRequestOptions;
  readonly status: number;
  /** undefined: must be absent. */
  readonly headers?: Readonly<Record<string, string | RegExp | undefined>>;
  readonly body?: string | RegExp;
  readonly check?: (answer: RawAnswer) => void;
}

const json = (answer: RawAnswer) => JSON.parse(answer.body.toString());
const COMMIT = /^[0-9a-f]{40}$/;

const CASES: readonly Case[] = [
  // Info, tree and the like
  {
    id: "info names the commit and the files",
    path: "/api/models/acme/tiny",
    status: 200,
    headers: {
      ratelimit: /^"api";r=\d+;t=\d+$/,
      "ratelimit-policy": /^"fixed window";"api";q=500;w=300$/,
      "x-request-id": /./,
    },
    check: (answer) => {
      assert.match(json(answer).sha, COMMIT);
      assert.deepEqual(json(answer).siblings[1], { rfilename: "config.json" });
    },
  },
  {
    id: "info with blobs=true gives sizes and hashes",
    path: "/api/models/acme/tiny/revision/main?blobs=true",
    status: 200,
    check: (answer) => {
      const weights = json(answer).siblings.find((one: { rfilename: string }) => one.rfilename === "model.safetensors");
      assert.deepEqual(weights.lfs, { sha256: WEIGHTS_SHA256, size: 3_000_000, pointerSize: 132 });
    },
  },
  { id: "info of a percent-encoded revision", path: "/api/models/acme/tiny/revision/refs%2Fpr%2F1", status: 200 },
  { id: "info of a tag", path: "/api/models/acme/tiny/revision/v1", status: 200 },
  {
    id: "info with expand gives what is asked for",
    path: "/api/models/acme/tiny?expand=sha&expand=gated",
    status: 200,
    check: (answer) => assert.deepEqual(Object.keys(json(answer)).sort(), ["_id", "gated", "id", "sha"]),
  },
  {
    id: "an unknown revision is RevisionNotFound",
    path: "/api/models/acme/tiny/revision/nope",
    status: 404,
    headers: { "x-error-code": "RevisionNotFound" },
  },
  {
    id: "a tree that is not recursive shows folders",
    path: "/api/models/acme/tiny/tree/main",
    status: 200,
    check: (answer) =>
      assert.deepEqual(
        json(answer).map((item: { type: string; path: string }) => `${item.type} ${item.path}`),
        ["file README.md", "file config.json", "file empty.txt", "file model.safetensors", "directory sub"],
      ),
  },
  {
    id: "a recursive tree has everything; LFS files carry sha256, pointer size and xetHash (Python's True counts)",
    path: "/api/models/acme/tiny/tree/main?recursive=True",
    status: 200,
    headers: { link: undefined },
    check: (answer) => {
      const items = new Map(json(answer).map((item: { path: string }) => [item.path, item]));
      assert.equal(items.size, 7);
      assert.deepEqual(items.get("config.json"), { type: "file", oid: CONFIG_SHA1, size: 22, path: "config.json" });
      const weights = items.get("model.safetensors") as Record<string, unknown>;
      assert.deepEqual(weights.lfs, { oid: WEIGHTS_SHA256, size: 3_000_000, pointerSize: 132 });
      assert.equal(weights.xetHash, "ab".repeat(32));
      assert.match(String(weights.oid), COMMIT);
    },
  },
  {
    id: "a tree of a folder",
    path: "/api/models/acme/tiny/tree/main/sub/deep",
    status: 200,
    check: (answer) => assert.equal(json(answer)[0].path, "sub/deep/notes.txt"),
  },
  {
    id: "a tree of no folder is EntryNotFound",
    path: "/api/models/acme/tiny/tree/main/nope",
    status: 404,
    headers: { "x-error-code": "EntryNotFound" },
  },
  {
    id: "a branch with a slash, not encoded",
    path: "/api/models/acme/tiny/tree/feature/x?recursive=true",
    status: 200,
    check: (answer) => assert.ok(json(answer).some((item: { path: string }) => item.path === "only-here.txt")),
  },
  {
    id: "paths-info takes a form, as Python sends it",
    path: "/api/models/acme/tiny/paths-info/main",
    request: {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: "paths=config.json&paths=sub&paths=nope&expand=True",
    },
    status: 200,
    check: (answer) => {
      assert.deepEqual(
        json(answer).map((item: { path: string }) => item.path),
        ["config.json", "sub"],
      );
      assert.match(json(answer)[0].lastCommit.id, COMMIT);
    },
  },
  {
    id: "paths-info takes JSON, as huggingface.js sends it",
    path: "/api/models/acme/tiny/paths-info/main",
    request: { method: "POST", headers: { "content-type": "application/json" }, body: '{"paths":["config.json"]}' },
    status: 200,
    check: (answer) => assert.equal(json(answer)[0].oid, CONFIG_SHA1),
  },
  {
    id: "refs: branches and tags; pull requests on demand",
    path: "/api/models/acme/tiny/refs?include_prs=1",
    status: 200,
    check: (answer) => {
      const { branches, tags, pullRequests } = json(answer);
      assert.deepEqual(
        branches.map((ref: { ref: string }) => ref.ref),
        ["refs/heads/main", "refs/heads/feature/x"],
      );
      assert.equal(tags[0].targetCommit, commit);
      assert.equal(pullRequests[0].ref, "refs/pr/1");
    },
  },
  {
    id: "commits, newest first",
    path: "/api/models/acme/tiny/commits/refs%2Fpr%2F1",
    status: 200,
    headers: { "x-total-count": "2" },
    check: (answer) => assert.equal(json(answer)[0].title, "a proposal"),
  },
  { id: "whoami without a token", path: "/api/whoami-v2", status: 401 },
  {
    id: "whoami with a token",
    path: "/api/whoami-v2",
    request: { headers: TOKEN },
    status: 200,
    check: (answer) => assert.equal(json(answer).name, "reader"),
  },

  // Small files
  {
    id: "a small file of a public repo: relative 307 with the commit",
    path: "/acme/tiny/resolve/main/config.json",
    status: 307,
    headers: {
      location: /^\/api\/resolve-cache\/models\/acme\/tiny\/[0-9a-f]{40}\/config\.json\?/,
      "x-repo-commit": COMMIT,
    },
  },
  {
    id: "the same by HEAD, without a body",
    path: "/acme/tiny/resolve/main/config.json",
    request: { method: "HEAD" },
    status: 307,
    headers: { location: /./ },
    body: "",
  },
  {
    id: "a small file of a canonical repo comes directly",
    path: "/canon/resolve/main/config.json",
    status: 200,
    headers: { etag: `"${CONFIG_SHA1}"`, "x-repo-commit": COMMIT, "content-length": "22", "accept-ranges": "bytes" },
    body: CONFIG,
  },
  {
    id: "an empty file comes directly, with its length",
    path: "/acme/tiny/resolve/main/empty.txt",
    status: 200,
    headers: { "content-length": "0", etag: '"e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"' },
    body: "",
  },
  {
    id: "HEAD of a small file has what a client needs",
    path: "/canon/resolve/main/config.json",
    request: { method: "HEAD" },
    status: 200,
    headers: { etag: `"${CONFIG_SHA1}"`, "content-length": "22", "x-repo-commit": COMMIT },
    body: "",
  },
  {
    id: "text goes gzipped and chunked, with a weak ETag, to those who accept it",
    path: "/canon/resolve/main/config.json",
    request: { headers: { "accept-encoding": "gzip, deflate" } },
    status: 200,
    headers: { "content-encoding": "gzip", "content-length": undefined, etag: `W/"${CONFIG_SHA1}"` },
    check: (answer) => assert.equal(gunzipSync(answer.body).toString(), CONFIG),
  },
  {
    id: "a range is never gzipped",
    path: "/canon/resolve/main/config.json",
    request: { headers: { "accept-encoding": "gzip", range: "bytes=2-6" } },
    status: 206,
    headers: { "content-encoding": undefined, "content-range": "bytes 2-6/22" },
    body: "model",
  },
  {
    id: "If-None-Match that matches is 304",
    path: "/canon/resolve/main/config.json",
    request: { headers: { "if-none-match": `W/"${CONFIG_SHA1}"` } },
    status: 304,
    body: "",
  },
  {
    id: "a range outside is 416 with the size",
    path: "/canon/resolve/main/config.json",
    request: { headers: { range: "bytes=22-" } },
    status: 416,
    headers: { "content-range": "bytes */22" },
  },
  {
    id: "raw of an LFS file is its pointer",
    path: "/acme/tiny/raw/main/model.safetensors",
    status: 200,
    body: new RegExp(`oid sha256:${WEIGHTS_SHA256}`),
  },
  {
    id: "a dataset has its prefix",
    path: "/datasets/acme/data/raw/main/train.csv",
    status: 200,
    body: "a,b\n",
  },

  // LFS
  {
    id: "an LFS file: 302 with digest and size, to another host, without the file's length",
    path: "/acme/tiny/resolve/main/model.safetensors",
    status: 302,
    headers: {
      "x-linked-etag": `"${WEIGHTS_SHA256}"`,
      "x-linked-size": "3000000",
      "x-repo-commit": COMMIT,
      "x-xet-hash": "ab".repeat(32),
      etag: undefined,
      ratelimit: /^"resolvers";/,
    },
    check: (answer) => {
      assert.ok(answer.headers.location?.startsWith(hub.cdnUrl));
      assert.notEqual(new URL(hub.cdnUrl).hostname, new URL(hub.url).hostname);
      assert.notEqual(answer.headers["content-length"], "3000000");
    },
  },

  // Errors
  {
    id: "a missing file is EntryNotFound with the commit",
    path: "/acme/tiny/resolve/main/nope.json",
    status: 404,
    headers: { "x-error-code": "EntryNotFound", "x-repo-commit": COMMIT },
  },
  {
    id: "a path that climbs is a missing file",
    path: "/acme/tiny/resolve/main/..%2f..%2fetc%2fpasswd",
    status: 404,
    headers: { "x-error-code": "EntryNotFound" },
  },
  {
    id: "a missing revision of a file",
    path: "/acme/tiny/resolve/nope/config.json",
    status: 404,
    headers: { "x-error-code": "RevisionNotFound" },
  },
  {
    id: "a missing repo, anonymous: 401 without a code",
    path: "/api/models/acme/nope",
    status: 401,
    headers: { "x-error-code": undefined },
  },
  {
    id: "a missing repo, with a token: RepoNotFound",
    path: "/api/models/acme/nope",
    request: { headers: TOKEN },
    status: 404,
    headers: { "x-error-code": "RepoNotFound" },
  },
  {
    id: "an invalid token is refused even for a public repo",
    path: "/api/models/acme/tiny",
    request: { headers: BAD_TOKEN },
    status: 401,
    headers: { "x-error-message": "Invalid credentials in Authorization header", "x-error-code": undefined },
  },
  { id: "a private repo, anonymous: as if it were missing", path: "/api/models/acme/secret", status: 401 },
  {
    id: "a private repo, with the wrong token: as if it were missing",
    path: "/api/models/acme/secret",
    request: { headers: OUTSIDER },
    status: 404,
    headers: { "x-error-code": "RepoNotFound" },
  },
  {
    id: "a private repo, with the right token: its small files come directly",
    path: "/acme/secret/resolve/main/config.json",
    request: { headers: TOKEN },
    status: 200,
    body: CONFIG,
  },
  {
    id: "a disabled repo",
    path: "/acme/gone/resolve/main/config.json",
    status: 403,
    headers: { "x-error-message": "Access to this resource is disabled." },
  },
  {
    id: "a former name: relative 307, query kept",
    path: "/api/models/acme/old/tree/main?recursive=true",
    status: 307,
    headers: { location: "/api/models/acme/tiny/tree/main?recursive=true" },
  },
  {
    id: "another spelling of a name: relative 307",
    path: "/ACME/Tiny/resolve/main/config.json",
    status: 307,
    headers: { location: "/acme/tiny/resolve/main/config.json" },
  },
  {
    id: "a gate refuses anonymous callers, before it looks at revision and file",
    path: "/acme/gate/resolve/nope/nope.json",
    status: 401,
    headers: { "x-error-code": "GatedRepo" },
  },
  {
    id: "a gate refuses tokens without access with 403",
    path: "/acme/gate/resolve/main/config.json",
    request: { headers: OUTSIDER },
    status: 403,
    headers: { "x-error-code": "GatedRepo" },
  },
  {
    id: "a gate opens for who has access",
    path: "/acme/gate/resolve/main/model.safetensors",
    request: { headers: TOKEN },
    status: 302,
  },
  { id: "a gate leaves README open", path: "/acme/gate/resolve/main/README.md", status: 200, body: "# tiny" },
  {
    id: "a gate leaves the tree open, with stars for LFS hashes",
    path: "/api/models/acme/gate/tree/main",
    status: 200,
    check: (answer) => {
      const weights = json(answer).find((item: { path: string }) => item.path === "model.safetensors");
      assert.equal(weights.lfs.oid, "*".repeat(64));
    },
  },
  {
    id: "auth-check of a gate",
    path: "/api/models/acme/gate/auth-check",
    status: 401,
    headers: { "x-error-code": "GatedRepo" },
  },
  { id: "auth-check of an open repo", path: "/api/models/acme/tiny/auth-check", status: 200 },
  { id: "nothing there", path: "/nowhere", status: 404 },
];

describe("the contract of the embedded Hub", () => {
  for (const { id, path, request, status, headers = {}, body, check } of CASES) {
    it(id, async () => {
      const answer = await rawRequest(hub.url + path, request);
      assert.equal(answer.failure, undefined);
      assert.equal(answer.status, status, answer.body.toString());
      for (const [name, want] of Object.entries(headers)) {
        if (want instanceof RegExp) assert.match(String(answer.headers[name]), want, name);
        else assert.equal(answer.headers[name], want, name);
      }
      if (body instanceof RegExp) assert.match(answer.body.toString(), body);
      else if (body !== undefined) assert.equal(answer.body.toString(), body);
      check?.(answer);
    });
  }

  it("a commit stays what it was when its branch moves on", async () => {
    const repo = hub.addRepo({ name: "acme/moving", files: { "a.txt": "one" } });
    const before = repo.findCommit("main")?.id;
    const after = repo.commit({ "a.txt": "two" });
    const at = async (revision: string) =>
      (await rawRequest(`${hub.url}/acme/moving/raw/${revision}/a.txt`)).body.toString();
    assert.deepEqual([await at(before ?? ""), await at(after), await at("main")], ["one", "two", "two"]);
  });

  it("commits are the same in every run", () => {
    assert.equal(
      hub.addRepo({ name: "a/b", files: FILES }).findCommit("main")?.id,
      hub.addRepo({ name: "a/b", files: FILES }).findCommit("main")?.id,
    );
  });

  it("a paged tree: Link to the next page, absolute and for the host the client used, until all was seen", async () => {
    hub.configure({ treePageSize: 3 });
    try {
      const port = new URL(hub.url).port;
      let url: string | undefined = `http://localhost:${port}/api/models/acme/tiny/tree/main?recursive=true`;
      const seen: string[] = [];
      const sizes: number[] = [];
      while (url) {
        const answer: RawAnswer = await rawRequest(url.replace("localhost", "127.0.0.1"), {
          headers: { host: `localhost:${port}` },
        });
        seen.push(...json(answer).map((item: { path: string }) => item.path));
        sizes.push(json(answer).length);
        url = /^<(http:\/\/localhost:\d+\/[^>]+)>; rel="next"$/.exec(answer.headers.link?.toString() ?? "")?.[1];
      }
      assert.deepEqual(sizes, [3, 3, 1]);
      assert.equal(new Set(seen).size, 7);
    } finally {
      hub.configure({ treePageSize: 1000 });
    }
  });

  it("quotas, when set: counted, shown, and 429 beyond", async () => {
    hub.configure({ quotas: { api: 2, resolvers: 100, pages: 100, windowS: 60 } });
    try {
      const answers = [];
      for (let i = 0; i < 3; i++) answers.push(await rawRequest(`${hub.url}/api/models/acme/tiny`));
      assert.deepEqual(
        answers.map((answer) => answer.status),
        [200, 200, 429],
      );
      assert.match(String(answers[2]?.headers.ratelimit), /^"api";r=0;t=\d+$/);
    } finally {
      hub.configure({ quotas: undefined });
    }
  });
});
