/** Commits and file lists, from the embedded Hub and from servers that are none. */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import type { Origin } from "@swarmd/daemon/origin/origin";
import { type ErrorCode, parseRepoName, parseRevision, SwarmError } from "@swarmd/protocol";
import type { Fault } from "../support/hub/faults.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { makeOrigin, NEVER } from "./origin-kit.js";
import { RawServer, say } from "./raw-server.js";

const model = { type: "model", name: parseRepoName("acme/tiny") } as const;
const dataset = { type: "dataset", name: parseRepoName("rows") } as const;
const MAIN = parseRevision("main");
const FILES = {
  "config.json": "{}",
  "w.safetensors": "weights",
  "a/b/c.txt": "deep",
  "empty.txt": "",
  "x.bin": { content: "xet", xetHash: "5".repeat(64) },
};

let hub: EmbeddedHub;
before(async () => {
  hub = await EmbeddedHub.start({
    repos: [
      { name: "acme/tiny", files: FILES, formerNames: ["acme/old"] },
      { name: "rows", type: "dataset", files: { "a.csv": "1" } },
      { name: "acme/secret", files: FILES, private: true },
      { name: "acme/gated", files: FILES, gated: true },
      { name: "acme/off", files: FILES, disabled: true },
    ],
  });
});
after(() => hub.stop());

const origins: Origin[] = [];
function open(endpoint = hub.url, token?: string, events?: { type: string }[]): Origin {
  const log = events === undefined ? undefined : { emit: (event: { type: string }) => void events.push(event) };
  const origin = makeOrigin(endpoint, { token }, log);
  origins.push(origin);
  return origin;
}
afterEach(async () => {
  hub.faults.clear();
  hub.configure({ treePageSize: 1000 });
  await Promise.all(origins.splice(0).map((origin) => origin.stop()));
});

describe("manifest", () => {
  it("commit and files, with size and digest of each", async () => {
    const manifest = await open().hub.manifest(model, MAIN, { signal: NEVER });
    assert.equal(manifest.commit, hub.getRepo("acme/tiny").branches.get("main")?.id);
    assert.deepEqual([manifest.isPrivate, manifest.isGated, manifest.revision], [false, false, "main"]);
    const byPath = new Map(manifest.files.map((file) => [file.path, file]));
    assert.deepEqual([...byPath.keys()].sort(), Object.keys(FILES).sort());
    assert.equal(byPath.get("config.json")?.blob, "git-sha1:9e26dfeeb6e641a33dae4961196235bdb965b21b");
    assert.match(byPath.get("w.safetensors")?.blob ?? "", /^sha256:/);
    assert.deepEqual([byPath.get("empty.txt")?.sizeBytes, byPath.get("w.safetensors")?.sizeBytes], [0, 7]);
    assert.equal(byPath.get("x.bin")?.xetHash, "5".repeat(64));
  });

  it("two requests, and none per file", async () => {
    hub.resetStats();
    await open().hub.manifest(model, MAIN, { signal: NEVER });
    assert.deepEqual(hub.stats().requestsByKind, { info: 1, tree: 1 });
  });

  it("a list of several pages is whole", async () => {
    hub.configure({ treePageSize: 2 });
    hub.resetStats();
    const { files } = await open(hub.url, "hf_reader").hub.manifest(model, MAIN, { signal: NEVER });
    assert.equal(files.length, 5);
    assert.ok((hub.stats().requestsByKind.tree ?? 0) >= 3);
    assert.ok(hub.log().every((request) => request.hasAuthorization));
  });

  it("datasets, and names without an owner", async () => {
    const { files } = await open().hub.manifest(dataset, MAIN, { signal: NEVER });
    assert.deepEqual(
      files.map((file) => file.path),
      ["a.csv"],
    );
  });

  it("a ref with slashes, and a commit", async () => {
    const { commit } = await open()
      .hub.resolve(model, parseRevision("refs/pr/1"), { signal: NEVER })
      .catch(() => ({ commit: undefined }));
    assert.equal(commit, undefined, "there is no such ref, but the request went to the right place");
    assert.match(hub.log().at(-1)?.url ?? "", /\/revision\/refs%2Fpr%2F1$/);
    const { commit: main } = await open().hub.resolve(model, MAIN, { signal: NEVER });
    assert.equal((await open().hub.resolve(model, parseRevision(main), { signal: NEVER })).commit, main);
  });

  it("a repo under its former name", async () => {
    const { files } = await open().hub.manifest({ ...model, name: parseRepoName("acme/old") }, MAIN, { signal: NEVER });
    assert.equal(files.length, 5);
  });

  it("private and gated repos say so to those who may read them", async () => {
    const { hub: reader } = open(hub.url, "hf_reader");
    const secret = await reader.manifest({ ...model, name: parseRepoName("acme/secret") }, MAIN, { signal: NEVER });
    const gated = await reader.manifest({ ...model, name: parseRepoName("acme/gated") }, MAIN, { signal: NEVER });
    assert.deepEqual([secret.isPrivate, secret.isGated, gated.isPrivate, gated.isGated], [true, false, false, true]);
  });

  it("passing trouble is sat out, and reported", async () => {
    hub.faults.set([
      { kind: "status", on: "info", status: 503, times: 2 },
      { kind: "hangUp", on: "tree", times: 1 },
      { kind: "truncate", on: "tree", times: 1, skip: 0 },
      { kind: "rateLimited", on: "tree", times: 1, rateLimitResetS: 0 },
    ]);
    const events: { type: string }[] = [];
    assert.equal((await open(hub.url, undefined, events).hub.manifest(model, MAIN, { signal: NEVER })).files.length, 5);
    assert.ok(events.length >= 4 && events.every((event) => event.type === "origin-retry"));
  });
});

