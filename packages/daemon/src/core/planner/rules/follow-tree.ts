/** Somebody else is on duty: follow our parent in the shard's tree, or the next above it that takes us. */
import type { Rule } from "../question.js";

export const followTree: Rule = ({ order, hasRivals, mayAsk, random }) => {
  if (!hasRivals || order.place === 0) return undefined;
  for (const place of order.ancestors()) {
    const peer = order.at(place);
    if (mayAsk(peer)) return { kind: "peer", peer, reason: "relay", isRoot: false };
  }
  // All above us are full: any node before us in the order will have the shard sooner than we.
  const peer = order.at(Math.floor(random * order.place));
  return mayAsk(peer) ? { kind: "peer", peer, reason: "relay", isRoot: false } : undefined;
};
