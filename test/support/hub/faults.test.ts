import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Fault, FaultBox, type FaultKind, type RequestFacts } from "./faults.js";

const facts = (more: Partial<RequestFacts> = {}): RequestFacts => ({
  kind: "cdn",
  method: "GET",
  subject: "acme/tiny/model.safetensors",
  range: "",
  ...more,
});

function newBox() {
  const fired: FaultKind[] = [];
  return { box: new FaultBox({ change: () => {}, fire: (kind) => fired.push(kind) }), fired };
}

/** Which of ten equal requests a fault strikes. */
function strikes(fault: Fault, request = facts()): number[] {
  const { box } = newBox();
  box.set([fault]);
  return Array.from({ length: 10 }, (_, i) => i).filter(() => box.begin(request).take(fault.kind) !== undefined);
}

const ALL = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
const SCOPES: readonly { id: string; fault: Fault; want: readonly number[] }[] = [
  { id: "every time by default", fault: { kind: "hangUp" }, want: ALL },
  { id: "times: the first so many", fault: { kind: "hangUp", times: 2 }, want: [0, 1] },
  { id: "skip: not the first so many", fault: { kind: "hangUp", skip: 8 }, want: [8, 9] },
  { id: "every: each n-th", fault: { kind: "hangUp", every: 4 }, want: [3, 7] },
  { id: "all three together", fault: { kind: "hangUp", skip: 1, every: 3, times: 2 }, want: [3, 6] },
  { id: "path: a part of the subject", fault: { kind: "hangUp", path: "model.safe" }, want: ALL },
  { id: "path: another file is spared", fault: { kind: "hangUp", path: "config.json" }, want: [] },
  { id: "path: a pattern", fault: { kind: "hangUp", path: /\.safetensors$/ }, want: ALL },
  { id: "on: this kind of request", fault: { kind: "hangUp", on: ["tree", "cdn"] }, want: ALL },
  { id: "on: other kinds are spared", fault: { kind: "hangUp", on: "tree" }, want: [] },
  { id: "method: others are spared", fault: { kind: "hangUp", method: "HEAD" }, want: [] },
];

describe("FaultBox", () => {
  for (const { id, fault, want } of SCOPES) it(id, () => assert.deepEqual(strikes(fault), want));

  it("a fault that does not apply is not used up", () => {
    const { box, fired } = newBox();
    box.set([{ kind: "wrongBytes", atByte: 5, times: 1 }]);
    assert.equal(
      box.begin(facts()).take("wrongBytes", () => false),
      undefined,
    );
    assert.deepEqual(fired, []);
    assert.equal(box.begin(facts()).take("wrongBytes")?.atByte, 5);
    assert.deepEqual(fired, ["wrongBytes"]);
  });

  it("random: the same requests are struck in whatever order they arrive", () => {
    const ranges = Array.from({ length: 100 }, (_, i) => `bytes=${i}-`);
    const struck = (order: readonly string[]) => {
      const { box } = newBox();
      box.random(42, { kinds: ["drop", "stall"], chance: 0.3 });
      return order
        .filter((range) => {
          const faults = box.begin(facts({ range }));
          return faults.take("drop") ?? faults.take("stall");
        })
        .sort();
    };
    const one = struck(ranges);
    assert.deepEqual(struck([...ranges].reverse()), one);
    assert.ok(one.length > 15 && one.length < 50, `${one.length} of 100 at a chance of 0.3`);
  });

  it("random: never more than its budget, and nothing after clear", () => {
    const { box, fired } = newBox();
    box.random(1, { kinds: ["hangUp"], chance: 1, budget: 3 });
    for (let i = 0; i < 10; i++) box.begin(facts()).take("hangUp");
    assert.equal(fired.length, 3);
    box.random(1, { kinds: ["hangUp"], chance: 1 });
    box.clear();
    assert.equal(box.begin(facts()).take("hangUp"), undefined);
  });
});
