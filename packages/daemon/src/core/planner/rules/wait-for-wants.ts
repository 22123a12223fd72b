/** Before the first byte from a scarce source, hear who else wants the blob; else cold nodes would all begin the same shards. */
import type { Rule } from "../question.js";

export const waitForWants: Rule = ({ nowMs, settleUntilMs }) =>
  nowMs < settleUntilMs ? { kind: "wait", reason: "wait:wants", untilMs: settleUntilMs } : undefined;
