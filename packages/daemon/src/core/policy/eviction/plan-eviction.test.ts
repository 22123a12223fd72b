import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { indexCache } from "./cache-index.js";
import type { CacheBounds, CachedBlob, CachedRevision, CacheState } from "./cache-state.js";
import { type EvictionQuestion, planEviction } from "./plan-eviction.js";

/** A model of one revision and one blob of its own, unless said otherwise. */
interface Model extends Partial<Omit<CachedRevision, "blobs">> {
  readonly id: string;
  readonly sizeBytes?: number;
  readonly copiesElsewhere?: number;
  /** Of the blobs of these names, one of which may be its own. */
  readonly uses?: readonly string[];
}

const NOW_MS = 1_000;

function stateOf(models: readonly Model[], disk = { freeBytes: 1_000, totalBytes: 2_000 }): CacheState {
  const names: string[] = [];
  const blobs: CachedBlob[] = [];
  const revisions = models.map((model, index): CachedRevision => {
    const { id, sizeBytes = 10, copiesElsewhere = 0, uses = [id] } = model;
    for (const name of uses) {
      if (names.includes(name)) continue;
      names.push(name);
      blobs.push({ sizeBytes, copiesElsewhere });
    }
    return {
      model: id,
      lastUsedMs: index,
      isOld: false,
      isPinned: false,
      keep: undefined,
      ...model,
      blobs: uses.map((name) => names.indexOf(name)),
    };
  });
  return { blobs, revisions, disk };
}

function ask(models: readonly Model[], more: Partial<EvictionQuestion>): string {
  const cache = indexCache(stateOf(models));
  const plan = planEviction({ cache, policy: "lru", bounds: {}, nowMs: NOW_MS, ...more });
  if (plan.kind === "full") return `full: ${plan.why}`;
  return plan.victims.map(({ revision, isLastCopy }) => `${revision.id}${isLastCopy ? "!" : ""}`).join(" ");
}

function comes(neededBytes: number, more: Partial<EvictionQuestion["newcomer"] & object> = {}) {
  return { model: "new", neededBytes, isPinned: false, ...more };
}

/** Five models of 10 bytes, which others have too. */
const FIVE: readonly Model[] = ["a", "b", "c", "d", "e"].map((id) => ({ id, copiesElsewhere: 1 }));
const BY_BYTES: CacheBounds = { maxBytes: 50 };

