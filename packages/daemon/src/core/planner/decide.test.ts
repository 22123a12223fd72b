import assert from "node:assert/strict";
import { test } from "node:test";
import { parseNodeId } from "@swarmd/protocol";
import { decide } from "./decide.js";
import type { Question } from "./question.js";

const A = parseNodeId("a");
const B = parseNodeId("b");
const C = parseNodeId("c");

/** Nobody has the shard, nobody else wants it, and the origin has a worker free. */
const QUESTION: Question = {
  nowMs: 1_000,
  holder: undefined,
  areHoldersBusy: false,
  isRare: false,
  seed: undefined,
  areSeedsBusy: false,
  hints: [],
  hasRivals: false,
  settleUntilMs: 0,
  order: { place: 0, first: undefined },
  above: [],
  isInWindow: true,
  hasRoot: false,
  mayTakeDuty: true,
  hasDutyFailed: false,
  canAskOrigin: true,
  isOriginAllowed: true,
  waitingSinceMs: 1_000,
  random: 0.5,
  mayAsk: () => true,
};
const FOLLOWER = { hasRivals: true, order: { place: 2, first: A }, above: [B, A] } as const;

const table: { id: string; question: Partial<Question>; answer: string }[] = [
  { id: "alone, the origin", question: {}, answer: "origin order" },
  { id: "a holder goes before the origin", question: { holder: A }, answer: "a order" },
  { id: "the only holder's shard is the rarest", question: { holder: A, isRare: true }, answer: "a rarest" },
  { id: "busy holders are waited for", question: { areHoldersBusy: true }, answer: "wait:slots" },
  { id: "a hint goes before the tree", question: { ...FOLLOWER, hints: [C] }, answer: "c relay" },
  {
    id: "a hint that may not be asked is passed over",
    question: { ...FOLLOWER, hints: [C], mayAsk: (peer) => peer !== C },
    answer: "b relay",
  },
  { id: "wants may still come: wait", question: { settleUntilMs: 1_200 }, answer: "wait:wants" },
  {
    id: "a holder is asked even while wants may come",
    question: { holder: A, settleUntilMs: 1_200 },
    answer: "a order",
  },
  { id: "first among wanters: duty at the origin", question: { hasRivals: true }, answer: "origin duty" },
  { id: "first, and a scarce seed has it: duty at the seed", question: { hasRivals: true, seed: A }, answer: "a duty" },
  {
    id: "a scarce seed that is busy is waited for, not bypassed",
    question: { hasRivals: true, areSeedsBusy: true },
    answer: "wait:slots",
  },
  {
    id: "first since another failed: takeover",
    question: { hasRivals: true, hasDutyFailed: true },
    answer: "origin takeover",
  },
  { id: "first, but no worker free", question: { hasRivals: true, canAskOrigin: false }, answer: "wait:slots" },
  {
    id: "first, but outside of the window",
    question: { hasRivals: true, isInWindow: false },
    answer: "wait:duty-elsewhere",
  },
  { id: "not first: follow the parent", question: FOLLOWER, answer: "b relay" },
  { id: "the parent is full: the next", question: { ...FOLLOWER, mayAsk: (peer) => peer !== B }, answer: "a relay" },
  { id: "all are full: wait", question: { ...FOLLOWER, mayAsk: () => false }, answer: "wait:duty-elsewhere" },
  {
    id: "outside of the window, nobody began: wait",
    question: { ...FOLLOWER, isInWindow: false },
    answer: "wait:duty-elsewhere",
  },
  {
    id: "outside of the window, but somebody began: follow",
    question: { ...FOLLOWER, isInWindow: false, hasRoot: true },
    answer: "b relay",
  },
  {
    id: "long without a byte of anything: the origin itself",
    question: { ...FOLLOWER, mayAsk: () => false, nowMs: 60_000 },
    answer: "origin fallback",
  },
  {
    id: "offline and alone: wait for a source",
    question: { mayTakeDuty: false, canAskOrigin: false, isOriginAllowed: false },
    answer: "wait:no-source",
  },
];

for (const { id, question, answer } of table) {
  test(id, () => {
    const given = decide({ ...QUESTION, ...question });
    const who = given.kind === "peer" ? `${given.peer} ` : given.kind === "origin" ? "origin " : "";
    assert.equal(`${who}${given.reason}`, answer);
  });
}
