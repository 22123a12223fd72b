/**
 * Who asks the scarce source for a shard: our place among all that want it.
 *
 * Every node computes the same order from the same wants. The first is on duty; when it fails, those that noticed agree on the next. A
 * node that comes or goes, or that one of us has not heard of, moves only the shards that it wins: so a lost word costs little.
 */
import type { NodeId } from "@swarmd/protocol";
import { drawOf, scoreOf } from "../rendezvous.js";
import { fastThreshold, SLOW_PENALTY } from "./tiers.js";

/** A node, as far as its place depends on it. */
export interface Standing {
  readonly id: NodeId;
  readonly key: number;
  readonly capacityBytesPerS: number;
}

/** A node that competes for duty. */
export interface Contender {
  readonly node: Standing;
  /** Can take the shard from the scarce source; the others only follow. */
  readonly isEligible: boolean;
}

export interface DutyOrder {
  /** How many stand before us; 0 is on duty. */
  readonly place: number;
  /** Who is on duty, if not we. */
  readonly first: NodeId | undefined;
}

/** Nodes that compete on equal terms, in columns: their places follow from their draws alone. */
export interface Field {
  readonly ids: readonly NodeId[];
  readonly keys: Uint32Array;
}

/** Above any score of an eligible node. */
const NOT_ELIGIBLE_PENALTY = 1e9;

/**
 * @param others those that compete with us; without those that failed us for this shard.
 * @param root fetches the shard from the scarce source already: it stands first, whatever its score.
 */
export function dutyOrder(
  self: Contender,
  others: readonly Contender[],
  shardKey: number,
  root: NodeId | undefined,
): DutyOrder {
  const threshold = fastThreshold(bestCapacity(self, others));
  const scoreIn = ({ node, isEligible }: Contender) =>
    node.id === root ? -1 : placeScore(node, shardKey, threshold) + (isEligible ? 0 : NOT_ELIGIBLE_PENALTY);
  const mine = scoreIn(self);
  let place = 0;
  let first: NodeId | undefined;
  let least = mine;
  for (const other of others) {
    const score = scoreIn(other);
    if (score >= mine) continue;
    place += 1;
    if (score >= least) continue;
    least = score;
    first = other.node.id;
  }
  return { place, first };
}

/**
 * The same among equals: all have our capacity and may take the duty. With a thousand nodes most of a decision's cost is here.
 *
 * @param others without those that failed us; the root may be among them, or not.
 */
export function dutyOrderAmongEquals(
  selfKey: number,
  { ids, keys }: Field,
  shardKey: number,
  root: NodeId | undefined,
): DutyOrder {
  let best = drawOf(selfKey, shardKey);
  const mine = best;
  let place = 0;
  let first: NodeId | undefined;
  let hasRoot = false;
  for (let index = 0; index < keys.length; index += 1) {
    const draw = drawOf(keys[index] as number, shardKey);
    const isRoot = ids[index] === root;
    if (draw <= mine && !isRoot) continue;
    hasRoot ||= isRoot;
    place += 1;
    if (draw <= best) continue;
    best = draw;
    first = ids[index];
  }
  if (root === undefined) return { place, first };
  return { place: hasRoot ? place : place + 1, first: root };
}

function bestCapacity(self: Contender, others: readonly Contender[]): number {
  let best = self.node.capacityBytesPerS;
  for (const { node } of others) if (node.capacityBytesPerS > best) best = node.capacityBytesPerS;
  return best;
}

/**
 * A node's score for a shard; lower stands higher in the tree.
 *
 * @param threshold least capacity of the fast tier.
 */
export function placeScore(node: Standing, shardKey: number, threshold: number): number {
  // A node that has not said what it can send counts as a slow one, not as none.
  const weight = Math.max(1e6, node.capacityBytesPerS);
  const isSlow = node.capacityBytesPerS < threshold;
  return scoreOf(node.key, shardKey, weight / 1e6) + (isSlow ? SLOW_PENALTY : 0);
}
