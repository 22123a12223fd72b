import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { SwarmError } from "../errors.js";
import { type ApiRequest, createApiClient } from "./client.js";
import { ROUTES } from "./routes.js";

async function* pieces(...texts: string[]): AsyncGenerator<string, void, undefined> {
  yield* texts;
}

/** A client whose daemon answers everything with the same text, in these pieces. */
function clientOf(status: number, ...texts: string[]) {
  const requests: ApiRequest[] = [];
  const client = createApiClient<undefined>(async (request) => {
    requests.push(request);
    return { status, body: pieces(...texts) };
  });
  return { client, requests };
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

function hasCode(code: string): (error: SwarmError) => boolean {
  return (error) => error.code === code;
}

describe("the client of the local API", () => {
  it("has one method per route", () => {
    const { client } = clientOf(200);
    assert.deepEqual(Object.keys(client).sort(), Object.keys(ROUTES).sort());
  });

  it("sends method, path and body of the route", async () => {
    const { client, requests } = clientOf(200, '{"revisions":[],"freedBytes":1}');
    assert.deepEqual(await client.remove({ target: "a/b" }, undefined), { revisions: [], freedBytes: 1 });
    await client.status(undefined, undefined);
    assert.deepEqual(requests, [
      { method: "POST", path: "/v1/remove", body: '{"target":"a/b"}' },
      { method: "GET", path: "/v1/status", body: undefined },
    ]);
  });

  it("throws what the daemon answers", async () => {
    const { client } = clientOf(404, '{"code":"REPO_NOT_FOUND",', '"message":"no","hint":"h"}');
    await assert.rejects(client.list(undefined, undefined), { code: "REPO_NOT_FOUND", message: "no", hint: "h" });
    await assert.rejects(collect(client.pull({ target: "a/b" }, undefined)), hasCode("REPO_NOT_FOUND"));
  });

  it("gives the lines of a stream, wherever they were cut", async () => {
    const { client } = clientOf(200, '{"type":"warn', 'ing","message":"é"}\n\n{"type":"done"}', "\n");
    const events = await collect(client.pull({ target: "a/b" }, undefined));
    assert.deepEqual(
      events.map(({ type }) => type),
      ["warning", "done"],
    );
  });

  it("takes a last line without a newline", async () => {
    const { client } = clientOf(200, '{"type":"verified","files":0,"bytes":0,"bad":0}');
    assert.equal((await collect(client.verify({}, undefined))).length, 1);
  });

  it("throws an error line", async () => {
    const { client } = clientOf(200, '{"type":"error","code":"NO_SPACE","message":"full"}\n');
    await assert.rejects(collect(client.pull({ target: "a/b" }, undefined)), hasCode("NO_SPACE"));
  });

  it("knows a stream that was cut off from one that is done", async () => {
    const { client } = clientOf(200, '{"type":"warning","message":"x"}\n');
    await assert.rejects(collect(client.pull({ target: "a/b" }, undefined)), hasCode("DAEMON_UNREACHABLE"));
  });

  it("knows when something else answers", async () => {
    const { client } = clientOf(200, "<html>");
    await assert.rejects(client.status(undefined, undefined), hasCode("DAEMON_UNREACHABLE"));
  });
});
