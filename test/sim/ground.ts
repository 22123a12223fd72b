/** What the parts of a run share: the nodes, the clock, and the way to a node's engine. */
import type { Input } from "@swarmd/daemon/core/messages";
import type { NodeId } from "@swarmd/protocol";
import type { Dice } from "./dice.js";
import type { Plan } from "./scenario.js";
import type { SimNode } from "./sim-node.js";

export interface Ground {
  readonly plan: Plan;
  readonly dice: Dice;
  readonly nodes: readonly SimNode[];
  readonly nowMs: number;
  /** Nodes below this index and the others don't reach each other; undefined while the LAN is whole. */
  readonly partition: number | undefined;
  get(id: NodeId): SimNode;
  isReachable(a: SimNode, b: SimNode): boolean;
  /** Gives an input to a node's engine, unless the node is down, and carries out what comes of it. */
  send(node: SimNode, input: Input): void;
  after(delayMs: number, run: () => void): void;
}
