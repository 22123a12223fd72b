import assert from "node:assert/strict";
import { test } from "node:test";
import { parseBlobId, parseNodeId } from "@swarmd/protocol";
import { Engine } from "./engine.js";
import type { BlobSpec, Effect, Fault, Input, WantOptions } from "./messages.js";

const SHARD = 100;

function blobOf(digit: string, sizeBytes: number, origin: BlobSpec["origin"] = "ranges"): BlobSpec {
  return { id: parseBlobId(`sha256:${digit.repeat(64)}`), sizeBytes, origin, isPrivate: false };
}

const OPTIONS: WantOptions = { peers: true, origin: true, originRequests: 10, order: 0, headBytes: 0 };
const UNREACHABLE: Fault = { code: "ORIGIN_UNREACHABLE", blame: "origin", message: "connection reset" };

/** An engine, and short ways to talk to it. */
class Bench {
  readonly engine: Engine;
  nowMs = 0;

  constructor(originRequests = 2) {
    this.engine = new Engine({ random: () => 0.5, shardBytes: SHARD, originRequests });
  }

  send(input: Input): Effect[] {
    return this.engine.handle(input, this.nowMs);
  }

  /** Wants and opens a blob; returns the effects of both. */
  pull(blob: BlobSpec, options: Partial<WantOptions> = {}, pull = 1): Effect[] {
    return [
      ...this.send({ type: "want", pull, blob, options: { ...OPTIONS, ...options } }),
      ...this.send({ type: "opened", blob: blob.id, state: { checked: [], partial: [] } }),
    ];
  }

  /** The attempt brings all of its range. */
  complete(fetch: Fetch): Effect[] {
    const effects: Effect[] = [];
    for (let shard = Math.floor(fetch.startBytes / SHARD); shard * SHARD < fetch.endBytes; shard += 1) {
      effects.push(...this.send({ type: "checked", attempt: fetch.attempt, shard }));
    }
    effects.push(...this.send({ type: "ended", attempt: fetch.attempt, positionBytes: fetch.endBytes }));
    return effects;
  }

  fail(fetch: Fetch, fault: Fault = UNREACHABLE, positionBytes = fetch.startBytes): Effect[] {
    return this.send({ type: "ended", attempt: fetch.attempt, positionBytes, fault });
  }
}

type Fetch = Extract<Effect, { type: "fetch" }>;

function fetches(effects: readonly Effect[]): Fetch[] {
  return effects.filter((effect) => effect.type === "fetch");
}

function ranges(effects: readonly Effect[]): string[] {
  return fetches(effects).map(({ startBytes, endBytes }) => `${startBytes}-${endBytes}`);
}

function types(effects: readonly Effect[]): string[] {
  return effects.map((effect) => effect.type).filter((type) => type !== "decision" && type !== "wake");
}

function at<T>(list: readonly T[], index = 0): T {
  const item = list[index];
  assert.ok(item !== undefined, `item ${index} of ${list.length}`);
  return item;
}

test("a blob is opened, fetched, finished and settled", () => {
  const bench = new Bench();
  const blob = blobOf("a", 150);
  const started = bench.pull(blob);
  assert.deepEqual(types(started), ["open", "fetch", "fetch"]);
  assert.deepEqual(types(bench.complete(at(fetches(started), 0))), []);
  assert.deepEqual(types(bench.complete(at(fetches(started), 1))), ["finish"]);
  assert.deepEqual(types(bench.send({ type: "verified", blob: blob.id })), ["settled"]);
});

test("an empty blob goes straight to finish", () => {
  assert.deepEqual(types(new Bench().pull(blobOf("a", 0))), ["open", "finish"]);
});

test("a journal is taken up: checked shards are not fetched, a partial one goes on from its watermark", () => {
  const bench = new Bench();
  const blob = blobOf("a", 300);
  bench.send({ type: "want", pull: 1, blob, options: OPTIONS });
  const effects = bench.send({
    type: "opened",
    blob: blob.id,
    state: { checked: [0], partial: [{ shard: 1, watermarkBytes: 30 }] },
  });
  assert.deepEqual(ranges(effects), ["130-200", "200-300"]);
});

test("long runs first, single shards at the end", () => {
  assert.deepEqual(ranges(new Bench(2).pull(blobOf("a", 2_000))), ["0-400", "400-800"]);
  assert.deepEqual(ranges(new Bench(2).pull(blobOf("a", 300))), ["0-100", "100-200"]);
});

test("heads of all blobs, then small blobs, then the rest by order", () => {
  const bench = new Bench(1);
  const busy = bench.pull(blobOf("0", 100));
  bench.pull(blobOf("a", 300), { order: 2, headBytes: 10 }, 1);
  bench.pull(blobOf("b", 300), { order: 1 }, 1);
  bench.pull(blobOf("c", 50), { order: 3 }, 1);
  const seen: string[] = [];
  for (let next = at(fetches(busy)); ; ) {
    const effects = bench.complete(next);
    const following = fetches(effects)[0];
    if (following === undefined) break;
    next = following;
    seen.push(`${next.blob.slice(7, 8)}${next.startBytes}`);
  }
  assert.deepEqual(seen, ["a0", "c0", "b0", "b200", "a100", "a200"]);
});

