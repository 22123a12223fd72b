import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { findNearest, suggestNearest } from "./nearest.js";

describe("findNearest", () => {
  const cases = [
    { id: "two letters swapped", word: "modles", choices: ["models", "spaces"], nearest: "models" },
    { id: "a letter missing", word: "revison", choices: ["revision", "region"], nearest: "revision" },
    { id: "a letter too many", word: "jsonn", choices: ["json", "pretty"], nearest: "json" },
    { id: "case is no slip", word: "JSON", choices: ["json"], nearest: "json" },
    { id: "a short word may have one slip", word: "lz", choices: ["ls"], nearest: "ls" },
    { id: "nothing is near", word: "banana", choices: ["json", "pretty"], nearest: undefined },
    { id: "no choices", word: "json", choices: [], nearest: undefined },
    { id: "a word beyond reason", word: "x".repeat(1000), choices: ["x"], nearest: undefined },
  ];
  for (const { id, word, choices, nearest } of cases) {
    it(id, () => assert.equal(findNearest(word, choices), nearest));
  }

  it("suggests in a sentence, or not at all", () => {
    assert.equal(suggestNearest("jsno", ["json"]), "Did you mean json?");
    assert.equal(suggestNearest("banana", ["json"]), undefined);
  });
});
