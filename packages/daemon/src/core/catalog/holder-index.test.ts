import assert from "node:assert/strict";
import { test } from "node:test";
import { ShardSet } from "../shard-set.js";
import { HolderIndex, type Indexed } from "./holder-index.js";

interface Part extends Indexed {
  readonly name: number;
  isComplete: boolean;
}

const SHARDS = 3;

function part(name: number, shards: readonly number[], isComplete = false): Part {
  const holds = new ShardSet(SHARDS);
  for (const shard of shards) holds.add(shard);
  return { name, slot: 0, holds, isComplete };
}

function found(index: HolderIndex<Part>, shard: number, first = 0, which: "any" | "partial" = "any"): number[] {
  const names: number[] = [];
  index.visit(shard, first, which, ({ name }) => names.push(name) > 0);
  return names;
}

/** Every third holds shard 1, every fortieth is complete. */
const MANY = Array.from({ length: 100 }, (_, name) => part(name, name % 3 === 0 ? [1] : [2], name % 40 === 39));
const holders = (names: readonly number[]) => names.filter((name) => name % 3 === 0 || name % 40 === 39);
const NAMES = MANY.map(({ name }) => name);

const table: { id: string; first: number; which: "any" | "partial"; expected: readonly number[] }[] = [
  { id: "holders and those that are complete", first: 0, which: "any", expected: holders(NAMES) },
  {
    id: "only those with a part",
    first: 0,
    which: "partial",
    expected: NAMES.filter((n) => n % 3 === 0 && n % 40 !== 39),
  },
  {
    id: "from the middle of a word and round",
    first: 50,
    which: "any",
    expected: holders([...NAMES.slice(50), ...NAMES.slice(0, 50)]),
  },
  {
    id: "from the start of a word and round",
    first: 64,
    which: "any",
    expected: holders([...NAMES.slice(64), ...NAMES.slice(0, 64)]),
  },
];

for (const { id, first, which, expected } of table) {
  test(`holders of a shard: ${id}`, () =>
    assert.deepEqual(found(new HolderIndex(SHARDS, MANY), 1, first, which), expected));
}

test("built one by one it is the same, over many words", () => {
  const index = new HolderIndex<Part>(SHARDS, []);
  for (const one of MANY) index.add(one);
  assert.deepEqual(found(index, 1), holders(NAMES));
});

test("what is taken back, and who goes, is not found any more; the others keep their order when it is built anew", () => {
  const parts = Array.from({ length: 40 }, (_, name) => part(name, [0], name === 7));
  const index = new HolderIndex<Part>(SHARDS, parts);
  index.mark((parts[3] as Part).slot, 0, false);
  index.markComplete((parts[7] as Part).slot, false);
  index.mark((parts[7] as Part).slot, 0, false);
  parts[3]?.holds.delete(0);
  parts[7]?.holds.delete(0);
  (parts[7] as Part).isComplete = false;
  index.remove(parts[5] as Part);
  const left = parts.map(({ name }) => name).filter((name) => ![3, 5, 7].includes(name));
  assert.deepEqual(found(index, 0), left);
  const late = Array.from({ length: 60 }, (_, name) => part(100 + name, [0]));
  for (const one of late) index.add(one);
  assert.deepEqual(found(index, 0), [...left, ...late.map(({ name }) => name)]);
});

test("a visitor that has enough sees no more", () => {
  const names: number[] = [];
  new HolderIndex(SHARDS, MANY).visit(1, 0, "any", ({ name }) => names.push(name) < 2);
  assert.deepEqual(names, [0, 3]);
});
