/** One simulated machine: an engine, what its store holds, and what is measured of it. */
import { Engine, SWARM_DEFAULTS } from "@swarmd/daemon/core/engine";
import type { Input } from "@swarmd/daemon/core/messages";
import { type NodeId, parseNodeId } from "@swarmd/protocol";
import type { Dice } from "./dice.js";
import type { NodePlan, Plan } from "./scenario.js";

/** A pull of a repo takes so many workers by default. */
export const WORKERS = 10;

export interface SimNode {
  readonly index: number;
  readonly id: NodeId;
  readonly plan: NodePlan;
  readonly engine: Engine;
  isUp: boolean;
  /** Hangs: takes part in nothing, but nobody is told. */
  isHung: boolean;
  /** Its processor is taken away until then. */
  pausedUntilMs: number;
  /** What came meanwhile. */
  readonly backlog: Input[];
  wakeAtMs: number;
  /** Per blob: shards with wrong bytes in them. */
  readonly bad: readonly Set<number>[];
  /** Per blob: shards with wrong bytes in them that somebody vouches for, and who. */
  readonly vouched: readonly Map<number, NodeId>[];
  /** Blobs that are not settled yet. */
  left: number;
  doneMs: number;
  failure: string | undefined;
  receivedBytes: number;
  gossipBytes: number;
  readonly banned: Set<NodeId>;
  /** Liars that sent this node wrong bytes, or on whose word it took some for right. */
  readonly deceivedBy: Set<NodeId>;
  /** Time, and bytes received by then. */
  readonly curve: [number, number][];
}

/** @param tag tells the nodes of one run from those of another, so that hashing differs. */
export function newSimNode(index: number, plan: Plan, tag: string, dice: Dice): SimNode {
  const node = plan.nodes[index] as NodePlan;
  const id = parseNodeId(`n${index}x${tag}`);
  const isDone = node.isSeed === true || node.isLiar === true;
  return {
    index,
    id,
    plan: node,
    engine: new Engine({
      random: () => dice.next(),
      shardBytes: plan.shardBytes,
      originRequests: WORKERS,
      swarm: { self: id, epoch: 1, capacityBytesPerS: node.upBytesPerS, isCluster: false, ...SWARM_DEFAULTS },
    }),
    isUp: false,
    isHung: false,
    pausedUntilMs: 0,
    backlog: [],
    wakeAtMs: Number.POSITIVE_INFINITY,
    bad: plan.files.map(() => new Set<number>()),
    vouched: plan.files.map(() => new Map<number, NodeId>()),
    left: isDone ? 0 : plan.files.length,
    doneMs: isDone ? 0 : Number.POSITIVE_INFINITY,
    failure: undefined,
    receivedBytes: 0,
    gossipBytes: 0,
    banned: new Set(),
    deceivedBy: new Set(),
    curve: [[node.startMs, 0]],
  };
}
