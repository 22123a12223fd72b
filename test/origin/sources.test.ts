/** Ranges of files on the embedded Hub, and what goes wrong there. */
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import type { Origin, OriginOptions } from "@swarmd/daemon/origin/origin";
import { type BlobId, type ErrorCode, parseCommitId, parseRepoName, type RepoFile } from "@swarmd/protocol";
import { readContent, syntheticContent } from "../support/hub/content.js";
import { type Fault, RANDOM_KINDS } from "../support/hub/faults.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { IMPATIENT, MemorySink, makeOrigin, NEVER } from "./origin-kit.js";

const MIB = 1024 * 1024;
const content = syntheticContent({ seed: "sources", sizeBytes: 4 * MIB + 123 });
const repo = { type: "model", name: parseRepoName("acme/tiny") } as const;
const files = { "w.safetensors": content, "config.json": '{"a": 1}', "dir/a b#ü.txt": "named", "empty.txt": "" };

let hub: EmbeddedHub;
let bytes: Buffer;
let origin: Origin;
let listed: ReadonlyMap<string, RepoFile>;

before(async () => {
  hub = await EmbeddedHub.start({ repos: [{ name: repo.name, files }] });
  await hub.prepare();
  bytes = await readContent(content);
});
after(() => hub.stop());

beforeEach(async () => {
  await openOrigin();
  hub.resetStats();
});
afterEach(async () => {
  hub.faults.clear();
  hub.configure({ signedUrlTtlMs: 3_600_000, smallFiles: "redirect" });
  await origin.stop();
});

async function openOrigin(options: Partial<OriginOptions> = {}): Promise<void> {
  origin = makeOrigin(hub.url, options);
  const commit = parseCommitId(hub.getRepo(repo.name).branches.get("main")?.id ?? "");
  const tree = await origin.hub.tree(repo, commit, { signal: NEVER });
  listed = new Map(tree.map((file) => [file.path, file]));
  for (const { blob, path, sizeBytes } of tree)
    origin.sources.register(blob, { kind: "hub", repo, commit, path, sizeBytes });
}

function fileOf(path: string): RepoFile {
  return listed.get(path) ?? assert.fail(`no ${path}`);
}

async function read(path: string, start = 0, end = fileOf(path).sizeBytes, signal = NEVER): Promise<Buffer> {
  const sink = new MemorySink();
  await origin.sources.read(fileOf(path).blob, start, end, sink, { signal });
  return sink.bytes;
}

/** Resolves once the Hub has got a request of this kind. */
async function seen(kind: "resolve" | "cdn"): Promise<void> {
  while (hub.stats().requestsByKind[kind] === undefined) await new Promise((resolve) => setTimeout(resolve, 1));
}

const WEIGHTS = "w.safetensors";

describe("ranges of a Hub file", () => {
  it("a large file comes from the CDN, byte for byte", async () => assert.deepEqual(await read(WEIGHTS), bytes));

  it("ten ranges at once ask for the place once", async () => {
    const ranges = Array.from(
      { length: 10 },
      (_, i) => [i * 400_000, Math.min((i + 1) * 400_000, bytes.length)] as const,
    );
    const parts = await Promise.all(ranges.map(([start, end]) => read(WEIGHTS, start, end)));
    assert.deepEqual(Buffer.concat(parts), bytes.subarray(0, 4_000_000));
    assert.equal(hub.stats().requestsByKind.resolve, 1);
    assert.equal(hub.stats().requestsByKind.cdn, 10);
    await read(WEIGHTS, 4_000_000, bytes.length);
    assert.equal(hub.stats().requestsByKind.resolve, 1);
  });

  for (const smallFiles of ["redirect", "direct"] as const) {
    it(`small files (${smallFiles}), with a name that needs quoting`, async () => {
      hub.configure({ smallFiles });
      assert.equal(String(await read("config.json")), files["config.json"]);
      assert.equal(String(await read("dir/a b#ü.txt")), "named");
      assert.equal(String(await read("dir/a b#ü.txt", 1, 3)), "am");
      assert.equal(hub.stats().requestsByKind.resolve, smallFiles === "direct" ? 3 : 2);
    });
  }

  it("an empty file needs no request", async () => {
    assert.equal((await read("empty.txt")).length, 0);
    assert.equal(hub.stats().requests, 0);
  });

  it("the token goes to the Hub and not to the CDN", async () => {
    await openOrigin({ token: "hf_reader" });
    await read(WEIGHTS);
    await read("config.json");
    assert.equal(hub.stats().cdnRequestsWithAuthorization, 0);
    assert.ok(
      hub
        .log()
        .filter((request) => request.kind !== "cdn")
        .every((request) => request.hasAuthorization),
    );
  });

  it("says who it is, and counts", async () => {
    await read(WEIGHTS);
    assert.match(hub.log().at(-1)?.userAgent ?? "", /^swarmd\/0\.0\.0-test; node\/\d/);
    const { requests, bytesReceived, waitedMs } = origin.stats;
    assert.equal(requests, 3);
    assert.ok(bytesReceived >= bytes.length && waitedMs > 0);
  });

  it("a blob that nobody registered, and a range outside of one", async () => {
    await assert.rejects(() => origin.sources.read("sha256:x" as BlobId, 0, 1, new MemorySink(), { signal: NEVER }), {
      code: "NO_SOURCE",
    });
    await assert.rejects(() => read(WEIGHTS, 0, bytes.length + 1), { code: "INTERNAL" });
  });
});

