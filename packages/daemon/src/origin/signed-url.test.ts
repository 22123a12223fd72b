import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { renewalTimeMs } from "./signed-url.js";

describe("renewalTimeMs", () => {
  const nowMs = Date.UTC(2026, 0, 1);
  const cases = [
    { id: "Expires, half a minute early", query: `Expires=${nowMs / 1000 + 3600}`, inMs: 3_570_000 },
    { id: "a short life gives up a tenth", query: `Expires=${nowMs / 1000 + 10}`, inMs: 9_000 },
    { id: "one that is over is over", query: `Expires=${nowMs / 1000 - 10}`, inMs: -10_000 },
    { id: "S3", query: "X-Amz-Date=20260101T000000Z&X-Amz-Expires=3600", inMs: 3_570_000 },
    { id: "S3 without a date", query: "X-Amz-Expires=3600", inMs: undefined },
    { id: "not signed", query: "a=b", inMs: undefined },
    { id: "nonsense", query: "Expires=soon", inMs: undefined },
  ];
  for (const { id, query, inMs } of cases) {
    it(id, () => {
      const expected = inMs === undefined ? undefined : nowMs + inMs;
      assert.equal(renewalTimeMs(new URL(`https://cdn.example/x?${query}`), nowMs), expected);
    });
  }
});
