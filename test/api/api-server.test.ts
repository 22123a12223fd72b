import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { createSilentLogger } from "@swarmd/daemon";
import { ApiServer } from "@swarmd/daemon/api/api-server";
import type { SwarmError } from "@swarmd/protocol";
import { FLOOD_EVENTS, MemoryNode } from "../support/memory-node.js";

interface Answer {
  readonly status: number;
  readonly body: string;
}

let dir: string;
let socketPath: string;
let node: MemoryNode;
let server: ApiServer;
let stopAsked: Promise<void>;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "swarmd-api-"));
  socketPath = join(dir, "swarmd.sock");
  node = new MemoryNode();
  server = makeServer(node);
});

afterEach(async () => {
  await server.stop();
  await rm(dir, { recursive: true, force: true });
});

function makeServer(of: MemoryNode, path = socketPath): ApiServer {
  let onStop: () => void = () => undefined;
  stopAsked = new Promise((resolve) => {
    onStop = resolve;
  });
  const { commands, views } = of;
  return new ApiServer(
    { socketPath: path, stopDeadlineMs: 200 },
    { commands, views, onStop, logger: createSilentLogger() },
  );
}

interface CallOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

async function open(path: string, { method = "POST", headers, body }: CallOptions = {}): Promise<IncomingMessage> {
  const request = httpRequest({
    socketPath,
    path,
    method,
    agent: false,
    headers: { host: "swarmd", "content-type": "application/json", ...headers },
  });
  request.end(body);
  const [response] = (await once(request, "response")) as [IncomingMessage];
  // An answer may come, and the connection go, before the last write of the request is through.
  request.on("error", () => undefined);
  return response;
}

async function call(path: string, options: CallOptions = {}): Promise<Answer> {
  const response = await open(path, options);
  let body = "";
  for await (const chunk of response.setEncoding("utf8")) body += chunk;
  return { status: response.statusCode ?? 0, body };
}