describe("signed URLs", () => {
  it("one that has expired is renewed, once for all", async () => {
    await read(WEIGHTS, 0, 10);
    hub.faults.set([{ kind: "expiredUrl", times: 1 }]);
    const parts = await Promise.all([0, 1, 2, 3].map((i) => read(WEIGHTS, i * 100, i * 100 + 100)));
    assert.deepEqual(Buffer.concat(parts), bytes.subarray(0, 400));
    assert.equal(hub.stats().requestsByKind.resolve, 2);
  });

  it("one that never works is an error of the origin", async () => {
    hub.faults.set([{ kind: "expiredUrl" }]);
    await assert.rejects(() => read(WEIGHTS), { code: "ORIGIN_FAULT", blame: "origin", message: /403/ });
    assert.equal(hub.stats().requestsByKind.resolve, 2);
  });

  it("one that was born expired is asked for at most twice", async () => {
    hub.configure({ signedUrlTtlMs: 0 });
    await assert.rejects(() => read(WEIGHTS), { code: "ORIGIN_FAULT" });
    assert.equal(hub.stats().requestsByKind.resolve, 2);
  });
});

describe("faults of the Hub and its CDN", () => {
  interface Case {
    readonly id: string;
    readonly faults: readonly Fault[];
    readonly code: ErrorCode;
    readonly blame?: string;
    readonly path?: string;
    readonly range?: readonly [number, number];
    readonly retryAfterMs?: number;
  }
  const cases: readonly Case[] = [
    { id: "reset in the middle", faults: [{ kind: "drop", on: "cdn" }], code: "ORIGIN_UNREACHABLE", blame: "origin" },
    {
      id: "closed in the middle",
      faults: [{ kind: "truncate", on: "cdn" }],
      code: "ORIGIN_UNREACHABLE",
      blame: "origin",
    },
    {
      id: "closed before an answer",
      faults: [{ kind: "hangUp", on: "cdn" }],
      code: "ORIGIN_UNREACHABLE",
      blame: "origin",
    },
    { id: "silent in the middle", faults: [{ kind: "stall", on: "cdn" }], code: "ORIGIN_STALLED", blame: "origin" },
    { id: "silent from the start", faults: [{ kind: "silent", on: "cdn" }], code: "ORIGIN_STALLED", blame: "origin" },
    { id: "Range ignored", faults: [{ kind: "ignoreRange" }], code: "ORIGIN_NO_RANGES", range: [MIB, 2 * MIB] },
    {
      id: "Range ignored by the Hub itself",
      faults: [{ kind: "ignoreRange" }],
      path: "config.json",
      code: "ORIGIN_NO_RANGES",
      range: [1, 2],
    },
    { id: "another hash than in the file list", faults: [{ kind: "etagChanged" }], code: "ORIGIN_CHANGED" },
    { id: "another hash, small file", faults: [{ kind: "etagChanged" }], path: "config.json", code: "ORIGIN_CHANGED" },
    {
      id: "429 at the CDN",
      faults: [{ kind: "rateLimited", on: "cdn", retryAfterS: 7 }],
      code: "ORIGIN_BUSY",
      retryAfterMs: 7_000,
    },
    {
      id: "429 at the CDN, the Hub's way",
      faults: [{ kind: "rateLimited", on: "cdn", rateLimitResetS: 7 }],
      code: "ORIGIN_BUSY",
      retryAfterMs: 8_000,
    },
    {
      id: "429 at the Hub for longer than a read waits",
      faults: [{ kind: "rateLimited", on: "resolve", retryAfterS: 60 }],
      code: "ORIGIN_BUSY",
      retryAfterMs: 60_000,
    },
    {
      id: "503 at the CDN",
      faults: [{ kind: "status", on: "cdn", status: 503, retryAfterS: 3 }],
      code: "ORIGIN_FAULT",
      retryAfterMs: 3_000,
    },
    { id: "500 at the CDN", faults: [{ kind: "status", on: "cdn", status: 500 }], code: "ORIGIN_FAULT" },
    {
      id: "500 at the Hub, again and again",
      faults: [{ kind: "status", on: "resolve", status: 500 }],
      code: "ORIGIN_FAULT",
    },
    { id: "a gate", faults: [{ kind: "gated" }], code: "ACCESS_GATED", blame: "none" },
    { id: "a private repo", faults: [{ kind: "private" }], code: "ACCESS_DENIED", blame: "none" },
    { id: "a missing revision", faults: [{ kind: "missingRevision" }], code: "REVISION_NOT_FOUND", blame: "none" },
    { id: "a missing file", faults: [{ kind: "missingFile" }], code: "FILE_NOT_FOUND", blame: "none" },
    { id: "nobody there", faults: [{ kind: "down" }], code: "ORIGIN_UNREACHABLE", blame: "origin" },
  ];
  for (const {
    id,
    faults,
    code,
    blame = "origin",
    path = WEIGHTS,
    range = [0, fileOfContent(path)],
    retryAfterMs,
  } of cases) {
    it(`${id}: ${code}`, async () => {
      if (code === "ORIGIN_STALLED") await openOrigin(IMPATIENT);
      hub.faults.set(faults);
      const sink = new MemorySink();
      const [start, end] = range;
      await assert.rejects(
        () => origin.sources.read(fileOf(path).blob, start, end, sink, { signal: NEVER }),
        (error: Error & { code: string; blame: string; hint?: string; retryAfterMs?: number }) => {
          assert.deepEqual([error.code, error.blame, error.retryAfterMs], [code, blame, retryAfterMs], error.stack);
          return true;
        },
      );
      assert.deepEqual(sink.bytes, bytes.subarray(start, start + sink.sizeBytes), "what came is a prefix of the range");
    });
  }

  it("bytes before a reset are handed on", async () => {
    hub.faults.set([{ kind: "drop", on: "cdn", afterBytes: MIB }]);
    const sink = new MemorySink();
    await assert.rejects(() => origin.sources.read(fileOf(WEIGHTS).blob, 5, bytes.length, sink, { signal: NEVER }));
    assert.equal(sink.sizeBytes, MIB);
    assert.deepEqual(sink.bytes, bytes.subarray(5, 5 + MIB));
  });

  it("trouble on the way to the place is sat out", async () => {
    hub.faults.set([
      { kind: "status", on: "resolve", status: 503, times: 1 },
      { kind: "hangUp", on: "resolve", times: 1, skip: 1 },
      { kind: "rateLimited", on: "resolve", rateLimitResetS: 0, times: 1, skip: 2 },
    ]);
    assert.deepEqual(await read(WEIGHTS), bytes);
  });

  it("bytes are never asked for twice by this room", async () => {
    hub.faults.set([{ kind: "status", on: "cdn", status: 503 }]);
    await assert.rejects(() => read(WEIGHTS));
    assert.equal(hub.stats().requestsByKind.cdn, 1);
  });

  it("a host that asked for silence hears nothing, whoever asks, while others do", async () => {
    await read(WEIGHTS, 0, 10);
    hub.faults.set([{ kind: "rateLimited", on: "resolveCache", retryAfterS: 60 }]);
    await assert.rejects(() => read("config.json"), { code: "ORIGIN_BUSY" });
    const { requests } = hub.stats();
    await assert.rejects(() => read("config.json"), { code: "ORIGIN_BUSY" });
    assert.equal(hub.stats().requests, requests);
    assert.equal((await read(WEIGHTS, 0, 10)).length, 10, "the CDN is another host");
  });

  for (const fault of [
    { kind: "noLength" },
    { kind: "latency", ms: 20 },
    { kind: "slow", bytesPerSecond: 40 * MIB },
  ] as const) {
    it(`${fault.kind} does not matter`, async () => {
      hub.faults.set([fault]);
      assert.deepEqual(await read(WEIGHTS), bytes);
      assert.deepEqual(await read(WEIGHTS, MIB, 2 * MIB), bytes.subarray(MIB, 2 * MIB));
    });
  }

  it("Range ignored is fine where everything was asked for", async () => {
    hub.faults.set([{ kind: "ignoreRange" }]);
    assert.deepEqual(await read(WEIGHTS), bytes);
  });

  it("wrong bytes pass: the verifier's business", async () => {
    hub.faults.set([{ kind: "wrongBytes", atByte: 7 }]);
    assert.equal((await read(WEIGHTS)).length, bytes.length);
  });

  it("a read that was stopped leaves the finding of the place to another", async () => {
    hub.faults.set([{ kind: "silent", on: "resolve", times: 1 }]);
    const abort = new AbortController();
    const first = assert.rejects(() => read(WEIGHTS, 0, 10, abort.signal), { code: "INTERRUPTED" });
    const second = read(WEIGHTS, 10, 20);
    await seen("resolve");
    abort.abort();
    await first;
    assert.deepEqual(await second, bytes.subarray(10, 20));
  });

  it("one failure to find the place is everybody's", async () => {
    hub.faults.set([{ kind: "gated" }]);
    const outcomes = await Promise.allSettled([0, 1, 2, 3].map((i) => read(WEIGHTS, i, i + 1)));
    assert.ok(outcomes.every((outcome) => outcome.status === "rejected" && outcome.reason.code === "ACCESS_GATED"));
    assert.equal(hub.stats().requestsByKind.resolve, 1);
  });
});

