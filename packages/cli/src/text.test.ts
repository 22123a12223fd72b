import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { padEnd, padStart, sanitize, truncateMiddle, widthOf } from "./text.js";

describe("text on a terminal", () => {
  it("control characters are shown, not obeyed", () => {
    assert.equal(sanitize("a\u001b[2Jb\r\nc\u202edoc"), "a?[2Jb??c?doc");
    assert.equal(sanitize("größe/模型.bin"), "größe/模型.bin");
  });

  it("wide characters take two columns", () => assert.equal(widthOf("模型"), 4));

  const cases: readonly [text: string, columns: number, want: string][] = [
    ["short", 10, "short"],
    ["model-00001-of-00004.safetensors", 15, "model-0…tensors"],
    ["模型模型模型", 7, "模型…型"],
    ["abc", 1, "…"],
    ["abc", 0, ""],
  ];
  for (const [text, columns, want] of cases) {
    it(`${text} in ${columns} columns`, () => assert.equal(truncateMiddle(text, columns), want));
  }

  it("never takes more columns than it may, whatever the text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 0, max: 40 }), (text, columns) => {
        const clean = sanitize(text);
        assert.ok(widthOf(truncateMiddle(clean, columns)) <= Math.max(columns, 0));
      }),
    );
  });

  it("pads by columns, not by characters", () => {
    assert.equal(padEnd("模", 4), "模  ");
    assert.equal(padStart("7", 3), "  7");
    assert.equal(padEnd("long", 2), "long");
  });
});
