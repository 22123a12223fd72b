import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { allowsRange, matchesEtag, parseRange } from "./ranges.js";

const RANGES = [
  { id: "none is the whole", header: undefined, size: 10, want: "whole" },
  { id: "first and last byte, both included", header: "bytes=2-4", size: 10, want: { start: 2, end: 5 } },
  { id: "from here on", header: "bytes=4-", size: 10, want: { start: 4, end: 10 } },
  { id: "the last n", header: "bytes=-3", size: 10, want: { start: 7, end: 10 } },
  { id: "more than there is ends at the end", header: "bytes=8-99", size: 10, want: { start: 8, end: 10 } },
  { id: "past the end can't be satisfied", header: "bytes=10-", size: 10, want: "unsatisfiable" },
  { id: "no range of nothing can be satisfied", header: "bytes=0-0", size: 0, want: "unsatisfiable" },
  { id: "several ranges are ignored", header: "bytes=0-1,4-5", size: 10, want: "whole" },
  { id: "nonsense is ignored", header: "bytes=5-2", size: 10, want: "whole" },
] as const;

describe("ranges and conditions", () => {
  for (const { id, header, size, want } of RANGES) it(id, () => assert.deepEqual(parseRange(header, size), want));

  it("If-None-Match compares weakly, in lists, and knows *", () => {
    assert.ok(matchesEtag('"a", W/"b"', '"b"'));
    assert.ok(matchesEtag("*", '"b"'));
    assert.ok(!matchesEtag('"a"', '"b"'));
  });

  it("If-Range compares strongly", () => {
    assert.ok(allowsRange(undefined, '"a"'));
    assert.ok(allowsRange('"a"', '"a"'));
    assert.ok(!allowsRange('W/"a"', 'W/"a"'));
    assert.ok(!allowsRange('"a"', '"b"'));
  });
});
