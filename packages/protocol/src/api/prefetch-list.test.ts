import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parsePrefetchList } from "./prefetch-list.js";

describe("a list of repos", () => {
  it("is one repo a line, with patterns behind it, and comments", () => {
    const text = `# for the lab
org/model
  org/other@v1.0   # the old one
datasets/org/data --include '*.parquet' --exclude="b c.bin"

org/third --include=*.safetensors --include "tokenizer*"
`;
    assert.deepEqual(parsePrefetchList(text), {
      pulls: [
        { target: "org/model" },
        { target: "org/other@v1.0" },
        { target: "datasets/org/data", include: ["*.parquet"], exclude: ["b c.bin"] },
        { target: "org/third", include: ["*.safetensors", "tokenizer*"] },
      ],
      problems: [],
    });
  });

  it("may come from Windows, with a mark at its start", () => {
    const { pulls, problems } = parsePrefetchList("\uFEFForg/a\r\norg/b\r\n");
    assert.deepEqual(pulls, [{ target: "org/a" }, { target: "org/b" }]);
    assert.deepEqual(problems, []);
  });

  it("has each repo once", () => {
    assert.deepEqual(parsePrefetchList("org/a\norg/a\norg/a --include x\n").pulls, [
      { target: "org/a" },
      { target: "org/a", include: ["x"] },
    ]);
  });

  const wrong: readonly (readonly [line: string, says: RegExp])[] = [
    ["org/a org/b", /neither --include nor --exclude: "org\/b"/],
    ["org/a --include", /--include is the last word/],
    ["https://host/model.gguf", /a list names repos/],
    ["../etc/passwd", /./],
    ["org/a@", /./],
    ["org/a --include '*.bin", /a quote is not closed/],
    ["org/a --revision v1", /neither --include nor --exclude: "--revision"/],
  ];
  for (const [line, says] of wrong) {
    it(`${JSON.stringify(line)} is wrong, which its line number tells, and the other lines count`, () => {
      const { pulls, problems } = parsePrefetchList(`org/first\n${line}\norg/last`);
      assert.deepEqual(pulls, [{ target: "org/first" }, { target: "org/last" }]);
      assert.equal(problems.length, 1);
      assert.equal(problems[0]?.line, 2);
      assert.match(problems[0]?.message ?? "", says);
    });
  }

  it("ends at ten thousand repos", () => {
    const { pulls, problems } = parsePrefetchList(Array.from({ length: 10_050 }, (_, i) => `org/m${i}`).join("\n"));
    assert.equal(pulls.length, 10_000);
    assert.deepEqual(problems, [{ line: 10_001, message: "more than 10000 repos" }]);
  });
});
