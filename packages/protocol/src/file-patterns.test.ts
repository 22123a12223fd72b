import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { SwarmError } from "./errors.js";
import { compileFilePatterns } from "./file-patterns.js";

/** Checked against Python's fnmatch.fnmatchcase, and against `filter_repo_objects` for patterns that end in `/`. */
const CASES: readonly { id: string; pattern: string; yes?: readonly string[]; no?: readonly string[] }[] = [
  {
    id: "a plain name is the whole path",
    pattern: "config.json",
    yes: ["config.json"],
    no: ["a/config.json", "config_json"],
  },
  { id: "a star takes slashes", pattern: "*.json", yes: ["config.json", "a/b/c.json", ".json"], no: ["config.jsonl"] },
  { id: "a star in the middle", pattern: "model-*-of-*.bin", yes: ["model-1-of-2.bin"], no: ["model-1.bin"] },
  { id: "two stars are one", pattern: "**/x", yes: ["a/x", "a/b/x", "/x"], no: ["x"] },
  { id: "a question mark is one character, any", pattern: "a?b", yes: ["a/b", "axb", "a😀b"], no: ["ab", "axxb"] },
  { id: "case counts", pattern: "README*", yes: ["README.md"], no: ["readme.md"] },
  { id: "a folder means all below it", pattern: "onnx/", yes: ["onnx/model.onnx", "onnx/a/b", "onnx/"], no: ["onnx"] },
  { id: "a set", pattern: "[abc].txt", yes: ["a.txt", "c.txt"], no: ["d.txt", "ab.txt"] },
  { id: "a range", pattern: "m-0000[1-3].bin", yes: ["m-00001.bin", "m-00003.bin"], no: ["m-00004.bin"] },
  { id: "a set turned round", pattern: "[!a-c]", yes: ["d", "/", "!"], no: ["a", "b"] },
  { id: "a caret in a set is itself", pattern: "[^a]", yes: ["^", "a"], no: ["b"] },
  { id: "a bracket first in a set", pattern: "[]a]", yes: ["]", "a"], no: ["b"] },
  { id: "a bracket first in a set turned round", pattern: "[!]a]", yes: ["b"], no: ["]", "a"] },
  { id: "a hyphen at the edge of a set", pattern: "[a-]", yes: ["a", "-"], no: ["b"] },
  { id: "a range that runs backwards is empty", pattern: "[c-a]x", no: ["bx", "cx", "-x"] },
  { id: "an open bracket without an end is itself", pattern: "a[b", yes: ["a[b"], no: ["ab"] },
  { id: "an empty set without an end is itself", pattern: "[]", yes: ["[]"], no: ["]"] },
  { id: "[!] is no set", pattern: "[!]", yes: ["[!]"], no: ["!"] },
  { id: "what regular expressions mean by a dot, nobody means here", pattern: "a.b", yes: ["a.b"], no: ["axb"] },
  { id: "a backslash is itself", pattern: "a\\*", yes: ["a\\b"], no: ["a*"] },
];

describe("file patterns", () => {
  for (const { id, pattern, yes = [], no = [] } of CASES) {
    it(`${id}: ${pattern}`, () => {
      const isIncluded = compileFilePatterns({ include: [pattern] });
      const isKept = compileFilePatterns({ exclude: [pattern] });
      for (const path of yes) assert.deepEqual([isIncluded(path), isKept(path)], [true, false], path);
      for (const path of no) assert.deepEqual([isIncluded(path), isKept(path)], [false, true], path);
    });
  }

  it("nothing asked for is everything", () => {
    assert.equal(compileFilePatterns({})("a"), true);
    assert.equal(compileFilePatterns({ include: [], exclude: [] })("a"), true);
  });

  it("excluding wins over including", () => {
    const matches = compileFilePatterns({ include: ["*.json", "*.bin"], exclude: ["opt*"] });
    assert.deepEqual(["a.json", "b.bin", "opt.json", "c.txt"].map(matches), [true, true, false, false]);
  });

  it("a pattern made to blow up a backtracking matcher is answered at once", () => {
    const matches = compileFilePatterns({ include: [`${"*a".repeat(500)}b`] });
    assert.equal(matches("a".repeat(1000)), false);
  });

  for (const [id, patterns] of [
    ["an empty pattern", [""]],
    ["a pattern beyond any path", ["x".repeat(1025)]],
    ["too many patterns", Array.from({ length: 1001 }, () => "x")],
  ] as const) {
    it(`refuses ${id}`, () => {
      const isUsage = (error: SwarmError) => error.code === "USAGE" && error.hint !== undefined;
      assert.throws(() => compileFilePatterns({ exclude: patterns }), isUsage);
    });
  }
});
