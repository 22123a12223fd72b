import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { LinkCheck } from "./link-check.js";
import type { LaneAddress } from "./ports.js";

const CABLE: LaneAddress = { link: "cable", host: "10.1.0.2", port: 7481 };
const LAN: LaneAddress = { link: "lan", host: "10.2.0.2", port: 7481 };
const BOTH = [CABLE, LAN];
const OPTIONS = { quietMs: 200, lookMs: 5, answerMs: 20, againMs: 5, aliveMs: 1_000, deadMs: 10_000 };

describe("the check of a silent link", () => {
  let nowMs: number;
  let answering: Set<string>;
  let asked: string[];
  let dead: LaneAddress[];
  let check: LinkCheck;

  beforeEach(() => {
    nowMs = 1;
    answering = new Set([CABLE.host, LAN.host]);
    [asked, dead] = [[], []];
    check = new LinkCheck(OPTIONS, {
      isReachable: async (host) => {
        asked.push(host);
        return answering.has(host);
      },
      nowMs: () => nowMs,
      onDead: (address) => dead.push(address),
    });
  });

  it("a link that does not answer, where another does, is dead, and the last to be tried for a while", async () => {
    answering.delete(CABLE.host);
    await check.check(CABLE, BOTH);
    assert.deepEqual(dead, [CABLE]);
    assert.deepEqual(check.deadLast(BOTH), [LAN, CABLE]);
    nowMs += OPTIONS.deadMs;
    assert.deepEqual(check.deadLast(BOTH), BOTH);
  });

  it("a link that answers is alive, and not asked again at once", async () => {
    await check.check(CABLE, BOTH);
    assert.deepEqual([dead, check.deadLast(BOTH)], [[], BOTH]);
    const before = asked.length;
    await check.check(CABLE, BOTH);
    assert.equal(asked.length, before);
    nowMs += OPTIONS.aliveMs + OPTIONS.answerMs;
    await check.check(CABLE, BOTH);
    assert.ok(asked.length > before);
  });

  it("a link that answers the second time only is alive", async () => {
    let times = 0;
    const lossy = new LinkCheck(OPTIONS, {
      isReachable: async (host) => {
        if (host === CABLE.host) times += 1;
        return host === LAN.host || times > 1;
      },
      nowMs: () => nowMs,
      onDead: (address) => dead.push(address),
    });
    await lossy.check(CABLE, BOTH);
    assert.deepEqual([times, dead], [2, []]);
  });

  it("where nothing answers, it is not the link", async () => {
    answering.clear();
    await check.check(CABLE, BOTH);
    assert.deepEqual(dead, []);
  });

  it("watches a connection that has another way, while it is quiet", async () => {
    answering.delete(CABLE.host);
    const quiet = { address: CABLE, quietMs: 0 };
    const stop = check.watch(quiet, BOTH);
    const stopAlone = check.watch({ address: CABLE, quietMs: 1_000 }, [CABLE]);
    await new Promise((resolve) => setTimeout(resolve, 10 * OPTIONS.lookMs));
    assert.deepEqual(asked, []);
    quiet.quietMs = OPTIONS.quietMs;
    while (dead.length === 0) await new Promise(setImmediate);
    stop();
    stopAlone();
    assert.deepEqual(dead, [CABLE]);
  });
});
