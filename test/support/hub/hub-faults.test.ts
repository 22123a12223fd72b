import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { readContent, syntheticContent } from "./content.js";
import type { Fault } from "./faults.js";
import { EmbeddedHub } from "./hub.js";
import { type RawAnswer, type RawRequestOptions, rawRequest } from "./raw-request.js";

const WEIGHTS = syntheticContent({ seed: 5, sizeBytes: 2_000_000 });
const bytes = await readContent(WEIGHTS);

let hub: EmbeddedHub;
before(async () => {
  hub = await EmbeddedHub.start({
    repos: [{ name: "acme/tiny", files: { "config.json": "{}", "model.safetensors": WEIGHTS } }],
  });
});
afterEach(() => {
  hub.faults.clear();
  hub.configure({ latencyMs: 0, uplinkBytesPerSecond: undefined, connectionBytesPerSecond: undefined });
});
after(() => hub.stop());

const resolve = (path = "model.safetensors", options: RawRequestOptions = {}) =>
  rawRequest(`${hub.url}/acme/tiny/resolve/main/${path}`, options);

/** Resolves the weights and gets them from the CDN. */
async function download(options: RawRequestOptions = {}): Promise<RawAnswer> {
  return rawRequest((await resolve()).headers.location ?? "", options);
}

interface Case {
  readonly id: string;
  readonly fault: Fault;
  readonly request?: RawRequestOptions;
  /** Default: the weights, through the CDN. */
  readonly act?: () => Promise<RawAnswer>;
  readonly check: (answer: RawAnswer) => void;
}

const isPrefix = (answer: RawAnswer, length: number) =>
  answer.body.length === length && answer.body.equals(bytes.subarray(0, length));

