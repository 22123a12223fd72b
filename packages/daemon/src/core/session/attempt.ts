/** One try at fetching a range of a blob from one source. */
import { type NodeId, shardAt } from "@swarmd/protocol";
import type { AttemptId, PullId, Reason, Source } from "../messages.js";
import type { Pace } from "./pace.js";
import type { Session } from "./session.js";

export interface Attempt {
  readonly id: AttemptId;
  readonly session: Session;
  readonly source: Source;
  readonly reason: Reason;
  /** The pull whose bound on origin requests it counts against. */
  readonly pull: PullId | undefined;
  readonly startBytes: number;
  readonly endBytes: number;
  /** By the clock that stands still while our node does, as all its times. */
  readonly startedMs: number;
  /** Everything of the range below this is in the staging file. */
  positionBytes: number;
  /** When the position last rose; at first, when the attempt began. */
  progressMs: number;
  /** From the origin or a scarce seed: others follow us. */
  readonly isRoot: boolean;
  /** Our place in the shard's order when it began; 0 for a root. */
  readonly place: number;
  /** How fast it goes lately. */
  readonly pace: Pace;
  /** Who fetches the shard from its source, when last looked at: all that hang on one node are as fast as it is. */
  root: NodeId | undefined;
  isCancelled: boolean;
}

/** First shard of an attempt. */
export function firstShard(attempt: Attempt): number {
  return shardAt(attempt.startBytes, attempt.session.shards.shardBytes);
}

/** Last shard of an attempt. */
export function lastShard(attempt: Attempt): number {
  return shardAt(attempt.endBytes - 1, attempt.session.shards.shardBytes);
}

/** Whether a scarce source or a relay sets its pace: then it is to be compared with its like, not with copies of what is there. */
export function isPaced(attempt: Attempt): boolean {
  return attempt.isRoot || attempt.reason === "relay";
}
