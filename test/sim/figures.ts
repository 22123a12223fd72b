/** From an outcome to the figures of the table. */
import type { NodeId } from "@swarmd/protocol";
import type { Figure, Plan } from "./scenario.js";
import type { SimNode } from "./sim-node.js";
import type { Outcome } from "./world.js";

export type Figures = Readonly<Record<Figure, number>>;

export function isHonest({ plan }: SimNode): boolean {
  return plan.isLiar !== true && plan.isFalseWitness !== true;
}

/** Nodes that should have ended: those that pull, are honest and were not killed. */
function pullers({ nodes }: Outcome): SimNode[] {
  return nodes.filter((node) => node.isUp && !node.isHung && node.plan.isSeed !== true && isHonest(node));
}

/** Nothing wrong is left in any file. */
function isRight({ bad, vouched, left, failure }: SimNode): boolean {
  return left === 0 && failure === undefined && [...bad, ...vouched].every(({ size }) => size === 0);
}

/** A node that should have ended took a wrong byte from a liar, or a wrong shard on its word; and whether that node banned it. */
export interface Deceit {
  readonly liar: NodeId;
  readonly isBanned: boolean;
}

/** Every honest node that should have ended with every liar that lied to it, once. */
export function deceitsOf(outcome: Outcome): Deceit[] {
  return pullers(outcome).flatMap(({ deceivedBy, banned }) =>
    [...deceivedBy].map((liar) => ({ liar, isBanned: banned.has(liar) })),
  );
}

/** How often a node took over from another on duty, left duty to another, or declined all of it. */
function changesOfDuty({ reasons }: Outcome): number {
  return (["takeover", "yield", "step-down"] as const).reduce((sum, reason) => sum + (reasons.get(reason) ?? 0), 0);
}

export function figuresOf(outcome: Outcome, plan: Plan): Figures {
  const size = plan.files.reduce((sum, bytes) => sum + bytes, 0);
  const nodes = pullers(outcome);
  const ended = nodes.filter((node) => node.left === 0 && node.failure === undefined);
  const ratio = (node: SimNode) => (node.doneMs - node.plan.startMs) / plan.boundMs(node.plan);
  const best = Math.max(...plan.nodes.map((node) => node.downBytesPerS));
  const slowed = new Set(plan.happenings.flatMap((one) => (one.kind === "slow" ? [one.node] : [])));
  const fast = nodes.filter((node) => node.plan.downBytesPerS === best && !slowed.has(node.index));
  const deceits = deceitsOf(outcome);
  const deceivers = [...new Set(deceits.map(({ liar }) => liar))];
  const caught = deceivers.filter((one) => deceits.some(({ liar, isBanned }) => liar === one && isBanned));
  const honest = outcome.nodes.filter(isHonest);
  const wronged = honest.filter(({ id }) => honest.some(({ banned }) => banned.has(id)));
  return {
    egress: outcome.egressBytes / size,
    time: Math.max(...nodes.map(ratio)),
    fastTime: Math.max(...fast.map(ratio)),
    ended: ended.length / Math.max(1, nodes.length),
    gossip: outcome.gossipBytes / Math.max(1, outcome.movedBytes),
    banned: shareOf(deceits.filter(({ isBanned }) => isBanned).length, deceits.length),
    caught: shareOf(caught.length, deceivers.length),
    wronged: wronged.length / honest.length,
    right: shareOf(nodes.filter(isRight).length, nodes.length),
    restless: changesOfDuty(outcome) / plan.files.reduce((sum, bytes) => sum + Math.ceil(bytes / plan.shardBytes), 0),
    wasted:
      nodes.reduce((sum, node) => sum + Math.max(0, node.receivedBytes / size - 1), 0) / Math.max(1, nodes.length),
  };
}

/** 1 of none: then there was nothing to miss. */
function shareOf(count: number, all: number): number {
  return all === 0 ? 1 : count / all;
}