const table: {
  readonly id: string;
  readonly models?: readonly Model[];
  readonly ask: Partial<EvictionQuestion>;
  readonly goes: string;
}[] = [
  { id: "lru: what fits evicts nothing", ask: { bounds: BY_BYTES }, goes: "" },
  {
    id: "lru: at the bound the least recently used go, down to the low watermark",
    ask: { bounds: BY_BYTES, newcomer: comes(10) },
    goes: "a b",
  },
  {
    id: "lru: order of use counts, not order of names",
    models: [
      { id: "a", lastUsedMs: 9, copiesElsewhere: 1 },
      { id: "b", lastUsedMs: 2, copiesElsewhere: 1 },
      { id: "c", lastUsedMs: 5, copiesElsewhere: 1 },
    ],
    ask: { bounds: { maxBytes: 30 }, newcomer: comes(5) },
    goes: "b",
  },
  {
    id: "a tie is broken by name",
    models: [
      { id: "b", lastUsedMs: 1, copiesElsewhere: 1 },
      { id: "a", lastUsedMs: 1, copiesElsewhere: 1 },
    ],
    ask: { bounds: { maxBytes: 20 }, newcomer: comes(5) },
    goes: "a",
  },
  {
    id: "lru: what others hold goes before what only we hold",
    models: [
      { id: "old-and-only-here", lastUsedMs: 1 },
      { id: "young-and-elsewhere", lastUsedMs: 9, copiesElsewhere: 2 },
    ],
    ask: { bounds: { maxBytes: 20 }, newcomer: comes(8) },
    goes: "young-and-elsewhere",
  },
  {
    id: "a last copy goes for the bound, not for the watermark below it",
    models: [{ id: "a" }, { id: "b" }, { id: "c" }],
    ask: { bounds: { maxBytes: 30 }, newcomer: comes(10) },
    goes: "a!",
  },
  {
    id: "old revisions go before current ones that were used longer ago",
    models: [
      { id: "m@new", model: "m", lastUsedMs: 1, copiesElsewhere: 1 },
      { id: "m@old", model: "m", lastUsedMs: 9, isOld: true, copiesElsewhere: 1 },
    ],
    ask: { bounds: { maxBytes: 20 }, newcomer: comes(5) },
    goes: "m@old",
  },
  {
    id: "an old revision that is a last copy stays while others have copies",
    models: [
      { id: "m@old", model: "m", lastUsedMs: 1, isOld: true },
      { id: "n", lastUsedMs: 9, copiesElsewhere: 1 },
    ],
    ask: { bounds: { maxBytes: 20 }, newcomer: comes(5) },
    goes: "n",
  },
  {
    id: "what another revision uses frees nothing",
    models: [
      { id: "m@old", model: "m", uses: ["weights", "card-old"], isOld: true, copiesElsewhere: 1 },
      { id: "m@new", model: "m", uses: ["weights", "card-new"], copiesElsewhere: 1 },
    ],
    ask: { bounds: { maxBytes: 30 }, newcomer: comes(15) },
    goes: "m@old m@new",
  },
  {
    id: "revisions that share everything go together, when nothing else helps",
    models: [
      { id: "m@1", model: "m", uses: ["w"], copiesElsewhere: 1 },
      { id: "m@2", model: "m", uses: ["w"], copiesElsewhere: 1 },
    ],
    ask: { bounds: { maxBytes: 10 }, newcomer: comes(10) },
    goes: "m@1 m@2",
  },
  {
    id: "nothing goes for what shares everything with a pinned revision",
    models: [
      { id: "m@1", model: "m", uses: ["w"] },
      { id: "m@2", model: "m", uses: ["w"], isPinned: true, keep: "pin" },
    ],
    ask: { bounds: { maxBytes: 10 }, newcomer: comes(10) },
    goes: "full: bytes",
  },
  ...(["foreign", "published", "pin", "open", "lease", "pull"] as const).map((keep) => ({
    id: `what is kept as ${keep} stays`,
    models: [
      { id: "a", keep, copiesElsewhere: 1 },
      { id: "b", copiesElsewhere: 1 },
    ],
    ask: { bounds: { maxBytes: 20 }, newcomer: comes(5) },
    goes: "b",
  })),
  {
    id: "what can never fit is refused, and nothing goes for it",
    ask: { bounds: BY_BYTES, newcomer: comes(51) },
    goes: "full: bytes",
  },
  {
    id: "models: at the bound the least recently used model goes",
    ask: { bounds: { maxModels: 5 }, newcomer: comes(10) },
    goes: "a",
  },
  {
    id: "models: a further revision of one that is there is no further model",
    ask: { bounds: { maxModels: 5 }, newcomer: comes(10, { model: "a" }) },
    goes: "",
  },
  {
    id: "models: all revisions of a model go, and one used lately keeps the model",
    models: [
      { id: "m@1", model: "m", lastUsedMs: 1, copiesElsewhere: 1 },
      { id: "m@2", model: "m", lastUsedMs: 9, copiesElsewhere: 1 },
      { id: "n@1", model: "n", lastUsedMs: 2, copiesElsewhere: 1 },
      { id: "n@2", model: "n", lastUsedMs: 3, copiesElsewhere: 1 },
    ],
    ask: { bounds: { maxModels: 2 }, newcomer: comes(1) },
    goes: "n@1 n@2",
  },
  {
    id: "disk: so much stays free, and a tenth more once something goes",
    ask: { bounds: { minFreeBytes: 1_000 }, newcomer: comes(5) },
    goes: "a b c d e",
  },
  {
    id: "disk: what can't be freed is refused",
    ask: { bounds: { minFreeBytes: 1_000 }, newcomer: comes(51) },
    goes: "full: disk",
  },
  {
    id: "disk: our own default refuses nothing, and evicts about what the newcomer takes",
    ask: { bounds: { minFreeBytes: 5_000, isMinFreeSoft: true }, newcomer: comes(15) },
    goes: "a b",
  },
  {
    id: "disk: our own default evicts nothing when nothing comes",
    ask: { bounds: { minFreeBytes: 5_000, isMinFreeSoft: true } },
    goes: "",
  },
  {
    id: "without a newcomer the cache is held to its bounds",
    ask: { bounds: { maxBytes: 40 } },
    goes: "a b",
  },
  {
    id: "no-evict: what fits comes in",
    ask: { policy: "no-evict", bounds: { maxBytes: 60 }, newcomer: comes(10) },
    goes: "",
  },
  {
    id: "no-evict: what does not fit is refused",
    ask: { policy: "no-evict", bounds: BY_BYTES, newcomer: comes(1) },
    goes: "full: bytes",
  },
  {
    id: "no-evict: a link into a full cache takes no room",
    ask: { policy: "no-evict", bounds: { maxBytes: 40 }, newcomer: comes(0, { model: "a" }) },
    goes: "",
  },
  {
    id: "no-evict: too many models are refused",
    ask: { policy: "no-evict", bounds: { maxModels: 5 }, newcomer: comes(1) },
    goes: "full: models",
  },
  {
    id: "ttl: what was untouched for so long goes, last copies too",
    models: [
      { id: "a", lastUsedMs: 100 },
      { id: "b", lastUsedMs: 500, copiesElsewhere: 1 },
      { id: "c", lastUsedMs: 501 },
    ],
    ask: { policy: "ttl", bounds: { ttlMs: 500 } },
    goes: "a! b",
  },
  {
    id: "ttl: knows no bound",
    ask: { policy: "ttl", bounds: { ttlMs: 5_000, maxBytes: 10 }, newcomer: comes(1_000) },
    goes: "",
  },
  {
    id: "ttl: a use in the future is no reason to go",
    models: [{ id: "a", lastUsedMs: 5_000 }],
    ask: { policy: "ttl", bounds: { ttlMs: 500 } },
    goes: "",
  },
  {
    id: "lru-ttl: both",
    models: [
      { id: "a", lastUsedMs: 900, copiesElsewhere: 1 },
      { id: "b", lastUsedMs: 100, copiesElsewhere: 1 },
      { id: "c", lastUsedMs: 950, copiesElsewhere: 1 },
    ],
    ask: { policy: "lru-ttl", bounds: { ttlMs: 500, maxBytes: 30 }, newcomer: comes(15) },
    goes: "b a",
  },
  {
    id: "lru: knows no time",
    models: [{ id: "a", lastUsedMs: 1 }],
    ask: { bounds: { ttlMs: 500 } },
    goes: "",
  },
  {
    id: "reserved: what is not pinned may take the rest only",
    ask: { bounds: { maxBytes: 100, reservedPinnedShare: 0.6 }, newcomer: comes(5) },
    goes: "a b",
  },
  {
    id: "reserved: a pinned newcomer may take it all",
    ask: { bounds: { maxBytes: 120, reservedPinnedShare: 0.5 }, newcomer: comes(60, { isPinned: true }) },
    goes: "",
  },
];

