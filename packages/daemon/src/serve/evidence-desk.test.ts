import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseBlobId, parseNodeId, type SwarmError } from "@swarmd/protocol";
import type { EvidenceAnswer, EvidenceItem } from "@swarmd/protocol/wire";
import { EvidenceDesk, type EvidenceShelf } from "./evidence-desk.js";

const BLOB = parseBlobId(`sha256:${"ab".repeat(32)}`);
const FRIEND = parseNodeId("12D3KooWGRUaQj4UVm1bjCBMSJ6YaPfBSGJQbEMsEcQM1T3Zq8Q1");
const STRANGER = parseNodeId("12D3KooWGRUaQj4UVm1bjCBMSJ6YaPfBSGJQbEMsEcQM1T3Zq8Q2");
const ITEM: EvidenceItem = { kind: "attestation", payload: Uint8Array.of(1, 2, 3) };
const ABOUT = { blob: BLOB, sizeBytes: 100, shardBytes: 40 };

/** Three shards, of which the first is checked. */
class Shelf implements EvidenceShelf {
  readonly sizeBytes = ABOUT.sizeBytes;
  readonly shardBytes = ABOUT.shardBytes;
  readonly known = new Map<number, readonly EvidenceItem[]>([[0, [ITEM]]]);
  /** Proofs that are there, and the roots that were asked for. */
  readonly proofs = new Map<number, readonly EvidenceItem[]>();
  readonly roots: Uint8Array[] = [];
  readonly #listeners = new Set<Parameters<EvidenceShelf["onJudged"]>[0]>();

  get listeners(): number {
    return this.#listeners.size;
  }

  async find(shard: number) {
    return this.known.get(shard) ?? ("coming" as const);
  }

  async prove(shard: number, root: Uint8Array) {
    this.roots.push(root);
    return this.proofs.get(shard) ?? [];
  }

  onJudged(listener: Parameters<EvidenceShelf["onJudged"]>[0]) {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  judged(shard: number, fate: "checked" | "discarded"): void {
    for (const listener of [...this.#listeners]) listener(shard, fate);
  }
}

function deskOf(shelf: Shelf | undefined): EvidenceDesk {
  return new EvidenceDesk({ isAllowed: (peer) => peer === FRIEND, open: async () => shelf });
}

async function all(answers: AsyncIterable<EvidenceAnswer>): Promise<EvidenceAnswer[]> {
  const list: EvidenceAnswer[] = [];
  for await (const answer of answers) list.push(answer);
  return list;
}

describe("the evidence desk", () => {
  const { signal } = new AbortController();

  it("tells who may not have the bytes nothing, not even whether there are any", async () => {
    for (const shelf of [new Shelf(), undefined]) {
      const answers = deskOf(shelf).answers(STRANGER, { ...ABOUT, shards: [0] }, { signal });
      await assert.rejects(all(answers), { code: "PEER_DENIED", message: "this is not for you" });
    }
  });

  it("hands on what it has, once for each shard", async () => {
    const answers = await all(deskOf(new Shelf()).answers(FRIEND, { ...ABOUT, shards: [0, 0] }, { signal }));
    assert.deepEqual(answers, [{ shard: 0, items: [ITEM], isTainted: false }]);
  });

  it("has nothing about another size, another cut, or a blob that is not here", async () => {
    const none = [{ shard: 0, items: [], isTainted: false }];
    const ask = (desk: EvidenceDesk, about: typeof ABOUT) =>
      all(desk.answers(FRIEND, { ...about, shards: [0] }, { signal }));
    assert.deepEqual(await ask(deskOf(new Shelf()), { ...ABOUT, sizeBytes: 101 }), none);
    assert.deepEqual(await ask(deskOf(new Shelf()), { ...ABOUT, shardBytes: 41 }), none);
    assert.deepEqual(await ask(deskOf(undefined), ABOUT), none);
  });

  it("answers for a shard on its way when it is checked", async () => {
    const shelf = new Shelf();
    const answers = deskOf(shelf).answers(FRIEND, { ...ABOUT, shards: [0, 1] }, { signal });
    assert.equal((await answers.next()).value?.shard, 0);
    const next = answers.next();
    await new Promise(setImmediate);
    shelf.known.set(1, [ITEM]);
    shelf.judged(1, "checked");
    assert.deepEqual((await next).value, { shard: 1, items: [ITEM], isTainted: false });
    assert.equal((await answers.next()).done, true);
    assert.equal(shelf.listeners, 0);
  });

  it("takes a shard back that was thrown away since it was asked about, whatever came in its place", async () => {
    const shelf = new Shelf();
    const answers = deskOf(shelf).answers(FRIEND, { ...ABOUT, shards: [1] }, { signal });
    const next = answers.next();
    await new Promise(setImmediate);
    shelf.judged(1, "discarded");
    shelf.known.set(1, [ITEM]);
    shelf.judged(1, "checked");
    assert.deepEqual((await next).value, { shard: 1, items: [], isTainted: true });
  });

  it("gives the proofs that are there now, and waits for nothing", async () => {
    const [shelf, root] = [new Shelf(), new Uint8Array(32).fill(7)];
    const proof: EvidenceItem = { kind: "proof", payload: Uint8Array.of(9) };
    shelf.proofs.set(2, [proof]);
    const request = { ...ABOUT, shards: [1, 2], root, proofsNow: true };
    assert.deepEqual(await all(deskOf(shelf).answers(FRIEND, request, { signal })), [
      { shard: 1, items: [], isTainted: false },
      { shard: 2, items: [proof], isTainted: false },
    ]);
    assert.deepEqual(shelf.roots, [root, root]);
    await assert.rejects(all(deskOf(shelf).answers(STRANGER, request, { signal })), { code: "PEER_DENIED" });
  });

  it("waits no longer than the question stands", async () => {
    const [shelf, abort] = [new Shelf(), new AbortController()];
    const next = deskOf(shelf)
      .answers(FRIEND, { ...ABOUT, shards: [2] }, abort)
      .next();
    await new Promise(setImmediate);
    abort.abort();
    await assert.rejects(next, (error: SwarmError) => error.code === "INTERRUPTED");
    assert.equal(shelf.listeners, 0);
  });
});