function linesOf(body: string): { readonly type: string; readonly [field: string]: unknown }[] {
  return body
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

function hasCode(code: string): (error: SwarmError) => boolean {
  return (error) => error.code === code;
}

describe("the socket of the local API", () => {
  it("is born for its owner only", async () => {
    await server.start();
    assert.equal((await stat(socketPath)).mode & 0o777, 0o600);
  });

  it("goes away with the server", async () => {
    await server.start();
    await server.stop();
    await assert.rejects(stat(socketPath), { code: "ENOENT" });
  });

  it("takes the place of a dead one", async () => {
    await writeFile(socketPath, "");
    await chmod(socketPath, 0o777);
    await server.start();
    assert.equal((await call("/v1/status", { method: "GET" })).status, 200);
  });

  it("never takes the place of a living one", async () => {
    await server.start();
    const second = makeServer(new MemoryNode());
    await assert.rejects(second.start(), hasCode("ADDRESS_IN_USE"));
    assert.equal((await call("/v1/status", { method: "GET" })).status, 200);
  });

  it("takes somebody else's server for a living one", async () => {
    const other = createServer().listen(socketPath);
    await once(other, "listening");
    await assert.rejects(server.start(), hasCode("ADDRESS_IN_USE"));
    other.close();
    await once(other, "close");
  });

  it("says so when its path is too long", async () => {
    const long = makeServer(new MemoryNode(), join(dir, "x".repeat(100), "swarmd.sock"));
    await assert.rejects(long.start(), (error: SwarmError) => error.code === "USAGE" && /103/.test(error.message));
  });
});

describe("what the local API refuses", () => {
  beforeEach(() => server.start());

  const refused = [
    {
      id: "a foreign Host",
      path: "/v1/status",
      method: "GET",
      headers: { host: "evil.example" },
      status: 401,
      says: /Host/,
    },
    {
      id: "a foreign Origin",
      path: "/v1/stop",
      headers: { origin: "https://evil.example" },
      status: 401,
      says: /Origin/,
    },
    { id: "a null Origin", path: "/v1/stop", headers: { origin: "null" }, status: 401, says: /Origin/ },
    {
      id: "a foreign Referer",
      path: "/v1/stop",
      headers: { referer: "https://e.example/x" },
      status: 401,
      says: /Referer/,
    },
    { id: "an unknown route", path: "/v2/pull", status: 400, says: /has no \/v2\/pull/ },
    { id: "a wrong method", path: "/v1/pull", method: "GET", status: 400, says: /takes POST/ },
    { id: "a body that is no JSON", path: "/v1/pull", body: "{", status: 400, says: /no JSON/ },
    {
      id: "a body declared as text",
      path: "/v1/pull",
      headers: { "content-type": "text/plain" },
      body: "{}",
      status: 400,
      says: /application\/json/,
    },
    { id: "no body", path: "/v1/pull", status: 400, says: /no JSON object/ },
    { id: "a field that is missing", path: "/v1/pull", body: "{}", status: 400, says: /target is missing/ },
    {
      id: "a field of the wrong type",
      path: "/v1/pull",
      body: '{"target":"a/b","workers":"4"}',
      status: 400,
      says: /workers/,
    },
    {
      id: "a field that nobody knows",
      path: "/v1/pull",
      body: '{"target":"a/b","revison":"x"}',
      status: 400,
      says: /revision/,
    },
    {
      id: "a relative path",
      path: "/v1/pull",
      body: '{"target":"a/b","out":"x"}',
      status: 400,
      says: /out is no absolute path/,
    },
    {
      id: "an empty pattern",
      path: "/v1/pull",
      body: '{"target":"a/b","include":[""]}',
      status: 400,
      says: /include pattern/,
    },
    {
      id: "a body beyond the limit",
      path: "/v1/pull",
      body: `"${"x".repeat(1024 * 1024)}"`,
      status: 400,
      says: /longer than/,
    },
  ];
  for (const { id, path, status, says, ...options } of refused) {
    it(id, async () => {
      const answer = await call(path, options);
      assert.equal(answer.status, status, answer.body);
      assert.match(answer.body, says);
    });
  }
});

describe("the routes of the local API", () => {
  beforeEach(() => server.start());

  it("status and list answer with one value", async () => {
    const status = JSON.parse((await call("/v1/status", { method: "GET" })).body);
    assert.equal(status.pid, process.pid);
    const listing = JSON.parse((await call("/v1/cache", { method: "GET", headers: { host: "localhost" } })).body);
    assert.equal(listing.revisions[0].repo, "org/small");
  });

  it("an error of the node has the status of its code, and its hint", async () => {
    const answer = await call("/v1/remove", { body: '{"target":"org/other"}' });
    assert.equal(answer.status, 404);
    assert.equal(JSON.parse(answer.body).code, "REPO_NOT_FOUND");
  });

  it("a pull streams its events", async () => {
    const { status, body } = await call("/v1/pull", { body: '{"target":"org/small","revision":null}' });
    assert.equal(status, 200);
    assert.deepEqual(
      linesOf(body).map(({ type }) => type),
      ["start", "progress", "file", "file", "done"],
    );
  });

  it("a pull that fails ends with an error line", async () => {
    const { body } = await call("/v1/pull", { body: '{"target":"org/fails-NO_SPACE"}' });
    assert.deepEqual(linesOf(body), [
      {
        type: "error",
        code: "NO_SPACE",
        message: "the memory node fails with NO_SPACE",
        hint: "Ask for something else.",
      },
    ]);
  });

  it("a slow reader misses progress, and nothing else", async () => {
    const response = await open("/v1/pull", { body: '{"target":"org/flood"}' });
    let body = "";
    for await (const chunk of response.setEncoding("utf8")) body += chunk;
    const counts = new Map<string, number>();
    for (const { type } of linesOf(body)) counts.set(type, (counts.get(type) ?? 0) + 1);
    assert.equal(counts.get("file"), FLOOD_EVENTS);
    assert.equal(counts.get("done"), 1);
    assert.ok(
      (counts.get("progress") ?? 0) < FLOOD_EVENTS / 2,
      `${counts.get("progress")} progress events got through`,
    );
  });

  it("a client that goes away aborts its pull, and only that", async () => {
    const aborted = new Promise<void>((resolve) => {
      node.onPullAborted = resolve;
    });
    const [first, second] = [
      await open("/v1/pull", { body: '{"target":"org/endless"}' }),
      await open("/v1/pull", { body: '{"target":"org/endless"}' }),
    ];
    assert.equal(server.activeStreams, 2);
    first.destroy();
    await aborted;
    assert.equal(node.abortedPulls, 1);
    second.destroy();
  });

  it("stopping ends running pulls with a line that says so", async () => {
    const response = await open("/v1/pull", { body: '{"target":"org/endless"}' });
    const text = (async () => {
      let body = "";
      for await (const chunk of response.setEncoding("utf8")) body += chunk;
      return body;
    })();
    await server.stop();
    const last = linesOf(await text).at(-1);
    assert.equal(last?.type, "error");
    assert.equal(last?.code, "INTERRUPTED");
  });

  it("stopping does not wait for a reader that reads nothing", async () => {
    const response = await open("/v1/pull", { body: '{"target":"org/flood"}' });
    response.pause();
    response.on("error", () => undefined);
    await server.stop();
    response.destroy();
  });

  it("is idle once no pull is being served", async () => {
    const response = await open("/v1/pull", { body: '{"target":"org/endless"}' });
    const never = new AbortController().signal;
    const idle = server.waitUntilIdle({ signal: never });
    response.destroy();
    await idle;
    assert.equal(server.activeStreams, 0);
  });

  it("passes the wish to stop on, after its answer", async () => {
    const answer = await call("/v1/stop");
    assert.deepEqual(JSON.parse(answer.body), { pid: process.pid });
    await stopAsked;
  });
});
