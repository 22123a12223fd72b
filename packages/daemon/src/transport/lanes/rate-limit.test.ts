import assert from "node:assert/strict";
import { test } from "node:test";
import { RateLimit } from "./rate-limit.js";

test("who waits for hours goes on once the limit is lifted, in whichever thread", async () => {
  const limit = RateLimit.of(1);
  const waitMs = limit.reserve(10_000);
  assert.ok(waitMs > 3_600_000);
  const waits = [limit.waitOut(waitMs), RateLimit.join(limit.shared).waitOut(waitMs)];
  limit.set(undefined);
  await Promise.all(waits);
  assert.equal(limit.reserve(1e9), 0);
});

test("a lower rate holds from the next byte on, and an abort ends the wait", async () => {
  const limit = RateLimit.of(undefined);
  assert.equal(limit.reserve(1e12), 0);
  limit.set(1_000);
  assert.ok(limit.reserve(10_000) > 5_000);
  const abort = new AbortController();
  const taking = limit.take(10_000, abort);
  abort.abort();
  await assert.rejects(taking, { code: "INTERRUPTED" });
});
