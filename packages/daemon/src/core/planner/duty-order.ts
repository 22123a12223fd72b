/**
 * Our place among all that want a shard, and whom to follow.
 *
 * Every node computes the same order from the same wants. The first is on duty: it asks the scarce source. The one at place j follows
 * the one at place (j - 1) / FAN_OUT, so the tree needs no messages to be built, and every node stands high in the trees of few
 * shards and low in those of many.
 */
import type { NodeId } from "@swarmd/protocol";
import { scoreOf } from "../rendezvous.js";
import { fastThreshold, SLOW_PENALTY } from "./tiers.js";

/** Children in the tree: four levels reach 340 nodes, and a node on top still feeds each child well. */
export const FAN_OUT = 4;
/** Nodes before us to try when the parent is full: they have fewer children than those further up. */
const SPARES = 3;

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
  /** Whom to follow, best first: our parent in the tree, some that stand before us, those above our parent. */
  readonly above: readonly NodeId[];
}

/** Above any score of an eligible node. */
const NOT_ELIGIBLE_PENALTY = 1e9;

/**
 * @param others those that compete with us; without those that failed us for this shard.
 * @param root fetches the shard from the scarce source already: it stands first, whatever its score.
 * @param random from 0 to 1: which spares are named.
 */
export function dutyOrder(
  self: Contender,
  others: readonly Contender[],
  shardKey: number,
  root: NodeId | undefined,
  random: number,
): DutyOrder {
  const threshold = fastThreshold(bestCapacity(self, others));
  const scoreIn = ({ node, isEligible }: Contender) =>
    node.id === root ? -1 : placeScore(node, shardKey, threshold) + (isEligible ? 0 : NOT_ELIGIBLE_PENALTY);
  const mine = scoreIn(self);
  const scores: number[] = [];
  const ids: NodeId[] = [];
  for (const other of others) {
    const score = scoreIn(other);
    if (score >= mine) continue;
    scores.push(score);
    ids.push(other.node.id);
  }
  const place = ids.length;
  if (place === 0) return { place, first: undefined, above: [] };
  const [parent = 0, ...ancestors] = ancestorsOf(place);
  const above = [ids[select(scores, parent)] as NodeId];
  for (let spare = 0; spare < SPARES; spare += 1) {
    above.push(ids[Math.floor(((random + spare / SPARES) % 1) * place)] as NodeId);
  }
  for (const ancestor of ancestors) above.push(ids[select(scores, ancestor)] as NodeId);
  return { place, first: ids[select(scores, 0)], above: [...new Set(above)] };
}

/** Places from the parent up to the root. */
function ancestorsOf(place: number): number[] {
  const places: number[] = [];
  for (let at = place; at > 0; ) {
    at = Math.floor((at - 1) / FAN_OUT);
    places.push(at);
  }
  return places;
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

/** Index of the element that would stand at `place` in sorted order (quickselect over indices). */
function select(scores: readonly number[], place: number): number {
  if (place === 0) return indexOfLeast(scores);
  const indices = new Uint32Array(scores.length);
  for (let index = 0; index < indices.length; index += 1) indices[index] = index;
  const score = (position: number) => scores[indices[position] as number] as number;
  let low = 0;
  let high = indices.length - 1;
  while (low < high) {
    const pivot = score((low + high) >>> 1);
    let left = low;
    let right = high;
    while (left <= right) {
      while (score(left) < pivot) left += 1;
      while (score(right) > pivot) right -= 1;
      if (left > right) break;
      const swap = indices[left] as number;
      indices[left] = indices[right] as number;
      indices[right] = swap;
      left += 1;
      right -= 1;
    }
    if (place <= right) high = right;
    else if (place >= left) low = left;
    else break;
  }
  return indices[place] as number;
}

function indexOfLeast(scores: readonly number[]): number {
  let least = 0;
  for (let index = 1; index < scores.length; index += 1) {
    if ((scores[index] as number) < (scores[least] as number)) least = index;
  }
  return least;
}