describe("refusals", () => {
  const cases: {
    id: string;
    repo?: string;
    revision?: string;
    token?: string;
    faults?: Fault[];
    code: ErrorCode;
    hint: RegExp;
  }[] = [
    { id: "no such repo, without a token", repo: "acme/none", code: "REPO_NOT_FOUND", hint: /HF_TOKEN/ },
    {
      id: "no such repo, with a token",
      repo: "acme/none",
      token: "hf_reader",
      code: "REPO_NOT_FOUND",
      hint: /spelling/,
    },
    { id: "a private repo, without a token", repo: "acme/secret", code: "REPO_NOT_FOUND", hint: /HF_TOKEN/ },
    { id: "no such revision", revision: "v9", code: "REVISION_NOT_FOUND", hint: /branch/ },
    {
      id: "a gated repo, without a token",
      repo: "acme/gated",
      code: "ACCESS_GATED",
      hint: /accept the terms, then set HF_TOKEN/,
    },
    { id: "a disabled repo", repo: "acme/off", code: "ACCESS_DENIED", hint: /reason/ },
    { id: "a token that is none", token: "hf_nonsense", code: "ACCESS_DENIED", hint: /valid token/ },
    {
      id: "500 for ever",
      faults: [{ kind: "status", on: "info", status: 500 }],
      code: "ORIGIN_FAULT",
      hint: /try again/,
    },
    { id: "down", faults: [{ kind: "down" }], code: "ORIGIN_UNREACHABLE", hint: /network/ },
    {
      id: "429 for longer than anyone waits",
      faults: [{ kind: "rateLimited", on: "info", retryAfterS: 4000 }],
      code: "ORIGIN_BUSY",
      hint: /HF_TOKEN/,
    },
  ];
  for (const { id, repo = "acme/tiny", revision = "main", token, faults = [], code, hint } of cases) {
    it(`${id}: ${code}`, async () => {
      hub.faults.set(faults);
      const asked = open(hub.url, token).hub.manifest(
        { type: "model", name: parseRepoName(repo) },
        parseRevision(revision),
        { signal: NEVER },
      );
      await assert.rejects(asked, (error) => {
        assert.ok(error instanceof SwarmError);
        assert.equal(error.code, code, error.stack);
        assert.match(error.hint ?? "", hint);
        return true;
      });
    });
  }

  it("a host with a name that nobody has", async () => {
    await assert.rejects(() => open("http://no-such-host.invalid").hub.resolve(model, MAIN, { signal: NEVER }), {
      code: "ORIGIN_UNREACHABLE",
      message: /no-such-host\.invalid/,
    });
  });
});

