import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { renderTable } from "./table.js";

describe("renderTable", () => {
  it("aligns columns, and pads no line's end", () => {
    const lines = renderTable(
      [{ title: "REPO" }, { title: "SIZE", align: "right" }, { title: "REF" }],
      [
        ["org/模型", "1 B", "main"],
        ["a", "100 GB", ""],
      ],
    );
    assert.deepEqual(lines, ["REPO        SIZE  REF", "org/模型     1 B  main", "a         100 GB"]);
  });

  it("is a heading alone without rows", () => assert.deepEqual(renderTable([{ title: "A" }], []), ["A"]));
});
