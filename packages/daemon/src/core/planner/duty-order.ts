/**
 * The order of nodes for one shard, and the tree that it spans.
 *
 * The first is on duty: it asks the scarce source. The one at place j follows the one at place (j - 1) / FAN_OUT, so the
 * tree needs no messages to be built, and every node stands high in the trees of few shards and low in those of many.
 */
import type { NodeId } from "@swarmd/protocol";
import { scoreOf } from "./rendezvous.js";
import { fastThreshold, SLOW_PENALTY } from "./tiers.js";

/** Children in the tree: four levels reach 340 nodes, and a node on top still feeds each child well. */
export const FAN_OUT = 4;

/** A node that stands in the order. */
export interface Standing {
  readonly id: NodeId;
  readonly key: number;
  readonly capacityBytesPerS: number;
}

/** One that competes for duty. `isEligible`: can take the shard from the scarce source; the others only follow. */
export interface Contender {
  readonly node: Standing;
  readonly isEligible: boolean;
}

/** Above any score of an eligible node. */
const NOT_ELIGIBLE_PENALTY = 1e9;

export class DutyOrder {
  readonly #ids: readonly NodeId[];
  readonly #scores: Float64Array;
  /** Place of our own node; 0 is on duty. */
  readonly place: number;

  /**
   * @param self our own node.
   * @param others those that compete with us; without those that failed us for this shard.
   * @param root fetches the shard from the scarce source already: it stands first, whatever its score.
   */
  constructor(self: Contender, others: readonly Contender[], shardKey: number, root: NodeId | undefined) {
    const threshold = fastThreshold(bestCapacity(self, others));
    const scoreIn = (one: Contender) =>
      one.node.id === root ? -1 : placeScore(one.node, shardKey, threshold) + (one.isEligible ? 0 : NOT_ELIGIBLE_PENALTY);
    const mine = scoreIn(self);
    const scores = new Float64Array(others.length);
    let place = 0;
    for (let index = 0; index < others.length; index += 1) {
      const score = scoreIn(others[index] as Contender);
      scores[index] = score;
      if (score < mine) place += 1;
    }
    this.place = place;
    this.#scores = scores;
    this.#ids = others.map((other) => other.node.id);
  }

  /** The node at a place before our own. */
  at(place: number): NodeId {
    return this.#ids[select(this.#scores, place)] as NodeId;
  }

  /** Places from our parent in the tree up to the root. */
  ancestors(): number[] {
    const places: number[] = [];
    for (let place = this.place; place > 0; ) {
      place = Math.floor((place - 1) / FAN_OUT);
      places.push(place);
    }
    return places;
  }
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

/** Index of the element that would stand at `place` in sorted order (quickselect on a copy of the indices). */
function select(scores: Float64Array, place: number): number {
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