describe("servers that are no Hub", () => {
  const info = say(200, { "Content-Type": "application/json" }, JSON.stringify({ sha: "a".repeat(40) }));
  const file = { type: "file", path: "a", size: 1, oid: "1".repeat(40) };
  let server: RawServer;
  before(async () => {
    server = await RawServer.start(() => {});
  });
  after(() => server.stop());

  const cases: { id: string; info?: Buffer; tree?: Buffer; code: ErrorCode; message: RegExp }[] = [
    { id: "a login page", info: say(200, {}, "<html>Welcome!</html>"), code: "ORIGIN_FAULT", message: /not JSON/ },
    { id: "no commit", info: say(200, {}, "{}"), code: "ORIGIN_FAULT", message: /no commit/ },
    { id: "null", info: say(200, {}, "null"), code: "ORIGIN_FAULT", message: /no commit/ },
    { id: "an odd status", info: say(418), code: "ORIGIN_FAULT", message: /418/ },
    {
      id: "an endless answer",
      info: say(200, {}, Buffer.alloc(65 * 1024 * 1024, 32)),
      code: "ORIGIN_FAULT",
      message: /more than/,
    },
    {
      id: "redirects without end",
      info: say(302, { Location: "/x" }),
      code: "ORIGIN_FAULT",
      message: /redirects more than/,
    },
    { id: "a list that is none", tree: say(200, {}, "{}"), code: "ORIGIN_FAULT", message: /no list/ },
    { id: "a file twice", tree: say(200, {}, JSON.stringify([file, file])), code: "ORIGIN_FAULT", message: /twice/ },
    {
      id: "a next page on another host",
      tree: say(200, { Link: '<http://elsewhere.invalid/next>; rel="next"' }, JSON.stringify([file])),
      code: "ORIGIN_FAULT",
      message: /another host/,
    },
    {
      id: "pages that go in a circle",
      tree: say(200, { Link: '</api/models/acme/tiny/tree/again>; rel="next"' }, "[]"),
      code: "ORIGIN_FAULT",
      message: /pages/,
    },
  ];
  for (const { id, info: first = info, tree = say(200, {}, "[]"), code, message } of cases) {
    it(`${id}: ${code}`, async () => {
      server.answer = (request, socket) => socket.write(request.path.includes("/tree/") ? tree : first);
      await assert.rejects(() => open(server.url).hub.manifest(model, MAIN, { signal: NEVER }), { code, message });
    });
  }

  it("the token does not follow the API to another host, nor to its next page", async () => {
    const tree = JSON.stringify([file]);
    const elsewhere = await RawServer.start((request, socket) => {
      const isFirst = !request.path.includes("cursor");
      socket.write(
        say(200, isFirst ? { Link: `<${elsewhere.url}/tree/?cursor=2>; rel="next"` } : {}, isFirst ? tree : "[]"),
      );
    });
    server.answer = (request, socket) =>
      socket.write(request.path.includes("/tree/") ? say(307, { Location: `${elsewhere.url}/tree/` }) : info);
    try {
      await open(server.url, "hf_secret").hub.manifest(model, MAIN, { signal: NEVER });
      assert.equal(elsewhere.requests.length, 2);
      assert.ok(elsewhere.requests.every(({ fields }) => fields.authorization === undefined));
    } finally {
      await elsewhere.stop();
    }
  });
});
