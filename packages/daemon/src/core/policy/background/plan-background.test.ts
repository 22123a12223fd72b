import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseDayHours } from "@swarmd/protocol";
import {
  type BackgroundPlan,
  CALM_MS,
  isWorthAnotherTry,
  planBackground,
  retryAfterMs,
  type Situation,
  type WaitingJob,
} from "./plan-background.js";

const job = (id: number, more: Partial<WaitingJob> = {}): WaitingJob => {
  return { id, hours: undefined, retryAtMs: 0, lacksOrigin: false, needsOrigin: false, ...more };
};

const CALM: Situation = {
  nowMs: 1_000_000,
  minute: 12 * 60,
  isSomebodyWaiting: false,
  calmSinceMs: 0,
  originLeftBytes: Number.POSITIVE_INFINITY,
  hasPeers: true,
  running: undefined,
};
const NIGHT = { hours: parseDayHours("22:00-06:00") };

interface Row {
  readonly id: string;
  readonly jobs: readonly WaitingJob[];
  readonly situation: Partial<Situation>;
  /** Id and whether it asks the origin. */
  readonly runs: readonly [number, boolean] | undefined;
  readonly holds?: Readonly<Record<number, string>>;
}

const TABLE: readonly Row[] = [
  { id: "nothing to do", jobs: [], situation: {}, runs: undefined },
  {
    id: "the first begins, the others wait for their turn",
    jobs: [job(3), job(1)],
    situation: {},
    runs: [3, true],
    holds: { 1: "turn" },
  },
  {
    id: "what has begun goes on, whatever comes before it now",
    jobs: [job(1), job(2)],
    situation: { running: { id: 2, fromOrigin: true } },
    runs: [2, true],
    holds: { 1: "turn" },
  },
  {
    id: "nothing runs while somebody waits",
    jobs: [job(1), job(2)],
    situation: { isSomebodyWaiting: true, running: { id: 1, fromOrigin: true } },
    runs: undefined,
    holds: { 1: "yields", 2: "yields" },
  },
  {
    id: "nothing begins in the moments after",
    jobs: [job(1)],
    situation: { calmSinceMs: CALM.nowMs - CALM_MS + 1 },
    runs: undefined,
    holds: { 1: "yields" },
  },
  { id: "and then it does", jobs: [job(1)], situation: { calmSinceMs: CALM.nowMs - CALM_MS }, runs: [1, true] },
  {
    id: "outside its hours a job lets others go first",
    jobs: [job(1, NIGHT), job(2)],
    situation: {},
    runs: [2, true],
    holds: { 1: "hours until 22:00" },
  },
  {
    id: "a job stops when its hours end",
    jobs: [job(1, NIGHT)],
    situation: { minute: 6 * 60, running: { id: 1, fromOrigin: true } },
    runs: undefined,
    holds: { 1: "hours until 22:00" },
  },
  { id: "a job runs in its hours", jobs: [job(1, NIGHT)], situation: { minute: 5 * 60 + 59 }, runs: [1, true] },
  {
    id: "with the budget used up, peers still serve",
    jobs: [job(1)],
    situation: { originLeftBytes: 0, running: { id: 1, fromOrigin: true } },
    runs: [1, false],
  },
  {
    id: "with the budget used up and no peers, it is over for the day",
    jobs: [job(1)],
    situation: { originLeftBytes: 0, hasPeers: false },
    runs: undefined,
    holds: { 1: "budget until 00:00" },
  },
  {
    id: "what no peer can have waits for the budget",
    jobs: [job(1, { needsOrigin: true }), job(2)],
    situation: { originLeftBytes: 0 },
    runs: [2, false],
    holds: { 1: "budget until 00:00" },
  },
  {
    id: "what peers did not have is tried with them again later",
    jobs: [job(1, { retryAtMs: CALM.nowMs + 1, lacksOrigin: true }), job(2)],
    situation: { originLeftBytes: 0 },
    runs: [2, false],
    holds: { 1: "budget until 00:00" },
  },
  {
    id: "and with the origin at once when there is budget again",
    jobs: [job(1, { retryAtMs: CALM.nowMs + 1, lacksOrigin: true })],
    situation: {},
    runs: [1, true],
  },
  {
    id: "what failed waits for a while",
    jobs: [job(1, { retryAtMs: CALM.nowMs + 1 }), job(2)],
    situation: {},
    runs: [2, true],
    holds: { 1: "retry" },
  },
  { id: "and is tried again", jobs: [job(1, { retryAtMs: CALM.nowMs })], situation: {}, runs: [1, true] },
];

