import assert from "node:assert/strict";
import { test } from "node:test";
import { type NodeId, parseNodeId } from "@swarmd/protocol";
import { keyOf, shardKeyOf } from "../rendezvous.js";
import { type Contender, dutyOrder, dutyOrderAmongEquals } from "./duty-order.js";

function contender(name: string, capacityBytesPerS = 125e6, isEligible = true): Contender {
  const id = parseNodeId(name);
  return { node: { id, key: keyOf(id), capacityBytesPerS }, isEligible };
}

/** The order of one shard as each of the nodes computes it. */
function ordersOf(all: readonly Contender[], shard: number, root?: NodeId) {
  const shardKey = shardKeyOf(7, shard);
  return new Map(
    all.map((self) => [
      self.node.id,
      dutyOrder(
        self,
        all.filter((one) => one !== self),
        shardKey,
        root,
      ),
    ]),
  );
}

const NODES = Array.from({ length: 40 }, (_, index) => contender(`node${index}`));

test("all nodes agree: every place is taken once, and on the node on duty", () => {
  for (let shard = 0; shard < 50; shard += 1) {
    const orders = [...ordersOf(NODES, shard)];
    assert.deepEqual(
      orders.map(([, order]) => order.place).sort((a, b) => a - b),
      [...NODES.keys()],
    );
    const onDuty = orders.find(([, order]) => order.place === 0)?.[0];
    for (const [, order] of orders) assert.equal(order.first, order.place === 0 ? undefined : onDuty);
  }
});

test("among equals the short way gives the same order, whoever is the root", () => {
  const stranger = contender("stranger");
  for (let shard = 0; shard < 50; shard += 1) {
    const [self, ...others] = NODES.slice(shard % 7, 40 - (shard % 5)) as [Contender, ...Contender[]];
    const field = { ids: others.map(({ node }) => node.id), keys: Uint32Array.from(others, ({ node }) => node.key) };
    for (const root of [undefined, others[shard % others.length], stranger]) {
      const all = root === stranger ? [...others, stranger] : others;
      const shardKey = shardKeyOf(7, shard);
      const long = dutyOrder(self, all, shardKey, root?.node.id);
      assert.deepEqual(dutyOrderAmongEquals(self.node.key, field, shardKey, root?.node.id), long);
    }
  }
});

test("duty is spread: over many shards each node is first about equally often", () => {
  const counts = new Map<NodeId, number>();
  for (let shard = 0; shard < 4_000; shard += 1) {
    for (const [id, { place }] of ordersOf(NODES.slice(0, 8), shard)) {
      if (place === 0) counts.set(id, (counts.get(id) ?? 0) + 1);
    }
  }
  for (const count of counts.values()) assert.ok(count > 400 && count < 600, `${count} of 4000, 500 expected`);
});

test("weights: twice the capacity is first about twice as often", () => {
  let wins = 0;
  const pair = [contender("slow", 100e6), contender("fast", 200e6)];
  for (let shard = 0; shard < 3_000; shard += 1) {
    if (ordersOf(pair, shard).get(parseNodeId("fast"))?.place === 0) wins += 1;
  }
  assert.ok(wins > 1_850 && wins < 2_150, `${wins} of 3000, 2000 expected`);
});

test("a node that goes moves only the shards on which it stood before others", () => {
  const gone = NODES[5] as Contender;
  const rest = NODES.filter((one) => one !== gone);
  for (let shard = 0; shard < 50; shard += 1) {
    const before = ordersOf(NODES, shard);
    const after = ordersOf(rest, shard);
    const goneAt = before.get(gone.node.id)?.place ?? 0;
    for (const [id, { place }] of after) {
      assert.equal(before.get(id)?.place, place >= goneAt ? place + 1 : place);
    }
  }
});

test("a known root stands first; the slow stand after the fast, those that can't fetch at the end", () => {
  const slow = contender("slow", 10e6);
  const barred = contender("barred", 125e6, false);
  for (let shard = 0; shard < 20; shard += 1) {
    const orders = ordersOf([...NODES, slow, barred], shard);
    assert.equal(orders.get(barred.node.id)?.place, 41);
    assert.equal(orders.get(slow.node.id)?.place, 40);
    const rooted = ordersOf([...NODES, slow, barred], shard, slow.node.id);
    assert.equal(rooted.get(slow.node.id)?.place, 0);
  }
});
