import assert from "node:assert/strict";
import { test } from "node:test";
import { type NodeId, parseNodeId } from "@swarmd/protocol";
import { keyOf } from "../rendezvous.js";
import type { Standing } from "./duty-order.js";
import { STRIPES, Stripes } from "./stripes.js";

const FAST = 125e6;

function nodesOf(count: number, capacityBytesPerS = FAST, name = "node"): Standing[] {
  return Array.from({ length: count }, (_, index) => {
    const id = parseNodeId(`${name}${index}`);
    return { id, key: keyOf(id), capacityBytesPerS };
  });
}

for (const count of [1, 2, 3, 7, 8, 24, 31, 127, 1_000]) {
  test(`${count} nodes: every place is taken once, and all follow one that stands before them, up to the head`, () => {
    const nodes = nodesOf(count);
    const stripes = new Stripes(nodes);
    for (let shard = 0; shard < 3 * STRIPES; shard += 5) {
      const places = new Map(nodes.map(({ id }) => [id, stripes.find(id, shard).place]));
      assert.deepEqual(
        [...places.values()].sort((a, b) => a - b),
        [...nodes.keys()],
      );
      for (const { id } of nodes) {
        const { place, above } = stripes.find(id, shard);
        assert.equal(stripes.placeOf(id, shard), place);
        assert.equal(above.length === 0, place === 0);
        let last = place;
        for (const one of above) {
          assert.ok((places.get(one) ?? count) < last);
          last = places.get(one) as number;
        }
        if (place > 0) assert.equal(last, 0);
      }
    }
  });

  test(`${count} nodes: over one turn of the stripes everybody passes on about what it receives`, () => {
    const nodes = nodesOf(count);
    const stripes = new Stripes(nodes);
    const children = new Map<NodeId, number>();
    for (let shard = 0; shard < STRIPES; shard += 1) {
      for (const { id } of nodes) {
        const [parent] = stripes.find(id, shard).above;
        if (parent !== undefined) children.set(parent, (children.get(parent) ?? 0) + 1);
      }
    }
    for (const sent of children.values()) assert.ok(sent <= STRIPES + 2, `${sent} copies for ${STRIPES} received`);
  });
}

test("the slow stand behind the fast, and take each shard from them once", () => {
  const slow = nodesOf(20, FAST / 10, "slow");
  const fast = nodesOf(20);
  const stripes = new Stripes([...slow, ...fast]);
  const isSlow = new Set(slow.map(({ id }) => id));
  for (let shard = 0; shard < STRIPES; shard += 1) {
    const crossings = slow.filter(({ id }) => !isSlow.has(stripes.find(id, shard).above[0] as NodeId));
    assert.equal(crossings.length, 1);
    for (const { id } of fast) assert.ok(stripes.find(id, shard).above.every((one) => !isSlow.has(one)));
  }
});

test("spares stand before us; a stranger stands behind all", () => {
  const nodes = nodesOf(40);
  const stripes = new Stripes(nodes);
  for (let place = 0; place < 40; place += 1) {
    for (const spare of stripes.spares(place, 5, 0.7)) assert.ok((stripes.placeOf(spare, 5) ?? 99) < place);
  }
  assert.deepEqual(stripes.find(parseNodeId("stranger"), 5), { place: 40, above: [] });
});