function holdsOf({ holds }: BackgroundPlan): Record<number, string> {
  return Object.fromEntries(
    [...holds].map(([id, { reason, until }]) => [id, until === undefined ? reason : `${reason} until ${until}`]),
  );
}

describe("what runs in the background", () => {
  for (const { id, jobs, situation, runs, holds = {} } of TABLE) {
    it(id, () => {
      const plan = planBackground(jobs, { ...CALM, ...situation });
      assert.deepEqual(plan.run, runs === undefined ? undefined : { id: runs[0], fromOrigin: runs[1] });
      assert.deepEqual(holdsOf(plan), holds);
    });
  }

  it("is never anything while somebody waits, nothing outside its hours, and nothing from the origin beyond the budget", () => {
    let seed = 1;
    const random = (below: number) => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % below;
    };
    for (let round = 0; round < 20_000; round += 1) {
      const jobs = Array.from({ length: random(5) }, (_, id) =>
        job(id, {
          hours: random(2) === 0 ? undefined : { fromMinute: random(1440), toMinute: 1 + random(1440) },
          retryAtMs: random(3) * CALM.nowMs,
          lacksOrigin: random(2) === 0,
          needsOrigin: random(2) === 0,
        }),
      );
      const situation: Situation = {
        nowMs: CALM.nowMs,
        minute: random(1440),
        isSomebodyWaiting: random(3) === 0,
        calmSinceMs: CALM.nowMs - random(4000),
        originLeftBytes: random(2),
        hasPeers: random(2) === 0,
        running: random(2) === 0 ? undefined : { id: random(5), fromOrigin: random(2) === 0 },
      };
      const { run, holds } = planBackground(jobs, situation);
      assert.equal(holds.size + (run === undefined ? 0 : 1), jobs.length, "each job runs or has a reason not to");
      if (run === undefined) continue;
      const chosen = jobs.find(({ id }) => id === run.id);
      assert.ok(chosen !== undefined && !holds.has(run.id));
      assert.equal(situation.isSomebodyWaiting, false);
      assert.equal(run.fromOrigin, situation.originLeftBytes > 0);
      if (!run.fromOrigin) assert.ok(situation.hasPeers && !chosen.needsOrigin);
      const { hours } = chosen;
      if (hours === undefined) continue;
      const { fromMinute, toMinute } = hours;
      const sinceMinutes = (situation.minute - fromMinute + 1440) % 1440;
      assert.ok(sinceMinutes < ((toMinute - fromMinute + 1440) % 1440 || 1440));
    }
  });
});

describe("another try", () => {
  it("comes later each time, and at least every hour", () => {
    assert.deepEqual([1, 2, 3, 8, 9, 99].map(retryAfterMs), [30_000, 60_000, 120_000, 3_600_000, 3_600_000, 3_600_000]);
  });

  it("is for what may change by itself", () => {
    assert.deepEqual(
      (["NO_SOURCE", "ORIGIN_FAULT", "NO_SPACE", "CACHE_FULL", "STORE_FAULT"] as const).filter(
        (code) => !isWorthAnotherTry(code),
      ),
      [],
    );
    assert.deepEqual(
      (["REPO_NOT_FOUND", "ACCESS_GATED", "USAGE", "INTEGRITY"] as const).filter((code) => isWorthAnotherTry(code)),
      [],
    );
  });
});