test("a reader's range goes before everything else", () => {
  const bench = new Bench(1);
  const started = bench.pull(blobOf("a", 500));
  bench.send({ type: "focus", blob: blobOf("a", 500).id, startBytes: 330, endBytes: 340 });
  const next = at(fetches(bench.complete(at(fetches(started)))));
  assert.equal(next.startBytes, 300);
  assert.equal(next.reason, "focus");
});

test("while a reader waits, bulk leaves places for the next one and for small files, and goes in short runs", () => {
  const bench = new Bench(8);
  const big = blobOf("a", 5_000);
  bench.send({ type: "want", pull: 1, blob: big, options: OPTIONS });
  bench.send({ type: "focus", blob: big.id, startBytes: 330, endBytes: 340 });
  const started = fetches(bench.send({ type: "opened", blob: big.id, state: { checked: [], partial: [] } }));
  assert.deepEqual(ranges(started), ["300-400", "0-100", "100-200", "200-300", "400-500", "500-600"]);
  const next = fetches(bench.send({ type: "focus", blob: big.id, startBytes: 4_000, endBytes: 4_100 }));
  assert.deepEqual(ranges(next), ["4000-4100"]);
  assert.deepEqual(ranges(bench.pull(blobOf("b", 50), {}, 2)), ["0-50"]);
});

test("bounds: the node's and the pull's", () => {
  assert.equal(fetches(new Bench(3).pull(blobOf("a", 500))).length, 3);
  assert.equal(fetches(new Bench(3).pull(blobOf("a", 500), { originRequests: 1 })).length, 1);
  const bench = new Bench(1);
  bench.pull(blobOf("a", 500));
  assert.equal(fetches(bench.send({ type: "limits", originRequests: 3 })).length, 2);
});

test("a server without Range gives one stream, from 0 again after a failure", () => {
  const bench = new Bench(4);
  const started = bench.pull(blobOf("a", 500, "stream"));
  assert.deepEqual(ranges(started), ["0-500"]);
  const fetch = at(fetches(started));
  bench.send({ type: "checked", attempt: fetch.attempt, shard: 0 });
  assert.deepEqual(types(bench.fail(fetch, UNREACHABLE, 250)), []);
  bench.nowMs = 2_000;
  assert.deepEqual(ranges(bench.send({ type: "wake" })), ["0-500"]);
});

test("a broken connection keeps its bytes and goes on almost at once", () => {
  const bench = new Bench(1);
  const fetch = at(fetches(bench.pull(blobOf("a", 200))));
  const effects = bench.fail(fetch, UNREACHABLE, 40);
  assert.deepEqual(ranges(effects), ["100-200"], "meanwhile the other shard is fetched");
  bench.nowMs = 250;
  assert.deepEqual(ranges(bench.complete(at(fetches(effects)))), ["40-100"]);
});

test("six failures without a byte give the blob up, with the origin's fault", () => {
  const bench = new Bench(1);
  const blob = blobOf("a", 100);
  let fetch = at(fetches(bench.pull(blob)));
  for (let failure = 1; failure < 6; failure += 1) {
    const effects = bench.fail(fetch);
    const wake = at(effects.filter((effect) => effect.type === "wake"));
    assert.ok(wake.atMs >= bench.nowMs + 2_000);
    bench.nowMs = wake.atMs;
    let next = fetches(bench.send({ type: "wake" }));
    for (let tries = 0; next.length === 0 && tries < 3; tries += 1) {
      bench.nowMs += 60_000;
      next = fetches(bench.send({ type: "wake" }));
    }
    fetch = at(next);
    assert.equal(fetch.reason, "retry");
  }
  const last = bench.fail(fetch);
  assert.deepEqual(types(last), ["settled", "close"]);
  const settled = at(last.filter((effect) => effect.type === "settled"));
  assert.equal(settled.fault?.code, "ORIGIN_UNREACHABLE");
});

test("Retry-After stops the whole origin for that long", () => {
  const bench = new Bench(2);
  const [first] = fetches(bench.pull(blobOf("a", 1_000)));
  const effects = bench.fail(at([first as Fetch]), { ...UNREACHABLE, code: "ORIGIN_BUSY", retryAfterMs: 7_000 });
  assert.deepEqual(fetches(effects), []);
  assert.deepEqual(
    effects.filter((effect) => effect.type === "wake").map((effect) => effect.atMs),
    [7_000],
  );
  bench.nowMs = 7_000;
  assert.equal(fetches(bench.send({ type: "wake" })).length, 1);
});

test("a fault that no retry mends settles at once, cancels the siblings and closes when they have ended", () => {
  const bench = new Bench(2);
  const [first, second] = fetches(bench.pull(blobOf("a", 1_000)));
  const effects = bench.fail(first as Fetch, { code: "NO_SPACE", blame: "self", message: "disk full" });
  assert.deepEqual(types(effects), ["settled", "cancel"]);
  const interrupted: Fault = { code: "INTERRUPTED", blame: "none", message: "cancelled" };
  assert.deepEqual(types(bench.fail(second as Fetch, interrupted)), ["close"]);
});

