/** Files behind plain URLs. */
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import type { Origin } from "@swarmd/daemon/origin/origin";
import type { ErrorCode } from "@swarmd/protocol";
import { readContent, syntheticContent } from "../support/hub/content.js";
import type { Fault } from "../support/hub/faults.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { MemorySink, makeOrigin, NEVER } from "./origin-kit.js";
import { RawServer, say } from "./raw-server.js";

const SIZE = 1_000_123;
const content = syntheticContent({ seed: "url", sizeBytes: SIZE });

let hub: EmbeddedHub;
let server: RawServer;
let origin: Origin;
before(async () => {
  hub = await EmbeddedHub.start();
  server = await RawServer.start(() => {});
});
after(() => Promise.all([hub.stop(), server.stop()]));
beforeEach(() => {
  origin = makeOrigin("http://hub.invalid");
});
afterEach(async () => {
  hub.faults.clear();
  await origin.stop();
});

const describeUrl = (url: string) => origin.urls.describe(url, { signal: NEVER });

describe("describe", () => {
  const cases = [
    { id: "an ordinary server", options: {}, acceptsRanges: true },
    { id: "one that refuses HEAD", options: { head: false }, acceptsRanges: true },
    { id: "one without Range", options: { ranges: false }, acceptsRanges: false },
    { id: "one with neither", options: { ranges: false, head: false }, acceptsRanges: false },
    { id: "one with weak tags", options: { etag: "weak" }, acceptsRanges: true },
    { id: "one that says the length only with a range", options: { length: false }, acceptsRanges: true },
    { id: "one without validators", options: { etag: "none", lastModified: undefined }, acceptsRanges: true },
  ] as const;
  for (const { id, options, acceptsRanges } of cases) {
    it(`${id}, and all bytes of its file`, async () => {
      const url = hub.putFile("models/m.gguf", content, options);
      const file = await describeUrl(`${url}?download=true#x`);
      assert.deepEqual([file.sizeBytes, file.acceptsRanges, file.fileName], [SIZE, acceptsRanges, "m.gguf"]);
      assert.match(file.blob, /^url:[0-9a-f]{64}:[0-9a-f]{16}:1000123$/);
      assert.equal(file.validators.etag !== undefined, !("etag" in options) || options.etag !== "none");
      const { sizeBytes, validators } = file;
      origin.sources.register(file.blob, { kind: "url", url, sizeBytes, validators });
      const sink = new MemorySink();
      await origin.sources.read(file.blob, 0, SIZE, sink, { signal: NEVER });
      assert.deepEqual(sink.bytes, await readContent(content));
    });
  }

  it("an empty file", async () => {
    const { sizeBytes } = await describeUrl(hub.putFile("empty", ""));
    assert.equal(sizeBytes, 0);
    assert.equal((await describeUrl(hub.putFile("empty", "", { head: false }))).sizeBytes, 0);
  });

  it("one request where HEAD tells all", async () => {
    const url = hub.putFile("m.gguf", content);
    hub.resetStats();
    await describeUrl(url);
    assert.equal(hub.stats().requests, 1);
  });

  it("the same version has the same id, another version or URL another", async () => {
    const url = hub.putFile("m.gguf", content);
    const { blob } = await describeUrl(url);
    assert.equal((await describeUrl(url.replace("//", "//me:secret@"))).blob, blob, "credentials don't count");
    hub.putFile("m.gguf", syntheticContent({ seed: "url 2", sizeBytes: SIZE }));
    assert.notEqual((await describeUrl(url)).blob, blob);
    assert.notEqual((await describeUrl(hub.putFile("n.gguf", content))).blob, blob);
  });

  it("the name is the first URL's, wherever it redirects to", async () => {
    const url = hub.putFile("first.gguf", content, { redirectTo: hub.putFile("second.bin", content) });
    assert.equal((await describeUrl(url)).fileName, "first.gguf");
  });

  for (const [disposition, path, fileName] of [
    ['attachment; filename="named.gguf"', "/x", "named.gguf"],
    ['attachment; filename="../../etc/passwd"', "/x", "passwd"],
    ['attachment; filename="C:\\\\temp\\\\a.bin"', "/x", "a.bin"],
    ['attachment; filename=".."', "/x.gguf", "x.gguf"],
    [undefined, "/a%20b.gguf", "a b.gguf"],
    [undefined, "/a%2Fb%00.gguf", "b.gguf"],
    [undefined, "/", "download"],
    [undefined, `/${"x".repeat(300)}`, "download"],
  ] as const) {
    it(`file name from ${disposition ?? path.slice(0, 20)}: ${fileName}`, async () => {
      server.answer = (_, socket) =>
        socket.write(say(200, { "Content-Length": "5", "Accept-Ranges": "bytes", "Content-Disposition": disposition }));
      assert.equal((await describeUrl(server.url + path)).fileName, fileName);
    });
  }

  it("a HEAD that is answered 403, as by a URL signed for GET", async () => {
    server.answer = ({ method }, socket) =>
      socket.write(method === "HEAD" ? say(403) : say(206, { "Content-Range": "bytes 0-0/77" }, "x"));
    assert.equal((await describeUrl(`${server.url}/x`)).sizeBytes, 77);
  });

  it("credentials in the URL are sent", async () => {
    server.answer = (_, socket) => socket.write(say(200, { "Accept-Ranges": "bytes" }));
    server.requests.length = 0;
    await describeUrl(`http://me:secret@${server.host}/x`);
    assert.equal(server.requests[0]?.fields.authorization, `Basic ${btoa("me:secret")}`);
  });
});