const CASES: readonly Case[] = [
  {
    id: "drop: a reset after no more than so many bytes",
    fault: { kind: "drop", afterBytes: 700_000 },
    check: (answer) => {
      assert.equal(answer.failure, "ECONNRESET");
      assert.ok(answer.body.length <= 700_000 && isPrefix(answer, answer.body.length), `${answer.body.length} bytes`);
    },
  },
  {
    id: "drop: a body that ends before that point is spared",
    fault: { kind: "drop", afterBytes: 700_000 },
    request: { headers: { range: "bytes=0-699999" } },
    check: (answer) => assert.equal(answer.failure, undefined),
  },
  {
    id: "truncate: a clean close after so many bytes",
    fault: { kind: "truncate", atFraction: 0.25 },
    check: (answer) => {
      assert.ok(isPrefix(answer, 500_000), `${answer.body.length} bytes`);
      assert.notEqual(answer.failure, undefined);
    },
  },
  {
    id: "truncate without a length: nothing tells that bytes are missing",
    fault: { kind: "truncate", afterBytes: 10, path: "files/" },
    act: () => rawRequest(hub.putFile("chunked", bytes, { length: false })),
    check: (answer) => {
      assert.equal(answer.failure, undefined);
      assert.ok(isPrefix(answer, 10));
    },
  },
  {
    id: "stall: so many bytes, then silence",
    fault: { kind: "stall", afterBytes: 300_000 },
    request: { silenceMs: 500 },
    check: (answer) => {
      assert.equal(answer.failure, "silence");
      assert.ok(isPrefix(answer, 300_000), `${answer.body.length} bytes`);
    },
  },
  {
    id: "stall at 0: the head still comes",
    fault: { kind: "stall", afterBytes: 0 },
    request: { silenceMs: 500 },
    check: (answer) => assert.deepEqual([answer.status, answer.failure], [200, "silence"]),
  },
  {
    id: "stall for a while: the rest follows",
    fault: { kind: "stall", afterBytes: 300_000, forMs: 20 },
    check: (answer) => assert.ok(isPrefix(answer, 2_000_000)),
  },
  {
    id: "wrong bytes: right length, one byte flipped",
    fault: { kind: "wrongBytes", atByte: 1_234_567 },
    check: (answer) => {
      const wrong = [...answer.body.entries()].filter(([i, byte]) => byte !== bytes[i]).map(([i]) => i);
      assert.deepEqual([answer.body.length, wrong], [2_000_000, [1_234_567]]);
    },
  },
  {
    id: "wrong bytes at an offset: ranges without it are right",
    fault: { kind: "wrongBytes", atByte: 1_234_567 },
    request: { headers: { range: "bytes=0-999999" } },
    check: (answer) => assert.ok(isPrefix(answer, 1_000_000)),
  },
  {
    id: "Range ignored: 200 with everything",
    fault: { kind: "ignoreRange" },
    request: { headers: { range: "bytes=5-9" } },
    check: (answer) => assert.deepEqual([answer.status, answer.body.length], [200, 2_000_000]),
  },
  {
    id: "no length: chunked",
    fault: { kind: "noLength" },
    check: (answer) => {
      assert.equal(answer.headers["content-length"], undefined);
      assert.ok(isPrefix(answer, 2_000_000));
    },
  },
  {
    id: "ETag changed: If-Range no longer holds",
    fault: { kind: "etagChanged", on: "file" },
    act: async () => {
      hub.faults.clear();
      const url = hub.putFile("file", bytes);
      const before = await rawRequest(url, { method: "HEAD" });
      hub.faults.set([{ kind: "etagChanged" }]);
      return rawRequest(url, { headers: { range: "bytes=5-9", "if-range": String(before.headers.etag) } });
    },
    check: (answer) => assert.equal(answer.status, 200),
  },
  {
    id: "ETag changed on resolve: a digest that was never its own",
    fault: { kind: "etagChanged" },
    act: () => resolve(),
    check: (answer) => assert.match(String(answer.headers["x-linked-etag"]), /^"[0-9a-f]{64}"$/),
  },
  {
    id: "429 with Retry-After",
    fault: { kind: "rateLimited", retryAfterS: 7 },
    act: () => resolve(),
    check: (answer) => assert.deepEqual([answer.status, answer.headers["retry-after"]], [429, "7"]),
  },
  {
    id: "429 with RateLimit",
    fault: { kind: "rateLimited", rateLimitResetS: 9 },
    act: () => resolve(),
    check: (answer) => {
      assert.equal(answer.headers.ratelimit, '"resolvers";r=0;t=9');
      assert.equal(answer.headers["retry-after"], undefined);
    },
  },
  {
    id: "503 with Retry-After",
    fault: { kind: "status", status: 503, retryAfterS: 2 },
    act: () => resolve(),
    check: (answer) => assert.deepEqual([answer.status, answer.headers["retry-after"]], [503, "2"]),
  },
  {
    id: "hang up: no answer at all",
    fault: { kind: "hangUp" },
    act: () => resolve(),
    check: (answer) => assert.deepEqual([answer.status, answer.failure], [0, "ECONNRESET"]),
  },
  {
    id: "silent: no answer, and no end",
    fault: { kind: "silent" },
    act: () => resolve("config.json", { silenceMs: 500 }),
    check: (answer) => assert.deepEqual([answer.status, answer.failure], [0, "silence"]),
  },
  {
    id: "gated",
    fault: { kind: "gated" },
    act: () => resolve(),
    check: (answer) => assert.deepEqual([answer.status, answer.headers["x-error-code"]], [401, "GatedRepo"]),
  },
  {
    id: "private: as if missing",
    fault: { kind: "private" },
    act: () => resolve(),
    check: (answer) => assert.deepEqual([answer.status, answer.headers["x-error-code"]], [401, undefined]),
  },
  {
    id: "missing repo",
    fault: { kind: "missingRepo" },
    act: () => resolve("config.json", { headers: { authorization: "Bearer hf_reader" } }),
    check: (answer) => assert.equal(answer.headers["x-error-code"], "RepoNotFound"),
  },
  {
    id: "missing revision",
    fault: { kind: "missingRevision" },
    act: () => resolve(),
    check: (answer) => assert.equal(answer.headers["x-error-code"], "RevisionNotFound"),
  },
  {
    id: "missing file, only this one",
    fault: { kind: "missingFile", path: "tiny/config.json" },
    act: () => resolve("config.json"),
    check: (answer) => assert.equal(answer.headers["x-error-code"], "EntryNotFound"),
  },
  {
    id: "a broken JSON answer of the API",
    fault: { kind: "truncate", on: "tree", afterBytes: 20 },
    act: () => rawRequest(`${hub.url}/api/models/acme/tiny/tree/main`),
    check: (answer) => assert.equal(answer.body.length, 20),
  },
];

