/** From an outcome to the figures of the table. */
import type { Figure, Plan } from "./scenario.js";
import type { SimNode } from "./sim-node.js";
import type { Outcome } from "./world.js";

export type Figures = Readonly<Record<Figure, number>>;

/** Nodes that should have ended: those that pull and were not killed. */
function pullers({ nodes }: Outcome): SimNode[] {
  return nodes.filter((node) => node.isUp && !node.isHung && node.plan.isSeed !== true && node.plan.isLiar !== true);
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
  const liars = outcome.nodes.filter((node) => node.plan.isLiar === true).map((node) => node.id);
  const bans = nodes.reduce((sum, node) => sum + liars.filter((liar) => node.banned.has(liar)).length, 0);
  return {
    egress: outcome.egressBytes / size,
    time: Math.max(...nodes.map(ratio)),
    fastTime: Math.max(...fast.map(ratio)),
    ended: ended.length / Math.max(1, nodes.length),
    gossip: outcome.gossipBytes / Math.max(1, outcome.movedBytes),
    banned: liars.length === 0 ? 1 : bans / (liars.length * nodes.length),
    restless: changesOfDuty(outcome) / plan.files.reduce((sum, bytes) => sum + Math.ceil(bytes / plan.shardBytes), 0),
    wasted:
      nodes.reduce((sum, node) => sum + Math.max(0, node.receivedBytes / size - 1), 0) / Math.max(1, nodes.length),
  };
}
