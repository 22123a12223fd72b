/** What a rule is asked, and what it may answer. */
import type { NodeId } from "@swarmd/protocol";
import type { Reason } from "../messages.js";
import type { DutyOrder } from "./duty-order.js";

/** "Who serves this shard now?" A rule reads only this, so each can be tested with a literal. */
export interface Question {
  readonly nowMs: number;
  /** The best peer that holds the shard and may be asked now. No seed while these are scarce. */
  readonly holder: NodeId | undefined;
  /** Somebody holds it who has no slot free just now. */
  readonly areHoldersBusy: boolean;
  /** Few hold the shard, many want it. */
  readonly isRare: boolean;
  /** The best scarce seed that may be asked now. */
  readonly seed: NodeId | undefined;
  /** There are scarce seeds, but none has a slot free just now. */
  readonly areSeedsBusy: boolean;
  /** Peers that a refusing peer named. */
  readonly hints: readonly NodeId[];
  /** Other live nodes want the blob. */
  readonly hasRivals: boolean;
  /** Wants of others may still be on their way until then. */
  readonly settleUntilMs: number;
  /** Places of all that want the shard. Costly, so asked only by rules that need it. */
  readonly order: DutyOrder;
  /** Whom to follow in the shard's tree, best first. Costly as well. */
  readonly above: readonly NodeId[];
  /** The shard is among the first that we miss: those on which all nodes work together. */
  readonly isInWindow: boolean;
  /** Somebody fetches it from a scarce source already. */
  readonly hasRoot: boolean;
  /** Our own node may take the shard from a scarce source. */
  readonly mayTakeDuty: boolean;
  /** Somebody else was on duty and failed us. */
  readonly hasDutyFailed: boolean;
  /** The origin can be asked now: allowed, not blocked, a worker free. */
  readonly canAskOrigin: boolean;
  /** The origin may be asked at all. */
  readonly isOriginAllowed: boolean;
  /** Since when nothing could be done about this shard, and no byte came of any other. */
  readonly waitingSinceMs: number;
  /** From 0 to 1. */
  readonly random: number;
  /** Whether this peer may be asked for the shard now. */
  mayAsk(peer: NodeId): boolean;
}

export type Answer =
  | { readonly kind: "peer"; readonly peer: NodeId; readonly reason: Reason; readonly isRoot: boolean }
  | { readonly kind: "origin"; readonly reason: Reason }
  | { readonly kind: "wait"; readonly reason: Reason; readonly untilMs: number };

/** `undefined`: ask the next rule. */
export type Rule = (question: Question) => Answer | undefined;
