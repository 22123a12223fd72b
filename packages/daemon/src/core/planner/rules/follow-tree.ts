/** Somebody else is on duty: follow our parent in the shard's tree, or another that stands before us and has a slot free. */
import type { Rule } from "../question.js";

export const followTree: Rule = ({ hasRivals, isInWindow, hasRoot, above, mayAsk }) => {
  if (!hasRivals || !(isInWindow || hasRoot)) return undefined;
  const peer = above.find((id) => mayAsk(id));
  return peer === undefined ? undefined : { kind: "peer", peer, reason: "relay", isRoot: false };
};
