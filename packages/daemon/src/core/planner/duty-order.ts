/**
 * Our place among all that want a shard, and whom to follow.
 *
 * Every node computes the same order from the same wants. The first is on duty: it asks the scarce source. The one at place j follows
 * the one at place (j - 1) / FAN_OUT, so the tree needs no messages to be built, and every node stands high in the trees of few
 * shards and low in those of many.
 */
import type { NodeId } from "@swarmd/protocol";
import { drawOf, scoreOf } from "../rendezvous.js";
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
  return orderAbove(scores, ids, random);
}

/**
 * The same among equals: all have our capacity and may take the duty. With a thousand nodes most of a decision's cost is here.
 *
 * @param others without those that failed us; the root may be among them, or not.
 */
export function dutyOrderAmongEquals(
  selfKey: number,
  { ids: allIds, keys }: Field,
  shardKey: number,
  root: NodeId | undefined,
  random: number,
): DutyOrder {
  const mine = drawOf(selfKey, shardKey);
  const scores: number[] = [];
  const ids: NodeId[] = [];
  let hasRoot = root === undefined;
  for (let index = 0; index < keys.length; index += 1) {
    const draw = drawOf(keys[index] as number, shardKey);
    const id = allIds[index] as NodeId;
    const isRoot = id === root;
    if (draw <= mine && !isRoot) continue;
    hasRoot ||= isRoot;
    scores.push(isRoot ? Number.NEGATIVE_INFINITY : -draw);
    ids.push(id);
  }
  if (!hasRoot) {
    scores.push(Number.NEGATIVE_INFINITY);
    ids.push(root as NodeId);
  }
  return orderAbove(scores, ids, random);
}

/** @param scores of those that stand before us; lower goes first. */
function orderAbove(scores: readonly number[], ids: readonly NodeId[], random: number): DutyOrder {
  const place = ids.length;
  if (place === 0) return { place, first: undefined, above: [] };
  const chain = namesAt(ancestorsOf(place), scores, ids);
  const above = [chain[0] as NodeId];
  for (let spare = 0; spare < SPARES; spare += 1) {
    above.push(ids[Math.floor(((random + spare / SPARES) % 1) * place)] as NodeId);
  }
  above.push(...chain.slice(1));
  return { place, first: chain[chain.length - 1], above: [...new Set(above)] };
}

/** Places from the parent up to the root, which is at 0. */
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

/** Who stands at these places, which descend: each search leaves less to the next. */
function namesAt(places: readonly number[], scores: readonly number[], ids: readonly NodeId[]): NodeId[] {
  const indices = new Uint32Array(scores.length);
  for (let index = 0; index < indices.length; index += 1) indices[index] = index;
  let high = indices.length - 1;
  return places.map((place) => {
    select(scores, indices, place, high);
    high = place;
    return ids[indices[place] as number] as NodeId;
  });
}

/**
 * Orders `indices` up to `last` so far that the one that belongs at `place` by its score stands there, and none before it has a
 * higher one (quickselect).
 */
function select(scores: readonly number[], indices: Uint32Array, place: number, last: number): void {
  const score = (position: number) => scores[indices[position] as number] as number;
  let low = 0;
  let high = last;
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
}
