import assert from "node:assert/strict";
import { test } from "node:test";
import { backOffMs } from "./back-off.js";
import { OriginHealth } from "./origin-health.js";

const table: { id: string; run: (origin: OriginHealth) => void; blockedUntilMs: number }[] = [
  { id: "one failure stops nobody", run: (origin) => origin.failed(0, undefined, 0.5), blockedUntilMs: 0 },
  {
    id: "two failures with bytes in between stop nobody",
    run: (origin) => {
      origin.failed(0, undefined, 0.5);
      origin.progressed();
      origin.failed(10, undefined, 0.5);
    },
    blockedUntilMs: 0,
  },
  {
    id: "ten requests that fail together are one round",
    run: (origin) => {
      for (let i = 0; i < 10; i += 1) origin.failed(0, undefined, 0.5);
    },
    blockedUntilMs: 2_000,
  },
  {
    id: "round after round the wait doubles",
    run: (origin) => {
      origin.failed(0, undefined, 0.5);
      for (const atMs of [0, 2_000, 6_000]) origin.failed(atMs, undefined, 0.5);
    },
    blockedUntilMs: 14_000,
  },
  { id: "Retry-After is obeyed at once", run: (origin) => origin.failed(100, 5_000, 0.5), blockedUntilMs: 5_100 },
];

for (const { id, run, blockedUntilMs } of table) {
  test(id, () => {
    const origin = new OriginHealth();
    run(origin);
    assert.equal(origin.blockedUntilMs, blockedUntilMs);
  });
}

test("back-off is 2, 4, 8 s with a quarter of jitter each way, and ends growing at a minute", () => {
  assert.deepEqual(
    [1, 2, 3].map((failures) => backOffMs(failures, 0.5)),
    [2_000, 4_000, 8_000],
  );
  assert.equal(backOffMs(1, 0), 1_500);
  assert.equal(backOffMs(1, 1), 2_500);
  assert.equal(backOffMs(30, 0.5), 60_000);
});