/** The whole file. */
function fileOfContent(path: string): number {
  return path === WEIGHTS ? content.sizeBytes : files["config.json"].length;
}

describe("random mixes of faults", () => {
  const EXPECTED = new Set(["ORIGIN_UNREACHABLE", "ORIGIN_STALLED", "ORIGIN_FAULT", "ORIGIN_BUSY", "ORIGIN_NO_RANGES"]);
  for (let seed = 0; seed < 8; seed++) {
    it(`seed ${seed}: with patience, all bytes come; each failure leaves a prefix and says whose fault it is`, async () => {
      await openOrigin(IMPATIENT);
      hub.faults.random(seed, {
        kinds: RANDOM_KINDS.filter((kind) => kind !== "wrongBytes" && kind !== "rateLimited"),
        chance: 0.4,
      });
      const parts = Array.from(
        { length: 6 },
        (_, i) => [i * 700_000, Math.min((i + 1) * 700_000, bytes.length)] as const,
      );
      await Promise.all(
        parts.map(async ([start, end]) => {
          for (let at = start; at < end; ) {
            const sink = new MemorySink();
            await origin.sources.read(fileOf(WEIGHTS).blob, at, end, sink, { signal: NEVER }).catch((error) => {
              assert.ok(EXPECTED.has(error.code) && error.blame === "origin", error.stack);
            });
            assert.ok(sink.bytes.equals(bytes.subarray(at, at + sink.sizeBytes)));
            at += sink.sizeBytes;
          }
        }),
      );
    });
  }
});

