/** Nothing can be done now: say what for, and look again soon. */
import type { Answer, Question } from "../question.js";

const RETRY_MS = 150;

export function wait({ hasRivals, nowMs, random }: Question): Answer {
  const reason = hasRivals ? "wait:duty-elsewhere" : "wait:no-source";
  return { kind: "wait", reason, untilMs: nowMs + RETRY_MS * (0.5 + random) };
}
