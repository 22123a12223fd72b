/** The first in the order of a shard takes it from the scarce source: a seed if there is one, else the origin. */
import type { Rule } from "../question.js";

const RETRY_MS = 100;

export const takeDuty: Rule = (question) => {
  const { order, mayTakeDuty, hasDutyFailed, hasRivals, seed, areSeedsBusy, nowMs, random } = question;
  if (!mayTakeDuty || !question.isInWindow || order.place !== 0) return undefined;
  const reason = hasDutyFailed ? "takeover" : hasRivals ? "duty" : "order";
  if (seed !== undefined) return { kind: "peer", peer: seed, reason, isRoot: true };
  if (areSeedsBusy) return { kind: "wait", reason: "wait:slots", untilMs: nowMs + RETRY_MS * (0.5 + random) };
  if (question.canAskOrigin) return { kind: "origin", reason };
  if (!question.isOriginAllowed) return undefined;
  return { kind: "wait", reason: "wait:slots", untilMs: nowMs + RETRY_MS * (0.5 + random) };
};