describe("describe refuses", () => {
  const cases: { id: string; options?: object; faults?: Fault[]; name?: string; code: ErrorCode }[] = [
    { id: "a file that is not there", name: "none", code: "FILE_NOT_FOUND" },
    { id: "a file of unknown length", options: { length: false, ranges: false }, code: "ORIGIN_NO_LENGTH" },
    {
      id: "a file of unknown length, without HEAD",
      options: { length: false, head: false, ranges: false },
      code: "ORIGIN_NO_LENGTH",
    },
    { id: "a server with trouble", faults: [{ kind: "status", status: 503 }], code: "ORIGIN_FAULT" },
    { id: "a server that is down", faults: [{ kind: "down" }], code: "ORIGIN_UNREACHABLE" },
  ];
  for (const { id, options = {}, faults = [], name = "m.gguf", code } of cases) {
    it(`${id}: ${code}`, async () => {
      hub.putFile("m.gguf", content, options);
      hub.faults.set(faults);
      await assert.rejects(() => describeUrl(hub.fileUrl(name)), { code });
    });
  }

  it("no URL: USAGE", () => assert.rejects(() => describeUrl("org/name"), { code: "USAGE" }));

  it("not before trouble that passes has had the time to", async () => {
    hub.faults.set([{ kind: "status", status: 503, times: 2 }]);
    assert.equal((await describeUrl(hub.putFile("m.gguf", content))).sizeBytes, SIZE);
  });
});

describe("isUnchanged", () => {
  const ask = (url: string, validators: object) => origin.urls.isUnchanged(url, validators, { signal: NEVER });

  for (const options of [{}, { head: false }, { etag: "weak" }, { etag: "none" }] as const) {
    it(`one conditional request: ${JSON.stringify(options)}`, async () => {
      const url = hub.putFile("m.gguf", content, options);
      const { validators } = await describeUrl(url);
      assert.equal(await ask(url, validators), true);
      hub.putFile("m.gguf", syntheticContent({ seed: "other", sizeBytes: SIZE }), {
        ...options,
        lastModified: new Date(),
      });
      assert.equal(await ask(url, validators), false);
    });
  }

  it("a server that ignores conditions is compared", async () => {
    server.answer = (_, socket) => socket.write(say(200, { ETag: '"v1"', "Accept-Ranges": "bytes" }));
    assert.equal(await ask(`${server.url}/x`, { etag: 'W/"v1"' }), true);
    assert.equal(await ask(`${server.url}/x`, { etag: '"v2"' }), false);
    assert.equal(await ask(`${server.url}/x`, { lastModified: "yesterday" }), false);
  });

  it("without validators nobody can tell", async () => assert.equal(await ask(hub.putFile("m", "x"), {}), false));

  it("a file that is gone: FILE_NOT_FOUND", () =>
    assert.rejects(() => ask(hub.fileUrl("none"), { etag: '"x"' }), { code: "FILE_NOT_FOUND" }));
});

describe("a file that changes while it is read", () => {
  it("ORIGIN_CHANGED, from the first range after", async () => {
    const url = hub.putFile("m.gguf", content);
    const { blob, sizeBytes, validators } = await describeUrl(url);
    origin.sources.register(blob, { kind: "url", url, sizeBytes, validators });
    await origin.sources.read(blob, 0, 100, new MemorySink(), { signal: NEVER });
    hub.putFile("m.gguf", syntheticContent({ seed: "other", sizeBytes: SIZE }));
    const sink = new MemorySink();
    await assert.rejects(() => origin.sources.read(blob, 100, 200, sink, { signal: NEVER }), {
      code: "ORIGIN_CHANGED",
    });
    assert.equal(sink.sizeBytes, 0);
  });
});
