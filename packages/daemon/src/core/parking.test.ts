import assert from "node:assert/strict";
import { test } from "node:test";
import { parseBlobId, parseNodeId } from "@swarmd/protocol";
import { Engine, SWARM_DEFAULTS } from "./engine.js";
import type { BlobSpec, Effect, Input } from "./messages.js";
import { ShardSet } from "./shard-set.js";

const SHARD = 100;
const SHARDS = 64;
const OTHER = parseNodeId("other");
const BLOB: BlobSpec = {
  id: parseBlobId(`sha256:${"a".repeat(64)}`),
  sizeBytes: SHARDS * SHARD,
  origin: "ranges",
  isPrivate: false,
};

/** A node that wants a blob, as another does, and may not ask the origin yet. */
class Waiting {
  readonly #engine: Engine;
  nowMs = 5_000;

  constructor() {
    const swarm = { self: parseNodeId("me"), epoch: 1, capacityBytesPerS: 1e8, isCluster: false, ...SWARM_DEFAULTS };
    this.#engine = new Engine({ random: () => 0.5, shardBytes: SHARD, originRequests: 0, swarm });
    this.#engine.handle({ type: "peer-up", peer: OTHER, links: [{ link: "lan", class: "ethernet" }] }, 0);
    const options = { peers: true, origin: true, originRequests: 10, order: 0, headBytes: 0 };
    this.#engine.handle({ type: "want", pull: 1, blob: BLOB, options }, 0);
    this.#engine.handle({ type: "opened", blob: BLOB.id, state: { checked: [], partial: [] } }, 0);
    const news = { blob: BLOB.id, sizeBytes: BLOB.sizeBytes, wants: true, mayFetch: true, rooted: [] };
    const holds = { kind: "exactly", shards: new ShardSet(SHARDS) } as const;
    const record = { epoch: 1, sequence: 1, ttlMs: 60_000, isFull: true, capacityBytesPerS: 1e8, freeSlots: 32 };
    this.#engine.handle({ type: "heard", peer: OTHER, record: { ...record, blobs: [{ ...news, holds }] } }, 0);
    this.wake();
  }

  send(input: Input): Effect[] {
    return this.#engine.handle(input, this.nowMs);
  }

  wake(): Effect[] {
    return this.send({ type: "wake" });
  }

  /** From now on the origin may be asked; what waited for that begins. */
  begin(): Effect[] {
    const effects = this.send({ type: "limits", originRequests: SHARDS });
    this.nowMs += 200;
    return [...effects, ...this.wake()];
  }

  /** The other asks for all shards. @returns requests that wait, by shard: those for which it is our child. */
  askForAll(): number[] {
    const requests = Array.from({ length: SHARDS }, (_, shard) => shard);
    return requests.filter((shard) => {
      const asked = { type: "asked", request: shard, peer: OTHER, blob: BLOB.id, shard, startBytes: 0 } as const;
      return answersOf(this.send(asked)).length === 0;
    });
  }
}

function answersOf(effects: readonly Effect[]): string[] {
  return effects.flatMap((effect) =>
    effect.type === "answer" ? `${effect.request} ${"code" in effect.verdict ? effect.verdict.code : "serve"}` : [],
  );
}

test("a child waits half a second for its parent, and is then sent elsewhere", () => {
  const node = new Waiting();
  const waiting = node.askForAll();
  assert.ok(waiting.length > 1 && waiting.length < SHARDS);
  node.nowMs += 499;
  assert.deepEqual(answersOf(node.wake()), []);
  node.nowMs += 1;
  assert.deepEqual(
    answersOf(node.wake()),
    waiting.map((request) => `${request} PEER_LACKS`),
  );
});

test("a child is served as soon as its shard begins to come; one that left is told nothing", () => {
  const node = new Waiting();
  const [left, ...stayed] = node.askForAll();
  node.send({ type: "served", request: left as number });
  const served = answersOf(node.begin());
  node.nowMs += 500;
  const later = answersOf(node.wake());
  assert.ok(served.length > 0);
  for (const answer of served) assert.match(answer, / serve$/);
  assert.deepEqual(
    [...served, ...later].map((answer) => Number(answer.split(" ")[0])).sort((a, b) => a - b),
    stayed,
  );
});

test("one that left while it waited takes no slot and leaves no timer behind, also when it is told twice", () => {
  const node = new Waiting();
  const waiting = node.askForAll();
  for (const request of [...waiting, ...waiting]) node.send({ type: "served", request });
  assert.deepEqual(answersOf(node.begin()), []);
  node.nowMs += 500;
  assert.deepEqual(answersOf(node.wake()), []);
});