describe("planEviction", () => {
  for (const { id, models = FIVE, ask: question, goes } of table) {
    it(id, () => assert.equal(ask(models, question), goes));
  }

  it("says what each victim frees, given those before it", () => {
    const state = stateOf([
      { id: "m@old", model: "m", uses: ["weights", "old"], isOld: true, copiesElsewhere: 1 },
      { id: "m@new", model: "m", uses: ["weights", "new"], copiesElsewhere: 1 },
    ]);
    const cache = indexCache(state);
    const plan = planEviction({ cache, policy: "lru", bounds: { maxBytes: 5 }, nowMs: NOW_MS });
    assert.deepEqual(plan.kind === "go" && plan.victims.map(({ freedBytes, why }) => [freedBytes, why]), [
      [10, "bytes"],
      [20, "bytes"],
    ]);
  });

  it("says which victims the newcomer has to wait for", () => {
    const cache = indexCache(stateOf(["a", "b", "c", "d"].map((id) => ({ id, sizeBytes: 5, copiesElsewhere: 1 }))));
    const urgentOf = (bounds: CacheBounds) => {
      const plan = planEviction({ cache, policy: "lru-ttl", bounds, newcomer: comes(1), nowMs: NOW_MS });
      return plan.kind === "go" && [plan.victims.length, plan.urgent];
    };
    assert.deepEqual(urgentOf({ maxBytes: 100 }), [0, 0]);
    assert.deepEqual(urgentOf({ maxBytes: 17 }), [2, 1]);
    assert.deepEqual(urgentOf({ maxBytes: 20, maxModels: 3 }), [2, 2]);
    assert.deepEqual(urgentOf({ maxBytes: 100, ttlMs: NOW_MS }), [1, 0]);
  });

  it("leaves startup files out of what a revision frees", () => {
    const state = stateOf([{ id: "a", uses: ["weights", "tokenizer"], copiesElsewhere: 1 }]);
    const [weights, tokenizer] = state.blobs as [CachedBlob, CachedBlob];
    const blobs = [weights, { ...tokenizer, isStartup: true, copiesElsewhere: 0 }];
    const cache = indexCache({ ...state, blobs });
    const question = { cache, policy: "lru", bounds: { maxBytes: 12 }, nowMs: NOW_MS } as const;
    const plan = planEviction(question);
    assert.deepEqual(plan.kind === "go" && plan.victims.map((one) => [one.freedBytes, one.isLastCopy]), [[10, false]]);
  });
});
