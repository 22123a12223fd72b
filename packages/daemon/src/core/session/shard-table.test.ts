import assert from "node:assert/strict";
import { test } from "node:test";
import type { ShardState } from "./shard.js";
import { ShardTable } from "./shard-table.js";

const SHARD = 100;

/** Shard 0 of a blob of 250 bytes, brought into a state. */
const inState: Record<ShardState["kind"], () => ShardTable> = {
  absent: () => new ShardTable(250, SHARD),
  assigned: () => {
    const table = inState.absent();
    table.assign(0, 1);
    return table;
  },
  arriving: () => {
    const table = inState.assigned();
    table.arrive(0, 40);
    return table;
  },
  checked: () => {
    const table = inState.arriving();
    table.check(0);
    return table;
  },
  verified: () => {
    const table = inState.absent();
    for (const shard of [0, 1, 2]) {
      table.assign(shard, 1);
      table.check(shard);
    }
    table.verify();
    return table;
  },
};

const actions = {
  assign: (table: ShardTable) => table.assign(0, 2),
  assignRival: (table: ShardTable) => table.assignRival(0, 2),
  arrive: (table: ShardTable) => table.arrive(0, 60),
  release: (table: ShardTable) => table.release(0, 1),
  check: (table: ShardTable) => table.check(0),
  reject: (table: ShardTable) => table.reject(0),
  forget: (table: ShardTable) => table.forget(0),
};

const allowed: Record<keyof typeof actions, Partial<Record<ShardState["kind"], ShardState["kind"]>>> = {
  assign: { absent: "assigned" },
  assignRival: { assigned: "assigned", arriving: "arriving" },
  arrive: { assigned: "arriving", arriving: "arriving" },
  release: { assigned: "absent", arriving: "absent" },
  check: { assigned: "checked", arriving: "checked" },
  reject: { checked: "absent" },
  forget: { absent: "absent" },
};

for (const [action, run] of Object.entries(actions) as [keyof typeof actions, (table: ShardTable) => void][]) {
  for (const [from, make] of Object.entries(inState) as [ShardState["kind"], () => ShardTable][]) {
    const to = allowed[action][from];
    test(`${action}: ${from} -> ${to ?? "refused"}`, () => {
      const table = make();
      if (to === undefined) {
        assert.throws(() => run(table), { code: "INTERNAL" });
        return;
      }
      run(table);
      assert.equal(table.state(0).kind, to);
      assert.equal(table.absent.has(0), to === "absent");
      assert.equal(table.held.has(0), to === "checked");
    });
  }
}

test("a released shard keeps its bytes and is resumed from there", () => {
  const table = inState.arriving();
  table.release(0, 1);
  assert.equal(table.watermark(0), 40);
});

test("of two attempts the first to go leaves the shard to the other", () => {
  const table = inState.arriving();
  table.assignRival(0, 2);
  table.release(0, 1);
  assert.deepEqual(table.state(0), { kind: "arriving", watermarkBytes: 40, attempts: [2] });
});

test("a journal that claims nonsense is believed only where it makes sense", () => {
  const table = new ShardTable(250, SHARD);
  table.restore({
    checked: [1, 1, 7, -1],
    partial: [
      { shard: 0, watermarkBytes: 30 },
      { shard: 1, watermarkBytes: 30 },
      { shard: 2, watermarkBytes: 1_000 },
      { shard: 9, watermarkBytes: 5 },
    ],
  });
  assert.deepEqual([...table.held], [1]);
  assert.equal(table.watermark(0), 30);
  assert.equal(table.watermark(2), 49, "whole but not hashed: the last byte is fetched again");
});
