/** Whoever holds the shard, checked, is the shortest way. Busy holders are waited for: they are free again within moments. */
import type { Rule } from "../question.js";

/** A slot comes free when a shard is through; asking much oftener only costs messages. */
const RETRY_MS = 100;

export const fromHolder: Rule = ({ holder, areHoldersBusy, isRare, nowMs, random }) => {
  if (holder !== undefined) return { kind: "peer", peer: holder, reason: isRare ? "rarest" : "order", isRoot: false };
  if (!areHoldersBusy) return undefined;
  return { kind: "wait", reason: "wait:slots", untilMs: nowMs + RETRY_MS * (0.5 + random) };
};
