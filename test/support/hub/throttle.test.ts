import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Throttle } from "./throttle.js";

const present = () => false;

describe("Throttle", () => {
  it("an unlimited link makes nobody wait", () => {
    assert.equal(new Throttle().take(1e9, present), undefined);
  });

  it("never lets more through than its rate and its small credit", async () => {
    const rate = 20_000_000;
    const throttle = new Throttle(rate);
    const startMs = performance.now();
    let bytes = 0;
    while (bytes < rate / 10) {
      await throttle.take(throttle.quantumBytes, present);
      bytes += throttle.quantumBytes;
    }
    const elapsedMs = performance.now() - startMs;
    // 100 ms of data, less 5 ms of credit and the last quantum (10 ms), which may be overdrawn.
    assert.ok(elapsedMs >= 80, `${bytes} bytes took only ${elapsedMs} ms`);
  });

  it("serves those who ask in turn, whatever they ask for before", async () => {
    const throttle = new Throttle(10_000_000);
    const taken = [0, 0, 0];
    const end = performance.now() + 100;
    await Promise.all(
      taken.map(async (_, i) => {
        while (performance.now() < end) {
          await throttle.take(throttle.quantumBytes, present);
          taken[i] = (taken[i] as number) + 1;
        }
      }),
    );
    assert.ok(Math.max(...taken) - Math.min(...taken) <= 1, `unfair: ${taken}`);
  });

  it("does not charge those who went away", async () => {
    const throttle = new Throttle(1_000);
    await throttle.take(1, present);
    // At 1,000 bytes per second these would take 1,000 seconds.
    await throttle.take(1_000_000, () => true);
    await throttle.take(1, present);
  });

  it("lets everybody go when it stops", async () => {
    const throttle = new Throttle(1);
    const waiting = [throttle.take(10, present), throttle.take(10, present)];
    throttle.stop();
    await Promise.all(waiting);
  });
});
