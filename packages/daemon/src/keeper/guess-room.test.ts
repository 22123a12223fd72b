import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { guessRoom, type RoomGuess, type RoomQuestion } from "./guess-room.js";

const EMPTY_DISK = { freeBytes: 900, totalBytes: 1_000 };

const table: { readonly id: string; readonly ask: Partial<RoomQuestion>; readonly is: RoomGuess }[] = [
  { id: "no bound, and the disk is empty", ask: {}, is: "certain" },
  { id: "no bound, and less than a tenth would stay free", ask: { neededBytes: 850 }, is: "unknown" },
  { id: "no bound, and the margin would not stay free", ask: { marginBytes: 800, neededBytes: 200 }, is: "unknown" },
  { id: "the bound is far", ask: { bounds: { maxBytes: 500 }, extent: { bytes: 100, models: 1 } }, is: "certain" },
  { id: "the bound is near", ask: { bounds: { maxBytes: 500 }, extent: { bytes: 495, models: 1 } }, is: "unknown" },
  {
    id: "models: several come at once",
    ask: { bounds: { maxModels: 5 }, extent: { bytes: 1, models: 4 }, pulls: 2 },
    is: "unknown",
  },
  { id: "nobody has looked yet, and the disk has room", ask: { bounds: { maxBytes: 500 } }, is: "likely" },
  { id: "nobody has looked yet, and it can't fit anyway", ask: { bounds: { maxBytes: 5 } }, is: "unknown" },
  {
    id: "nobody has looked yet, and the disk is full",
    ask: { bounds: { minFreeBytes: 895, maxModels: 9 } },
    is: "unknown",
  },
  {
    id: "a share is reserved: who is pinned has to be known",
    ask: { bounds: { maxBytes: 500, reservedPinnedShare: 0.5 }, extent: { bytes: 0, models: 0 } },
    is: "unknown",
  },
];

describe("guessRoom", () => {
  for (const { id, ask, is } of table) {
    it(id, () => {
      const question = { bounds: {}, disk: EMPTY_DISK, marginBytes: 10, extent: undefined, neededBytes: 10, pulls: 1 };
      assert.equal(guessRoom({ ...question, ...ask }), is);
    });
  }
});
