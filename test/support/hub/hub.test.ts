import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { readContent, syntheticContent } from "./content.js";
import { sha256Of } from "./digest.js";
import { EmbeddedHub } from "./hub.js";
import { rawRequest } from "./raw-request.js";

const WEIGHTS = syntheticContent({ seed: 1, sizeBytes: 3_000_000 });
const WEIGHTS_SHA256 = await sha256Of(WEIGHTS);
const TOKEN = { authorization: "Bearer hf_reader" };

let hub: EmbeddedHub;
before(async () => {
  hub = await EmbeddedHub.start({
    repos: [{ name: "acme/tiny", files: { "config.json": "{}", "model.safetensors": WEIGHTS } }],
  });
});
beforeEach(() => hub.resetStats());
after(() => hub.stop());

/** The signed URL of the weights. */
async function signedUrl(headers: Record<string, string> = {}): Promise<string> {
  return (await rawRequest(`${hub.url}/acme/tiny/resolve/main/model.safetensors`, { headers })).headers.location ?? "";
}

describe("the CDN of the embedded Hub", () => {
  it("sends the file for a signed URL, under an ETag that is not the digest", async () => {
    const answer = await rawRequest(await signedUrl());
    assert.equal(answer.status, 200);
    assert.equal(answer.headers["content-length"], "3000000");
    assert.ok(!answer.headers.etag?.includes(WEIGHTS_SHA256));
    assert.equal(Buffer.compare(answer.body, await readContent(WEIGHTS)), 0);
  });

  it("serves ranges, and the whole when If-Range no longer holds", async () => {
    const url = await signedUrl();
    const part = await rawRequest(url, { headers: { range: "bytes=1000000-1999999" } });
    assert.equal(part.status, 206);
    assert.equal(part.headers["content-range"], "bytes 1000000-1999999/3000000");
    assert.equal(Buffer.compare(part.body, await readContent(WEIGHTS, 1_000_000, 2_000_000)), 0);
    const ranged = { range: "bytes=2999999-", "if-range": String(part.headers.etag) };
    assert.equal((await rawRequest(url, { headers: ranged })).status, 206);
    assert.equal((await rawRequest(url, { headers: { ...ranged, "if-range": '"other"' } })).status, 200);
  });

  it("refuses URLs without, with a wrong and with an expired signature: 403 and XML", async () => {
    const url = new URL(await signedUrl());
    const wrong = new URL(url);
    wrong.searchParams.set("Signature", "AAAA");
    hub.configure({ signedUrlTtlMs: 0 });
    const expired = await signedUrl();
    hub.configure({ signedUrlTtlMs: 3_600_000 });
    for (const bad of [url.origin + url.pathname, wrong.href, expired]) {
      const answer = await rawRequest(bad);
      assert.equal(answer.status, 403);
      assert.equal(answer.headers["content-type"], "application/xml");
    }
  });

  it("notices a token that should never have come", async () => {
    const url = await signedUrl(TOKEN);
    await rawRequest(url, { method: "HEAD" });
    assert.equal(hub.stats().cdnRequestsWithAuthorization, 0);
    await rawRequest(url, { method: "HEAD", headers: TOKEN });
    assert.equal(hub.stats().cdnRequestsWithAuthorization, 1);
  });
});

