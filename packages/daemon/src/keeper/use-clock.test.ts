import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { UseClock } from "./use-clock.js";

const DAY_MS = 86_400_000;
const WALL_MS = 20_000 * DAY_MS;

function clockAt({ wallMs = WALL_MS, newestUseMs = 0 }: { readonly wallMs?: number; readonly newestUseMs?: number }) {
  let monotonicMs = 5;
  const clock = new UseClock({ wallMs, newestUseMs, monotonicMs: () => monotonicMs });
  const wait = (ms: number) => {
    monotonicMs += ms;
  };
  return { clock, wait };
}

describe("UseClock", () => {
  it("goes on with the monotonic clock, whatever the wall clock does", () => {
    const { clock, wait } = clockAt({});
    wait(1_000);
    assert.equal(clock.nowMs(), WALL_MS + 1_000);
  });

  it("never starts before the last use that was written down", () => {
    assert.equal(clockAt({ wallMs: WALL_MS - 365 * DAY_MS, newestUseMs: WALL_MS }).clock.nowMs(), WALL_MS);
  });

  it("takes a time stamp for as old as it is by the clock that made it", () => {
    const { clock, wait } = clockAt({});
    wait(1_000);
    // The wall clock was set a year ahead meanwhile, and the file read since.
    const wallNowMs = WALL_MS + 365 * DAY_MS;
    assert.equal(clock.fromWall(wallNowMs - 300, wallNowMs), WALL_MS + 700);
  });

  it("takes a stamp that is slightly ahead for now, and one from the future for the start of the run", () => {
    const { clock, wait } = clockAt({});
    wait(1_000);
    assert.equal(clock.fromWall(WALL_MS + 20_000, WALL_MS), WALL_MS + 1_000);
    assert.equal(clock.fromWall(WALL_MS + 365 * DAY_MS, WALL_MS), WALL_MS);
  });
});
