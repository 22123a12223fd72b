/** What no honest client sends: the right status, an error as the Hub says it, no file outside the cache, no memory that grows. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { syntheticContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { startGateway, type TestGateway } from "./gateway-kit.js";

const REPO = "acme/llama";
const SIZE = 30_000_000;
const FILE = `/${REPO}/resolve/main/model.safetensors`;

describe("bad input to the gateway", () => {
  let hub: EmbeddedHub;
  let gateway: TestGateway;
  let port: number;

  before(async () => {
    hub = await EmbeddedHub.start({
      repos: [
        { name: REPO, files: { "model.safetensors": syntheticContent({ seed: 5, sizeBytes: SIZE }), "a.txt": "x" } },
      ],
    });
    await hub.prepare();
    gateway = await startGateway(hub);
    port = Number(new URL(gateway.url).port);
    await writeFile(join(gateway.folders.root, "outside.txt"), "not yours");
    await gateway.get(FILE);
  });
  after(async () => {
    await gateway.stop();
    await hub.stop();
  });

  /** Sends text as it is; returns all that comes back. */
  const raw = (text: string, patienceMs = 5_000): Promise<string> =>
    new Promise((resolve) => {
      let answer = "";
      const socket = connect(port, "127.0.0.1", () => socket.write(text));
      socket.setTimeout(patienceMs, () => socket.destroy());
      socket.setEncoding("latin1").on("data", (chunk: string) => {
        answer += chunk;
        if (answer.includes("\r\n\r\n{") && answer.trimEnd().endsWith("}")) socket.end();
      });
      socket.on("error", () => undefined);
      socket.once("close", () => resolve(answer));
    });
  const ask = (target: string, ...headers: string[]) =>
    raw([`GET ${target} HTTP/1.1`, `Host: 127.0.0.1:${port}`, "Connection: close", ...headers, "", ""].join("\r\n"));

  for (const { id, target, status } of [
    { id: "percent-encoded ..", target: `/${REPO}/resolve/main/..%2f..%2f..%2foutside.txt`, status: 400 },
    { id: ".. in segments", target: `/${REPO}/resolve/main/../../../../outside.txt`, status: 400 },
    { id: "encoded dots", target: `/${REPO}/resolve/main/%2e%2e/%2e%2e/outside.txt`, status: 400 },
    { id: "encoded twice", target: `/${REPO}/resolve/main/%252e%252e%252foutside.txt`, status: 404 },
    { id: "NUL", target: `/${REPO}/resolve/main/a.txt%00.bin`, status: 400 },
    { id: "a line end", target: `/${REPO}/resolve/main/a%0d%0aX-Evil:%201`, status: 400 },
    { id: "a backslash", target: `/${REPO}/resolve/main/..%5c..%5coutside.txt`, status: 400 },
    { id: "half an encoding", target: `/${REPO}/resolve/main/%e0%a4%a`, status: 400 },
    { id: "no UTF-8", target: `/${REPO}/resolve/main/%ff%fe`, status: 400 },
    { id: "a revision that climbs", target: `/${REPO}/resolve/..%2f..%2fetc/passwd`, status: 400 },
    { id: "a repo that climbs", target: "/%2e%2e/%2e%2e/resolve/main/a.txt", status: 400 },
    { id: "a path over any length", target: `/${REPO}/resolve/main/${"a".repeat(9_000)}`, status: 414 },
    { id: "a path of many folders", target: `/${REPO}/resolve/main/${"a/".repeat(3_000)}x`, status: 404 },
    { id: "another host's address", target: "http://example.org/", status: 400 },
    { id: "another host's address, ours by name", target: "http://127.0.0.1:1/x", status: 400 },
    { id: "a star", target: "*", status: 400 },
    { id: "a blob that is none", target: `/v2/${REPO}/blobs/sha256:${"0".repeat(64)}`, status: 404 },
  ]) {
    it(`${status} for ${id}`, async () => {
      const answer = await ask(target);
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.equal(typeof JSON.parse(answer.slice(answer.indexOf("\r\n\r\n"))).error, "string");
      assert.ok(!answer.includes("not yours"));
      assert.ok(!/^x-evil/im.test(answer));
    });
  }

  for (const { id, range, status } of [
    {
      id: "thousands of ranges",
      range: `bytes=${Array.from({ length: 3_000 }, (_, i) => `${i * 2}-${i * 2}`).join(",")}`,
      status: 416,
    },
    { id: "overlapping ranges", range: "bytes=0-,1-,2-", status: 416 },
    { id: "an absurd number", range: `bytes=${"9".repeat(15)}-`, status: 416 },
    { id: "a number beyond all numbers", range: `bytes=${"9".repeat(400)}-`, status: 200 },
    { id: "a negative range", range: "bytes=-5--1", status: 200 },
    { id: "commas alone", range: "bytes=,,,,", status: 200 },
  ]) {
    it(`${status} for ${id}`, async () => {
      const answer = await gateway.get(FILE, { headers: { range }, abortAfterBytes: 1 });
      assert.equal(answer.status, status);
    });
  }

  for (const { id, headers, status } of [
    { id: "a foreign Host", headers: { host: "evil.example" }, status: 403 },
    { id: "a Host that looks like ours", headers: { host: "127.0.0.1.evil.example" }, status: 403 },
    { id: "a foreign Origin", headers: { origin: "https://evil.example" }, status: 403 },
    { id: "the Origin of a sandbox", headers: { origin: "null" }, status: 403 },
    { id: "a foreign Referer", headers: { referer: "http://evil.example/page" }, status: 403 },
    { id: "credentials of another kind", headers: { authorization: "Basic dTpw" }, status: 401 },
  ]) {
    it(`${status} for ${id}`, async () => {
      const answer = await gateway.get(`/${REPO}/resolve/main/a.txt`, { headers });
      assert.equal(answer.status, status);
      assert.equal(typeof JSON.parse(answer.body.toString()).error, "string");
    });
  }

  it("lets itself be called localhost", async () => {
    const answer = await gateway.get(`/${REPO}/resolve/main/a.txt`, {
      headers: { host: `localhost:${port}`, origin: `http://localhost:${port}`, referer: `http://127.0.0.1:${port}/x` },
    });
    assert.equal(answer.status, 200);
  });

  for (const { id, text, status } of [
    { id: "a flood of headers", text: `GET / HTTP/1.1\r\nHost: x\r\n${"X-A: b\r\n".repeat(20_000)}\r\n`, status: 431 },
    { id: "one endless header", text: `GET / HTTP/1.1\r\nHost: x\r\nX: ${"a".repeat(100_000)}\r\n\r\n`, status: 431 },
    { id: "CONNECT", text: "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n", status: 405 },
    { id: "no HTTP", text: "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", status: 400 },
    {
      id: "an upgrade",
      text: "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
      status: 400,
    },
  ]) {
    it(`${status} for ${id}`, async () => {
      const answer = await raw(text);
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
    });
  }

  it("413 for a body that is no list of paths", async () => {
    const body = `paths=${"a".repeat(5_000_000)}`;
    const { status } = await gateway.get(`/api/models/${REPO}/paths-info/main`, { method: "POST", body });
    assert.equal(status, 413);
    const broken = await gateway.get(`/api/models/${REPO}/paths-info/main`, {
      method: "POST",
      body: "{",
      headers: { "content-type": "application/json" },
    });
    assert.equal(broken.status, 400);
  });

  it("readers that take nothing cost next to nothing", async () => {
    const settle = () => {
      globalThis.gc?.();
      return process.memoryUsage.rss();
    };
    const beforeBytes = settle();
    const sockets = Array.from({ length: 200 }, () => {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.pause();
      socket.write(`GET ${FILE} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
      return socket;
    });
    await sleep(1_500);
    const grownMib = (settle() - beforeBytes) / 2 ** 20;
    for (const socket of sockets) socket.destroy();
    // 200 times the file would be 5.7 GiB.
    assert.ok(grownMib < 200, `${grownMib} MiB more`);
    const { status } = await gateway.get(`/${REPO}/resolve/main/a.txt`);
    assert.equal(status, 200);
  });
});

describe("a gateway that lets other machines in", () => {
  const TOKEN = "0123456789abcdef";
  let hub: EmbeddedHub;
  let gateway: TestGateway;

  before(async () => {
    hub = await EmbeddedHub.start({ treePageSize: 1, repos: [{ name: REPO, files: { "a.txt": "x", "b.txt": "y" } }] });
    gateway = await startGateway(hub, { gateway: { host: "127.0.0.1", port: 0, token: TOKEN } });
  });
  after(async () => {
    await gateway.stop();
    await hub.stop();
  });

  const file = `/${REPO}/resolve/main/a.txt`;
  for (const { id, path, headers, status } of [
    { id: "nobody without its token", path: file, headers: {}, status: 401 },
    { id: "nobody with another", path: `/t/${"f".repeat(16)}${file}`, headers: {}, status: 401 },
    {
      id: "who names it in the address, by whatever host",
      path: `/t/${TOKEN}${file}`,
      headers: { host: "nas.lan:7480" },
      status: 200,
    },
    { id: "who names it in a header", path: file, headers: { "x-swarm-token": TOKEN }, status: 200 },
  ]) {
    it(`serves ${id}`, async () => {
      assert.equal((await gateway.get(path, { headers })).status, status);
    });
  }

  it("keeps the token in the ways it shows", async () => {
    const { headers } = await gateway.get(`/t/${TOKEN}/api/models/${REPO}/tree/main`);
    assert.match(String(headers.link), new RegExp(`<${gateway.url}/t/${TOKEN}/api/models/`));
  });
});