describe("plain files of the embedded Hub", () => {
  it("have validators that lead to 304, and ranges", async () => {
    const url = hub.putFile("a b.bin", "0123456789");
    const { headers, body } = await rawRequest(url);
    assert.equal(body.toString(), "0123456789");
    assert.equal((await rawRequest(url, { headers: { "if-none-match": String(headers.etag) } })).status, 304);
    assert.equal(
      (await rawRequest(url, { headers: { "if-modified-since": String(headers["last-modified"]) } })).status,
      304,
    );
    const part = await rawRequest(url, {
      headers: { range: "bytes=-2", "if-range": String(headers["last-modified"]) },
    });
    assert.deepEqual([part.status, part.body.toString()], [206, "89"]);
  });

  it("can be without ranges, length, HEAD and validators", async () => {
    const url = hub.putFile("poor.bin", "0123456789", {
      ranges: false,
      length: false,
      head: false,
      etag: "none",
      lastModified: undefined,
    });
    const answer = await rawRequest(url, { headers: { range: "bytes=0-3" } });
    assert.deepEqual([answer.status, answer.body.toString()], [200, "0123456789"]);
    const { "content-length": length, "accept-ranges": ranges, etag, "last-modified": date } = answer.headers;
    assert.deepEqual([length, ranges, etag, date], [undefined, undefined, undefined, undefined]);
    assert.equal((await rawRequest(url, { method: "HEAD" })).status, 405);
  });

  it("change their validators with their content", async () => {
    const one = await rawRequest(hub.putFile("changing", "one"));
    const two = await rawRequest(hub.putFile("changing", "two"));
    assert.notEqual(one.headers.etag, two.headers.etag);
  });

  it("can redirect, and be missing", async () => {
    const url = hub.putFile("moved", "", { redirectTo: "http://elsewhere.example/x" });
    assert.equal((await rawRequest(url)).headers.location, "http://elsewhere.example/x");
    assert.equal((await rawRequest(hub.fileUrl("nothing"))).status, 404);
  });
});

describe("the counters of the embedded Hub", () => {
  it("count bytes per file and client, and what was sent twice", async () => {
    const url = await signedUrl();
    const headers = { "user-agent": "one" };
    await rawRequest(url, { headers: { ...headers, range: "bytes=0-1999999" } });
    await rawRequest(url, { headers: { ...headers, range: "bytes=1500000-2499999" } });
    const stats = hub.stats();
    assert.deepEqual(stats.files["acme/tiny/model.safetensors"], {
      sizeBytes: 3_000_000,
      bytesSent: 3_000_000,
      bytesSentTwice: 500_000,
      bytesCovered: 2_500_000,
      responses: 2,
    });
    assert.deepEqual([stats.bytesSent, stats.bytesSentTwice], [3_000_000, 500_000]);
    assert.deepEqual(stats.clients["127.0.0.1 one"], { bytesSent: 3_000_000, requests: 2 });
    assert.deepEqual(stats.requestsByKind, { resolve: 1, cdn: 2 });
    assert.deepEqual(stats.responsesByStatus, { 302: 1, 206: 2 });
  });

  it("count a gzipped file once, and the same range of another version not as twice", async () => {
    const repo = hub.addRepo({ name: "counted", files: { "a.txt": "one" } });
    await rawRequest(`${hub.url}/counted/resolve/main/a.txt`, { headers: { "accept-encoding": "gzip" } });
    repo.commit({ "a.txt": "two" });
    await rawRequest(`${hub.url}/counted/resolve/main/a.txt`);
    const { bytesSentTwice, bytesCovered, responses } = hub.stats().files["counted/a.txt"] ?? {};
    assert.deepEqual({ bytesSentTwice, bytesCovered, responses }, { bytesSentTwice: 0, bytesCovered: 6, responses: 2 });
  });

  it("know how many requests and connections were open at the same time", async () => {
    hub.faults.set([{ kind: "silent", on: "whoami" }]);
    const three = Array.from({ length: 3 }, () => rawRequest(`${hub.url}/api/whoami-v2`));
    while (hub.stats().openRequests < 3) await new Promise((resolve) => setImmediate(resolve));
    hub.faults.set([{ kind: "down" }]);
    await Promise.all(three);
    hub.faults.clear();
    const { maxConcurrentRequests, maxConcurrentConnections } = hub.stats();
    assert.equal(maxConcurrentRequests, 3);
    assert.ok(maxConcurrentConnections >= 3);
  });

  it("keep a log of requests", async () => {
    await rawRequest(`${hub.url}/api/models/acme/tiny`, { headers: { ...TOKEN, range: "bytes=0-" } });
    const [record] = hub.log();
    assert.deepEqual(
      { ...record, userAgent: undefined },
      {
        kind: "info",
        method: "GET",
        url: "/api/models/acme/tiny",
        range: "bytes=0-",
        userAgent: undefined,
        hasAuthorization: true,
        status: 200,
      },
    );
  });
});
