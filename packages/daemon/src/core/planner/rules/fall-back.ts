/** The way out when the swarm gets nowhere with a shard: ask the origin ourselves. */
import type { Rule } from "../question.js";

/** Longer than any takeover takes; and spread out, so that a confused swarm does not fall upon the origin in one moment. */
const PATIENCE_MS = 15_000;
const SPREAD_MS = 15_000;

export const fallBack: Rule = ({ nowMs, waitingSinceMs, canAskOrigin, random }) =>
  canAskOrigin && nowMs - waitingSinceMs > PATIENCE_MS + random * SPREAD_MS
    ? { kind: "origin", reason: "fallback" }
    : undefined;