describe("stopping", () => {
  it("an abort in the middle ends the read, and no byte comes after", async () => {
    const abort = new AbortController();
    const sink = new MemorySink((sizeBytes) => {
      if (sizeBytes > 1000) abort.abort();
      return undefined;
    });
    const reading = origin.sources.read(fileOf(WEIGHTS).blob, 0, bytes.length, sink, { signal: abort.signal });
    await assert.rejects(reading, { code: "INTERRUPTED", blame: "none" });
    const { sizeBytes } = sink;
    assert.ok(sizeBytes < bytes.length);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(sink.sizeBytes, sizeBytes);
  });

  it("an abort before the start sends nothing", async () => {
    await assert.rejects(() => read(WEIGHTS, 0, 10, AbortSignal.abort()), { code: "INTERRUPTED" });
    assert.equal(hub.stats().requests, 0);
  });

  it("stop() interrupts what is under way", async () => {
    hub.faults.set([{ kind: "silent", on: "cdn" }]);
    const reading = assert.rejects(() => read(WEIGHTS), { code: "INTERRUPTED" });
    await seen("cdn");
    await origin.stop();
    await reading;
  });

  it("an error of the sink is the reader's, and the sink is left alone from then on", async () => {
    let writes = 0;
    const full = Object.assign(new Error("full"), { code: "ENOSPC" });
    const sink = {
      write: () => {
        writes++;
        return Promise.reject(full);
      },
    };
    await assert.rejects(
      () => origin.sources.read(fileOf(WEIGHTS).blob, 0, bytes.length, sink, { signal: NEVER }),
      (error: Error) => error.cause === full,
    );
    assert.equal(writes, 1);
  });
});
