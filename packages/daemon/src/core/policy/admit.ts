/** Whether a peer that asks for a shard gets an upload slot. A pure function, with a table test. */
import type { NodeId } from "@swarmd/protocol";

/** What the asker is told. */
export type Verdict =
  /** Send what is there, go on as more arrives. */
  | { readonly kind: "serve" }
  /** `busy` and `lacks` may change within moments; `redirect` names others to ask meanwhile. */
  | {
      readonly kind: "refuse";
      readonly code: "PEER_BUSY" | "PEER_LACKS" | "PEER_DENIED";
      readonly redirect: readonly NodeId[];
    };

/** What our node has of the shard. */
export type Standing =
  | { readonly kind: "held" }
  /** On its way. `isRoot`: straight from the origin or a seed. `isAhead`: it will be here before the asker has it. */
  | { readonly kind: "coming"; readonly isRoot: boolean; readonly isAhead: boolean }
  | { readonly kind: "absent" };

export interface Application {
  readonly standing: Standing;
  readonly isAllowed: boolean;
  /** Share of the node's capacity that uploads take already, this one not counted; see {@link loadOf}. */
  readonly load: number;
  /** Uploads under way, in all and for this asker. */
  readonly uploads: number;
  readonly askerUploads: number;
  /** The asker's link is far slower than ours; uploads under way to such. */
  readonly isSlowAsker: boolean;
  readonly slowUploads: number;
  /** Nodes as fast as we are get something of us now. */
  readonly isServingFast: boolean;
  /** Most uploads at a time. */
  readonly slots: number;
  /** By the tree of the shard the asker is ours to serve: others see to it that these are not more than our link carries. */
  readonly isOurs: boolean;
  /** Uploads of this shard under way, and who gets them. */
  readonly children: readonly NodeId[];
  /** We are a scarce seed and gave the shard to these, who can pass it on. */
  readonly givenTo: readonly NodeId[];
  /** Who else holds the shard or fetches it, as far as we know. */
  readonly others: readonly NodeId[];
}

/**
 * So many uploads share the link when each could fill it. Fewer than a node has downloads: then a node whose link is full sends
 * askers away to those whose links are not, and all links fill evenly (measured; see docs/adr/0008).
 */
const FULL_SPEED_UPLOADS = 16;
/** A shard that arrives at less than this share of our capacity leaves room for others beside it. */
const SLOW_SHARE = 1 / 64;
/** The slow may hold so much of the slots: they take little of the link, but must not keep the fast ones out. */
const SLOW_ASKERS_SHARE = 0.5;
/** While fast nodes are served, so much: what the slow take then, a fast one waits for, and they can pass it on among themselves. */
const SLOW_ASKERS_SHARE_AT_FIRST = 1 / 8;
/** A slow asker has several uploads of ours or others; one takes about this part of its link. */
const SLOW_ASKER_STREAMS = 8;
/** Children per shard: a few more than the tree has by itself, so that orphans find a place. */
const MOST_CHILDREN = 20;
/** So many children of a shard that only we have get a slot in any case. */
const FIRST_CHILDREN = 2;
/** An asker is told of so many others: enough to find one, few enough to fit a header. */
const MOST_HINTS = 4;
/** While slots run short, no asker holds more than this share of them. */
const FAIR_SHARE = 0.5;

/**
 * What an upload takes of the node's capacity. A relay can't go faster than its shard arrives, so many slow ones fit beside each
 * other, where few bulk transfers do.
 *
 * @param askerCapacityBytesPerS what the asker's own link carries.
 * @param relayBytesPerS the rate at which the shard arrives here; undefined if it is all there, 0 if unknown.
 */
export function loadOf(
  relayBytesPerS: number | undefined,
  capacityBytesPerS: number,
  askerCapacityBytesPerS: number,
): number {
  const share = (relayBytesPerS ?? 0) / Math.max(1, capacityBytesPerS);
  const takes = askerCapacityBytesPerS / SLOW_ASKER_STREAMS / Math.max(1, capacityBytesPerS);
  return Math.min(share > 0 && share < SLOW_SHARE ? share : 1 / FULL_SPEED_UPLOADS, takes);
}

export function admit(application: Application): Verdict {
  const {
    standing,
    isAllowed,
    load,
    uploads,
    askerUploads,
    isSlowAsker,
    slowUploads,
    isServingFast,
    slots,
    children,
    isOurs,
    givenTo,
    others,
  } = application;
  if (!isAllowed) return { kind: "refuse", code: "PEER_DENIED", redirect: [] };
  if (standing.kind === "absent") return refuse("PEER_LACKS", others);
  if (standing.kind === "coming" && !standing.isRoot && !standing.isAhead) return refuse("PEER_LACKS", others);
  if (givenTo.length > 0) return refuse("PEER_BUSY", givenTo);
  if (standing.kind === "coming" && children.length >= MOST_CHILDREN) return refuse("PEER_BUSY", children);
  // What nobody else can give goes out even when the link is full: a whole tree hangs on it.
  const isOnlyHere =
    (standing.kind === "coming" ? standing.isRoot : others.length === 0) && children.length < FIRST_CHILDREN;
  // The slow take little and hold on to it for long: what they hold does not count against the others.
  if ((isOnlyHere || isOurs) && !isSlowAsker && uploads - slowUploads < slots) return { kind: "serve" };
  const isFull = uploads >= slots || load > 1 - 1 / (2 * FULL_SPEED_UPLOADS);
  const isGreedy = load >= 1 - FAIR_SHARE / 2 && askerUploads >= FULL_SPEED_UPLOADS * FAIR_SHARE;
  const slowShare = isServingFast ? SLOW_ASKERS_SHARE_AT_FIRST : SLOW_ASKERS_SHARE;
  const isSlowLane = isSlowAsker && slowUploads >= slots * slowShare;
  return isFull || isGreedy || isSlowLane ? refuse("PEER_BUSY", [...children, ...others]) : { kind: "serve" };
}

function refuse(code: "PEER_BUSY" | "PEER_LACKS", redirect: readonly NodeId[]): Verdict {
  return { kind: "refuse", code, redirect: [...new Set(redirect)].slice(0, MOST_HINTS) };
}
