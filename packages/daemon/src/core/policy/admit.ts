/** Whether a peer that asks for a shard gets an upload slot. A pure function, with a table test. */
import type { NodeId } from "@swarmd/protocol";
import type { Verdict } from "../messages.js";

/** What our node has of the shard. */
export type Standing =
  | { readonly kind: "held" }
  /** On its way. `isRoot`: straight from the origin or a seed. `isAhead`: it will be here before the asker has it. */
  | { readonly kind: "coming"; readonly isRoot: boolean; readonly isAhead: boolean }
  | { readonly kind: "absent" };

export interface Application {
  readonly standing: Standing;
  readonly isAllowed: boolean;
  readonly freeSlots: number;
  /** Slots that the asker has already. */
  readonly askerSlots: number;
  /** Slots in all. */
  readonly slots: number;
  /** Uploads of this shard under way, and who gets them. */
  readonly children: readonly NodeId[];
  /** We are a scarce seed and gave the shard to these, who can pass it on. */
  readonly givenTo: readonly NodeId[];
  /** Who else holds the shard or fetches it, as far as we know. */
  readonly others: readonly NodeId[];
}

/** Children per shard: a few more than the tree has by itself, so that orphans find a place. */
const MOST_CHILDREN = 8;
/** An asker is told of so many others: enough to find one, few enough to fit a header. */
const MOST_HINTS = 4;
/** While slots run short, no asker holds more than this share of them. */
const FAIR_SHARE = 0.5;

export function admit(application: Application): Verdict {
  const { standing, isAllowed, freeSlots, askerSlots, slots, children, givenTo, others } = application;
  if (!isAllowed) return { kind: "refuse", code: "PEER_DENIED", redirect: [] };
  if (standing.kind === "absent") return refuse("PEER_LACKS", others);
  if (standing.kind === "coming" && !standing.isRoot && !standing.isAhead) return refuse("PEER_LACKS", others);
  if (givenTo.length > 0) return refuse("PEER_BUSY", givenTo);
  const isShort = freeSlots < slots / 4;
  const isGreedy = isShort && askerSlots >= slots * FAIR_SHARE;
  if (freeSlots <= 0 || isGreedy) return refuse("PEER_BUSY", [...children, ...others]);
  if (standing.kind === "coming" && children.length >= MOST_CHILDREN) return refuse("PEER_BUSY", children);
  return { kind: "serve" };
}

function refuse(code: "PEER_BUSY" | "PEER_LACKS", redirect: readonly NodeId[]): Verdict {
  return { kind: "refuse", code, redirect: [...new Set(redirect)].slice(0, MOST_HINTS) };
}
