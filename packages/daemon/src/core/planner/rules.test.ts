/** The small pure rules, each with its table. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseNodeId } from "@swarmd/protocol";
import { type Application, admit, loadOf } from "../policy/admit.js";
import { hedge, type Pace } from "./hedge.js";
import { compareOffers, type Offer } from "./rank.js";
import { orderByRarity } from "./rarest.js";
import { areSeedsScarce } from "./scarce.js";

const OFFER: Offer = { linkClass: "ethernet", isComplete: false, rateBytesPerS: 50e6, freeSlots: 4, draw: 5 };
const ranks: { id: string; better: Partial<Offer>; worse: Partial<Offer> }[] = [
  { id: "the class of the link counts most", better: { linkClass: "thunderbolt" }, worse: { isComplete: true } },
  { id: "wifi before routed", better: { linkClass: "wifi" }, worse: { linkClass: "routed", isComplete: true } },
  { id: "complete before partial", better: { isComplete: true }, worse: { rateBytesPerS: 900e6 } },
  { id: "much faster before slow", better: { rateBytesPerS: 500e6 }, worse: { freeSlots: 9 } },
  { id: "never measured counts as fast", better: { rateBytesPerS: 0 }, worse: { rateBytesPerS: 900e6 } },
  { id: "a free slot before none", better: { draw: 9 }, worse: { freeSlots: 0, draw: 1 } },
  { id: "among equals the draw", better: { draw: 1 }, worse: { draw: 2 } },
];
for (const { id, better, worse } of ranks) {
  test(`rank: ${id}`, () => {
    assert.ok(compareOffers({ ...OFFER, ...better }, { ...OFFER, ...worse }) < 0);
    assert.ok(compareOffers({ ...OFFER, ...worse }, { ...OFFER, ...better }) > 0);
  });
}

for (const { seeds, wanters, scarce } of [
  { seeds: 1, wanters: 1, scarce: false },
  { seeds: 1, wanters: 2, scarce: false },
  { seeds: 1, wanters: 3, scarce: true },
  { seeds: 0, wanters: 2, scarce: true },
  { seeds: 4, wanters: 8, scarce: false },
]) {
  test(`scarce: ${seeds} seeds, ${wanters} wanters: ${scarce}`, () =>
    assert.equal(areSeedsScarce(seeds, wanters), scarce));
}

test("rarest: what one peer alone holds goes first, the rest keeps its order", () => {
  const holders = [2, 0, 1, 3, 1];
  assert.deepEqual(
    orderByRarity([0, 1, 2, 3, 4], (shard) => holders[shard] as number),
    [2, 4, 0, 1, 3],
  );
});

const MIB = 1024 * 1024;
const PACE: Pace = { ageMs: 1_000, doneBytes: 8 * MIB, leftBytes: 8 * MIB, p50Ms: 2_000, p90Ms: 3_000, isLast: false };
const paces: { id: string; pace: Partial<Pace>; kind: ReturnType<typeof hedge> }[] = [
  { id: "an ordinary attempt", pace: {}, kind: undefined },
  { id: "nothing known of others", pace: { p50Ms: 0, p90Ms: 0, doneBytes: 0, ageMs: 60_000 }, kind: undefined },
  { id: "twice as old as the slowest tenth, and as much to go", pace: { ageMs: 7_000 }, kind: "hedge" },
  { id: "old, but nearly through", pace: { ageMs: 7_000, leftBytes: MIB, doneBytes: 15 * MIB }, kind: undefined },
  { id: "among the last, slower than the median", pace: { isLast: true, ageMs: 2_500 }, kind: "endgame" },
  { id: "among the last, but as fast as the others", pace: { isLast: true }, kind: undefined },
];
for (const { id, pace, kind } of paces) {
  test(`hedge: ${id}: ${kind ?? "no"}`, () => assert.equal(hedge({ ...PACE, ...pace }), kind));
}

const [A, B] = [parseNodeId("a"), parseNodeId("b")];
const APPLICATION: Application = {
  standing: { kind: "held" },
  isAllowed: true,
  load: 0,
  uploads: 0,
  askerUploads: 0,
  isSlowAsker: false,
  slowUploads: 0,
  isServingFast: false,
  slots: 32,
  isOurs: false,
  children: [],
  givenTo: [],
  others: [B],
};
const COMING = { kind: "coming", isRoot: false, isAhead: true } as const;
const applications: { id: string; application: Partial<Application>; verdict: string }[] = [
  { id: "held, slots free", application: {}, verdict: "serve" },
  { id: "on its way, and we are ahead", application: { standing: COMING }, verdict: "serve" },
  {
    id: "on its way, but we are not ahead",
    application: { standing: { ...COMING, isAhead: false } },
    verdict: "PEER_LACKS b",
  },
  {
    id: "on its way from the origin: at any point",
    application: { standing: { ...COMING, isAhead: false, isRoot: true } },
    verdict: "serve",
  },
  { id: "not here", application: { standing: { kind: "absent" } }, verdict: "PEER_LACKS b" },
  { id: "not allowed", application: { isAllowed: false }, verdict: "PEER_DENIED" },
  { id: "the link is full", application: { load: 1 }, verdict: "PEER_BUSY b" },
  { id: "all slots are taken", application: { uploads: 32 }, verdict: "PEER_BUSY b" },
  {
    id: "children enough: ask them",
    application: { standing: COMING, children: Array(20).fill(A) },
    verdict: "PEER_BUSY a",
  },
  { id: "a scarce seed gave it away: ask there", application: { givenTo: [A] }, verdict: "PEER_BUSY a" },
  {
    id: "an asker with half of the slots, when they run short",
    application: { load: 0.8, askerUploads: 8 },
    verdict: "PEER_BUSY b",
  },
  {
    id: "an asker with many slots, when there are enough",
    application: { load: 0.5, askerUploads: 8 },
    verdict: "serve",
  },
  {
    id: "the slow may not take all slots",
    application: { isSlowAsker: true, slowUploads: 16 },
    verdict: "PEER_BUSY b",
  },
  {
    id: "the slow get few slots while the fast are served",
    application: { isSlowAsker: true, slowUploads: 4, isServingFast: true },
    verdict: "PEER_BUSY b",
  },
  {
    id: "our own child in the tree is served even when the link is full",
    application: { standing: COMING, isOurs: true, load: 1 },
    verdict: "serve",
  },
];
for (const { id, application, verdict } of applications) {
  test(`admit: ${id}: ${verdict}`, () => {
    const given = admit({ ...APPLICATION, ...application });
    assert.equal(given.kind === "serve" ? "serve" : [given.code, ...given.redirect].join(" "), verdict);
  });
}

test("load: a bulk transfer is a sixteenth, a slow relay what it carries, a slow asker what it can take", () => {
  assert.equal(loadOf(undefined, 100e6, 100e6), 1 / 16);
  assert.equal(loadOf(1e6, 100e6, 100e6), 0.01);
  assert.equal(loadOf(20e6, 100e6, 100e6), 1 / 16);
  assert.equal(loadOf(undefined, 1_000e6, 8e6), 0.001);
});