describe("faults of the embedded Hub", () => {
  for (const { id, fault, request, act, check } of CASES) {
    it(id, async () => {
      hub.faults.set([fault]);
      check(await (act ? act() : download(request)));
    });
  }

  it("an expired URL stays expired; a new one works", async () => {
    hub.faults.set([{ kind: "expiredUrl", times: 1 }]);
    const url = (await resolve()).headers.location ?? "";
    const first = await rawRequest(url);
    assert.deepEqual([first.status, first.headers["content-type"]], [403, "application/xml"]);
    assert.equal((await rawRequest(url)).status, 403);
    assert.equal((await download()).status, 200);
  });

  it("a burst of errors ends after its times", async () => {
    hub.faults.set([{ kind: "status", status: 500, times: 2, on: "resolve" }]);
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await resolve()).status);
    assert.deepEqual(statuses, [500, 500, 302]);
  });

  it("counts what fired, and only what went out", async () => {
    hub.resetStats();
    hub.faults.set([{ kind: "drop", afterBytes: 700_000, times: 1 }]);
    await download();
    await download({ headers: { range: "bytes=700000-" } });
    const { files, faultsFired } = hub.stats();
    assert.deepEqual(faultsFired, { drop: 1 });
    const { bytesSent, bytesSentTwice } = files["acme/tiny/model.safetensors"] ?? {};
    assert.deepEqual([bytesSent, bytesSentTwice], [2_000_000, 0]);
  });

  it("down: connections are refused and open ones end; afterwards the same ports answer again", async () => {
    hub.faults.set([{ kind: "stall", afterBytes: 1000 }]);
    const stalled = download();
    while (hub.stats().faultsFired.stall === undefined) await new Promise((done) => setImmediate(done));
    hub.faults.set([{ kind: "down" }]);
    assert.notEqual((await stalled).failure, undefined);
    assert.equal((await resolve()).failure, "ECONNREFUSED");
    assert.equal((await rawRequest(hub.cdnUrl)).failure, "ECONNREFUSED");
    hub.faults.clear();
    assert.equal((await download()).status, 200);
    hub.resetStats();
  });

  it("latency: each answer is late, but late answers don't wait for each other", async () => {
    hub.configure({ latencyMs: 100 });
    const startMs = performance.now();
    await Promise.all(Array.from({ length: 10 }, () => resolve()));
    const elapsedMs = performance.now() - startMs;
    assert.ok(elapsedMs >= 99 && elapsedMs < 900, `${elapsedMs} ms`);
  });

  it("uplink: one rate for all connections together", async () => {
    hub.configure({ uplinkBytesPerSecond: 40_000_000 });
    const startMs = performance.now();
    const answers = await Promise.all([download(), download(), download()]);
    const elapsedMs = performance.now() - startMs;
    assert.ok(answers.every((answer) => isPrefix(answer, 2_000_000)));
    // 6 MB at 40 MB/s are 150 ms, less the credit and the overdrawn last quantum.
    assert.ok(elapsedMs >= 125, `${elapsedMs} ms`);
  });

  it("connection rate: for each connection alone", async () => {
    hub.configure({ connectionBytesPerSecond: 10_000_000 });
    const startMs = performance.now();
    await Promise.all([download(), download(), download()]);
    const elapsedMs = performance.now() - startMs;
    // 200 ms each; one after the other would be 600.
    assert.ok(elapsedMs >= 180 && elapsedMs < 580, `${elapsedMs} ms`);
  });

  it("a random mix: a patient client gets every byte right in the end", async () => {
    hub.faults.random(7, { kinds: ["drop", "truncate", "status", "rateLimited", "expiredUrl", "hangUp"], chance: 0.5 });
    let have = Buffer.alloc(0);
    let tries = 0;
    for (; have.length < bytes.length && tries < 100; tries++) {
      const { headers } = await resolve();
      if (headers.location === undefined) continue;
      const answer = await rawRequest(headers.location, { headers: { range: `bytes=${have.length}-` } });
      if (answer.status === 206) have = Buffer.concat([have, answer.body]);
    }
    assert.ok(have.equals(bytes));
    assert.ok(Object.values(hub.stats().faultsFired).reduce((a, b) => a + b, 0) > 1, "nothing went wrong");
  });

  it("stops at once, whatever is under way", async () => {
    const other = await EmbeddedHub.start({ uplinkBytesPerSecond: 1000 });
    const url = other.putFile("slow", bytes);
    const pending = [rawRequest(url), rawRequest(url)];
    while (other.stats().openRequests < 2) await new Promise((done) => setImmediate(done));
    const startMs = performance.now();
    await other.stop();
    assert.ok(performance.now() - startMs < 2000);
    for (const answer of await Promise.all(pending)) assert.notEqual(answer.failure, undefined);
  });
});
