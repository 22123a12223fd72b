import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { checkClock, checkNodeVersion, diagnose } from "./doctor.js";

describe("checkNodeVersion", () => {
  for (const [version, state] of [
    ["20.20.0", "ok"],
    ["24.1.0", "ok"],
    ["20.19.9", "fail"],
    ["18.20.0", "fail"],
  ] as const) {
    it(`${version}: ${state}`, () => assert.equal(checkNodeVersion(version).state, state));
  }
});

describe("checkClock", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  it("a minute is nothing", () => assert.equal(checkClock("Thu, 01 Jan 2026 00:01:00 GMT", now)[0]?.state, "ok"));
  it("an hour is too much", () => {
    assert.match(checkClock("Wed, 31 Dec 2025 23:00:00 GMT", now)[0]?.detail ?? "", /60 min ahead/);
  });
  it("says nothing where nobody told the time", () => assert.deepEqual(checkClock(null, now), []));
});

describe("diagnose", () => {
  let root: string;
  let hub: Server;
  let endpoint: string;
  let asked: string[];

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "swarmd-doctor-"));
    asked = [];
    hub = createServer(({ method, url, headers }, response) => {
      asked.push(`${method} ${url} ${headers.authorization ?? ""}`.trim());
      response.statusCode = headers.authorization === "Bearer hf_bad" ? 401 : 200;
      response.end(url === "/api/whoami-v2" ? '{"name":"ada"}' : "");
    });
    await new Promise<void>((resolve) => hub.listen(0, "127.0.0.1", resolve));
    endpoint = `http://127.0.0.1:${(hub.address() as AddressInfo).port}`;
  });

  afterEach(async () => {
    hub.closeAllConnections();
    await new Promise((resolve) => hub.close(resolve));
    await rm(root, { recursive: true, force: true });
  });

  async function statesOf(env: Record<string, string>): Promise<Record<string, string>> {
    const all = { HOME: root, SWARM_HOME: join(root, "state"), HF_ENDPOINT: endpoint, ...env };
    const diagnoses = await diagnose({ flags: {}, env: all }, { signal: new AbortController().signal });
    const shown = JSON.stringify(diagnoses);
    assert.ok(!shown.includes("hf_"), shown);
    return Object.fromEntries(diagnoses.map(({ name, state, detail }) => [name, `${state}: ${detail}`]));
  }

  it("is content with a good place, and leaves nothing there", async () => {
    const states = await statesOf({});
    for (const name of ["node", "blake3", "cache", "links", "access times", "state", "origin", "clock", "token"]) {
      assert.match(states[name] ?? "missing", /^ok: /, name);
    }
    assert.deepEqual(await readdir(root), []);
  });

  it("asks the Hub whose the token is", async () => {
    assert.match((await statesOf({ HF_TOKEN: "hf_good" })).token ?? "", /^ok: .*ada/);
    assert.deepEqual(asked, ["HEAD /", "GET /api/whoami-v2 Bearer hf_good"]);
  });

  it("sees a token that is refused", async () => {
    assert.match((await statesOf({ HF_TOKEN: "hf_bad" })).token ?? "", /^fail: /);
  });

  it("sees a Hub that is not there", async () => {
    assert.match((await statesOf({ HF_ENDPOINT: "http://127.0.0.1:9" })).origin ?? "", /^fail: .*can't be reached/);
  });

  it("asks nobody when offline", async () => {
    const states = await statesOf({ HF_HUB_OFFLINE: "1", HF_TOKEN: "hf_good" });
    assert.match(states.origin ?? "", /^warn: /);
    assert.deepEqual(asked, []);
  });

  it("tells a configuration that can't be read from all else", async () => {
    assert.match((await statesOf({ SWARM_WORKERS: "many" })).configuration ?? "", /^fail: SWARM_WORKERS/);
  });
});
