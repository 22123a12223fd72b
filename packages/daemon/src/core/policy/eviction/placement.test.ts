import assert from "node:assert/strict";
import { test } from "node:test";
import type { NodeId } from "@swarmd/protocol";
import { choosePlaces } from "./placement.js";

const place = (node: string, roomBytes: number, holdsIt = false) => ({ node: node as NodeId, roomBytes, holdsIt });

const table = [
  { id: "the most room first", places: [place("a", 20), place("b", 30)], copies: 1, chosen: ["b"] },
  { id: "names break ties", places: [place("b", 20), place("a", 20)], copies: 2, chosen: ["a", "b"] },
  { id: "no second copy on one node", places: [place("a", 99, true), place("b", 20)], copies: 2, chosen: ["b"] },
  { id: "nobody has to evict for it", places: [place("a", 9), place("b", 10)], copies: 2, chosen: ["b"] },
  { id: "enough copies are enough", places: [place("a", 20)], copies: -1, chosen: [] },
];

for (const { id, places, copies, chosen } of table) {
  test(id, () => assert.deepEqual(choosePlaces(places, 10, copies), chosen));
}
