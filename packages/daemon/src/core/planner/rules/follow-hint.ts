/** A peer without a free slot names those that it sends the shard to: follow one of them. */
import type { Rule } from "../question.js";

export const followHint: Rule = ({ hints, mayAsk }) => {
  const peer = hints.find((hint) => mayAsk(hint));
  return peer === undefined ? undefined : { kind: "peer", peer, reason: "relay", isRoot: false };
};