test("wrong content is fetched once more; the second time the blob fails", () => {
  const bench = new Bench(1);
  const blob = blobOf("a", 100);
  bench.complete(at(fetches(bench.pull(blob))));
  const again = bench.send({ type: "corrupt", blob: blob.id, shards: [0] });
  assert.deepEqual(ranges(again), ["0-100"]);
  assert.deepEqual(types(bench.complete(at(fetches(again)))), ["finish"]);
  const effects = bench.send({ type: "corrupt", blob: blob.id, shards: [] });
  assert.deepEqual(types(effects), ["settled", "close"]);
  assert.equal(at(effects.filter((effect) => effect.type === "settled")).fault?.code, "INTEGRITY");
});

test("two pulls share one blob; the last to leave closes it, and a want meanwhile opens it again", () => {
  const bench = new Bench(1);
  const blob = blobOf("a", 100);
  const fetch = at(fetches(bench.pull(blob)));
  assert.deepEqual(types(bench.send({ type: "want", pull: 2, blob, options: OPTIONS })), []);
  assert.deepEqual(types(bench.send({ type: "unwant", pull: 1, blob: blob.id })), []);
  assert.deepEqual(types(bench.send({ type: "unwant", pull: 2, blob: blob.id })), ["cancel"]);
  assert.deepEqual(types(bench.send({ type: "want", pull: 3, blob, options: OPTIONS })), []);
  assert.deepEqual(types(bench.fail(fetch)), ["close", "open"]);
});

test("whoever finished the blob meanwhile, the pull is settled", () => {
  const bench = new Bench();
  const blob = blobOf("a", 100);
  bench.send({ type: "want", pull: 1, blob, options: OPTIONS });
  assert.deepEqual(types(bench.send({ type: "present", blob: blob.id })), ["settled"]);
});

test("offline and with no peer the blob fails with a code that says so", () => {
  const effects = new Bench().pull(blobOf("a", 100), { origin: false });
  assert.deepEqual(types(effects), ["open", "settled", "close"]);
  assert.equal(at(effects.filter((effect) => effect.type === "settled")).fault?.code, "OFFLINE");
});

test("a blob that left the cache is announced as gone, once, and refused to whoever asks", () => {
  const swarm = {
    self: parseNodeId("me"),
    epoch: 1,
    capacityBytesPerS: 1e8,
    downloads: 4,
    uploads: 4,
    isCluster: false,
  };
  const engine = new Engine({ random: () => 0.5, shardBytes: SHARD, originRequests: 2, swarm });
  const blob = blobOf("e", 250);
  const later = (nowMs: number) => engine.handle({ type: "wake" }, nowMs).filter(({ type }) => type === "announce");
  const newsOf = (effects: readonly Effect[]) =>
    effects.flatMap((effect) => (effect.type === "announce" ? effect.record.blobs : []));
  engine.handle({ type: "have", blob }, 0);
  assert.deepEqual(
    newsOf(later(1_000)).map(({ holds }) => holds.kind),
    ["all"],
  );
  engine.handle({ type: "lost", blob: blob.id }, 2_000);
  const [gone, ...more] = newsOf(later(3_000));
  assert.equal(more.length, 0);
  assert.ok(gone?.blob === blob.id && !gone.wants && gone.holds.kind === "exactly");
  assert.deepEqual([gone.holds.shards.size, gone.holds.shards.count], [3, 0]);
  const asked = {
    type: "asked",
    request: 1,
    peer: parseNodeId("other"),
    blob: blob.id,
    shard: 0,
    startBytes: 0,
  } as const;
  const [answer] = engine.handle(asked, 4_000);
  assert.ok(answer?.type === "answer" && answer.verdict.kind === "refuse" && answer.verdict.code === "PEER_LACKS");
  engine.handle({ type: "lost", blob: blob.id }, 5_000);
  assert.equal(newsOf(later(6_000)).length, 0);
});

test("a file that somebody lies about again and again is given up in the end, however many names they have", () => {
  const bench = new Bench(1);
  const blob = blobOf("a", 100);
  let effects = bench.pull(blob);
  for (let lie = 1; ; lie += 1) {
    assert.deepEqual(types(bench.complete(at(fetches(effects)))), ["finish"]);
    const culprit = parseNodeId(`12D3KooWGRUaQj4UVm1bjCBMSJ6YaPfBSGJQbEMsEcQM1T3Zq8Q${lie}`);
    effects = bench.send({ type: "corrupt", blob: blob.id, shards: [0], culprits: [culprit] });
    if (lie === 16) break;
    assert.deepEqual(ranges(effects), ["0-100"], `after lie ${lie}`);
  }
  const settled = effects.find((effect) => effect.type === "settled");
  assert.equal(settled?.fault?.code, "INTEGRITY");
});
