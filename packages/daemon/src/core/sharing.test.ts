import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseBlobId, parseNodeId } from "@swarmd/protocol";
import type { BlobNews } from "./catalog/announcement.js";
import { Engine } from "./engine.js";
import type { BlobSpec, Effect, Input, Sharing } from "./messages.js";
import type { Verdict } from "./policy/admit.js";
import { ShardSet } from "./shard-set.js";

const SHARD = 100;
const PEER = parseNodeId("peer");
const PRIVATE: BlobSpec = {
  id: parseBlobId(`sha256:${"a".repeat(64)}`),
  sizeBytes: 150,
  origin: "ranges",
  isPrivate: true,
};
const OPTIONS = { peers: true, origin: true, originRequests: 2, order: 0, headBytes: 0 };

/** One node with one peer. */
class Bench {
  readonly engine: Engine;
  nowMs = 0;
  #sequence = 0;
  #request = 0;

  constructor(sharing: Sharing) {
    const swarm = { self: parseNodeId("self"), epoch: 1, capacityBytesPerS: 1e8, downloads: 6, uploads: 4 };
    this.engine = new Engine({
      random: () => 0.5,
      shardBytes: SHARD,
      originRequests: 2,
      swarm: { ...swarm, isCluster: false },
    });
    this.send({ type: "sharing", sharing });
    this.send({ type: "peer-up", peer: PEER, links: [{ link: "l", class: "ethernet" }] });
  }

  send(input: Input): Effect[] {
    return this.engine.handle(input, this.nowMs);
  }

  /** Lets time pass, and gives all that is said meanwhile. */
  said(): string {
    const effects: Effect[] = [];
    for (let step = 0; step < 40; step += 1) {
      this.nowMs += 500;
      effects.push(...this.send({ type: "wake" }));
    }
    return JSON.stringify(effects.filter(({ type }) => type === "announce" || type === "tell"));
  }

  hear(news: Partial<BlobNews>): Effect[] {
    this.#sequence += 1;
    const blob = {
      blob: PRIVATE.id,
      sizeBytes: PRIVATE.sizeBytes,
      wants: true,
      mayFetch: false,
      holds: { kind: "exactly", shards: new ShardSet(2) } as const,
      rooted: [],
      ...news,
    };
    const record = {
      epoch: 1,
      sequence: this.#sequence,
      ttlMs: 1e9,
      isFull: false,
      capacityBytesPerS: 1,
      freeSlots: 1,
    };
    return this.send({ type: "heard", peer: PEER, record: { ...record, blobs: [blob] } });
  }

  ask(): Verdict {
    this.#request += 1;
    const asked = { request: this.#request, peer: PEER, blob: PRIVATE.id, shard: 0, startBytes: 0 };
    const answer = this.send({ type: "asked", ...asked }).find(({ type }) => type === "answer");
    assert.ok(answer?.type === "answer");
    return answer.verdict;
  }
}

const codeOf = (verdict: Verdict) => (verdict.kind === "serve" ? "serve" : verdict.code);

describe("private blobs", () => {
  it("open mode: nothing is said of them, and asked for they are answered like blobs nobody has heard of", () => {
    const bench = new Bench("nobody");
    bench.send({ type: "have", blob: PRIVATE });
    bench.hear({ hasAccess: true });
    assert.ok(!bench.said().includes(PRIVATE.id));
    assert.deepEqual(bench.ask(), { kind: "refuse", code: "PEER_LACKS", redirect: [] });
  });

  for (const { sharing, hasAccess, expected } of [
    { sharing: "owners", hasAccess: undefined, expected: "PEER_BUSY" },
    { sharing: "owners", hasAccess: false, expected: "PEER_DENIED" },
    { sharing: "owners", hasAccess: true, expected: "serve" },
    { sharing: "members", hasAccess: undefined, expected: "serve" },
    { sharing: "members", hasAccess: false, expected: "serve" },
  ] as const) {
    const asker = hasAccess === undefined ? "of whom nothing was heard" : hasAccess ? "with access" : "without access";
    it(`shared with ${sharing}: an asker ${asker} is answered ${expected}`, () => {
      const bench = new Bench(sharing);
      bench.send({ type: "have", blob: PRIVATE });
      if (hasAccess !== undefined) bench.hear({ hasAccess });
      assert.ok(bench.said().includes(PRIVATE.id), "members hear of it");
      assert.equal(codeOf(bench.ask()), expected);
    });
  }

  it("an asker that says with its question that it has access need not wait until its want is heard", () => {
    const bench = new Bench("owners");
    bench.send({ type: "have", blob: PRIVATE });
    bench.send({ type: "claim", peer: PEER, blob: PRIVATE.id });
    assert.equal(codeOf(bench.ask()), "serve");
    // Its word ends with its connection.
    bench.send({ type: "peer-down", peer: PEER });
    bench.send({ type: "peer-up", peer: PEER, links: [{ link: "l", class: "ethernet" }] });
    assert.equal(codeOf(bench.ask()), "PEER_BUSY");
  });

  it("such a word counts for nothing in open mode, nor later in a cluster", () => {
    const bench = new Bench("nobody");
    bench.send({ type: "have", blob: PRIVATE });
    bench.send({ type: "claim", peer: PEER, blob: PRIVATE.id });
    assert.equal(codeOf(bench.ask()), "PEER_LACKS");
    bench.send({ type: "sharing", sharing: "owners" });
    assert.equal(codeOf(bench.ask()), "PEER_BUSY");
  });

  it("what was said inside a cluster is not taken up again in open mode, not even that it is gone", () => {
    const bench = new Bench("owners");
    bench.send({ type: "have", blob: PRIVATE });
    assert.ok(bench.said().includes(PRIVATE.id));
    bench.send({ type: "peer-down", peer: PEER });
    bench.send({ type: "sharing", sharing: "nobody" });
    bench.send({ type: "peer-up", peer: PEER, links: [{ link: "l", class: "ethernet" }] });
    bench.send({ type: "lost", blob: PRIVATE.id });
    assert.ok(!bench.said().includes(PRIVATE.id));
  });

  it("are asked of members only by a node that may have them, and its want says so", () => {
    for (const hasAccess of [true, false]) {
      const bench = new Bench("owners");
      bench.hear({ wants: false, holds: { kind: "all" } });
      bench.send({ type: "want", pull: 1, blob: { ...PRIVATE, hasAccess }, options: OPTIONS });
      const effects = bench.send({ type: "opened", blob: PRIVATE.id, state: { checked: [], partial: [] } });
      bench.nowMs += 5_000;
      effects.push(...bench.send({ type: "wake" }));
      const sources = effects.flatMap((effect) => (effect.type === "fetch" ? [effect.source.kind] : []));
      assert.deepEqual([...new Set(sources)], [hasAccess ? "peer" : "origin"]);
      assert.equal(bench.said().includes('"hasAccess":true'), hasAccess);
    }
  });
});
