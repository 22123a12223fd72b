/**
 * Who passes a shard on to whom, so that every link sends about as much as it receives.
 *
 * A tree in which some nodes have many children and most have none loads the links unevenly, shard by shard; with sixteen shards in
 * progress, chance alone gives some links twice their share. So shards take turns, in {@link STRIPES} stripes, and each node passes
 * on the shards of one stripe (or of parts of two) and only receives those of all others: sixteen shards come in at a sixteenth of
 * the link each, two go out eight times. Every node computes the same stripes from the same wants, without a word.
 */
import type { NodeId } from "@swarmd/protocol";
import { drawOf } from "../rendezvous.js";
import type { Standing } from "./duty-order.js";
import { fastThreshold } from "./tiers.js";

/**
 * Half as many as shards are in progress at a time: each node passes on two of them, so that it goes on with one while the other ends.
 * One seed and 32 nodes, time ÷ bound: 16 stripes 1.15, 8 stripes 1.06, 4 stripes (of 8 shards in progress) 1.13.
 */
export const STRIPES = 8;
/** How many nodes to name beside those above. */
const SPARES = 3;
/** A node that has not said what it can send counts as a slow one, not as none. */
const LEAST_CAPACITY = 1e6;

/** The nodes that pass on the shards of one stripe. */
interface Relays {
  /** Ranks; the one that takes most children first. */
  readonly ranks: readonly number[];
  /** How many children the relays up to this one take together. */
  readonly childrenUpTo: readonly number[];
  /** The rank after the last relay's, on the circle of ranks. */
  readonly next: number;
}

/** Where a node stands in the tree of one shard. */
export interface TreePlace {
  /** How many stand before it; every node follows one that stands before it. */
  readonly place: number;
  /** Its parent and those above, nearest first. Empty for the head of the tree, which follows whoever has the shard from its source. */
  readonly above: readonly NodeId[];
}

/** Nodes of about the same speed. */
class Tier {
  readonly #nodes: readonly Standing[];
  readonly #ranks = new Map<NodeId, number>();
  readonly #relays: Relays[] = [];

  constructor(nodes: readonly Standing[]) {
    this.#nodes = [...nodes].sort((a, b) => a.key - b.key || (a.id < b.id ? -1 : 1));
    for (const [rank, node] of this.#nodes.entries()) this.#ranks.set(node.id, rank);
    const weights = this.#nodes.map(({ capacityBytesPerS }) => Math.max(LEAST_CAPACITY, capacityBytesPerS));
    for (let stripe = 0; stripe < STRIPES; stripe += 1) this.#relays.push(relaysOf(weights, stripe));
  }

  get size(): number {
    return this.#nodes.length;
  }

  has(id: NodeId): boolean {
    return this.#ranks.has(id);
  }

  /** How many stand before a node in the tree of a shard. */
  placeOf(id: NodeId, shard: number): number {
    const relays = this.#relays[shard % STRIPES] as Relays;
    const rank = this.#ranks.get(id) as number;
    const index = relays.ranks.indexOf(rank);
    if (index >= 0) return index;
    const leaves = this.size - relays.ranks.length;
    const position = (rank - relays.next + this.size) % this.size;
    return relays.ranks.length + ((position + turnOf(shard)) % leaves);
  }

  at(place: number, shard: number): NodeId {
    const { ranks, next } = this.#relays[shard % STRIPES] as Relays;
    if (place < ranks.length) return (this.#nodes[ranks[place] as number] as Standing).id;
    const leaves = this.size - ranks.length;
    const position = (place - ranks.length + leaves - (turnOf(shard) % leaves)) % leaves;
    return (this.#nodes[(next + position) % this.size] as Standing).id;
  }

  /** Places from the parent up to the head. */
  placesAbove(place: number, shard: number): number[] {
    const { childrenUpTo } = this.#relays[shard % STRIPES] as Relays;
    const places: number[] = [];
    for (let at = place; at > 0; ) {
      const parent = childrenUpTo.findIndex((children) => children >= at);
      at = Math.min(at - 1, parent === -1 ? childrenUpTo.length - 1 : parent);
      places.push(at);
    }
    return places;
  }
}

export class Stripes {
  /** Fast before slow. */
  readonly #tiers: readonly Tier[];

  /** @param nodes all that want the blob, our own among them. */
  constructor(nodes: readonly Standing[]) {
    const best = nodes.reduce((most, { capacityBytesPerS }) => Math.max(most, capacityBytesPerS), 0);
    const threshold = fastThreshold(best);
    const isFast = ({ capacityBytesPerS }: Standing) => capacityBytesPerS >= threshold;
    this.#tiers = [nodes.filter(isFast), nodes.filter((node) => !isFast(node))]
      .filter((tier) => tier.length > 0)
      .map((tier) => new Tier(tier));
  }

  /** How many stand before a node in the tree of a shard; undefined for a node that is not in it. */
  placeOf(id: NodeId, shard: number): number | undefined {
    let before = 0;
    for (const tier of this.#tiers) {
      if (tier.has(id)) return before + tier.placeOf(id, shard);
      before += tier.size;
    }
    return undefined;
  }

  /** Nodes that stand before a place, for when the parent can't: a few of all, not always the same. @param random from 0 to 1 */
  spares(place: number, shard: number, random: number): NodeId[] {
    const found: NodeId[] = [];
    for (let spare = 0; spare < SPARES && place > 0; spare += 1) {
      found.push(this.#at(Math.floor(((random + spare / SPARES) % 1) * place), shard));
    }
    return found;
  }

  #at(place: number, shard: number): NodeId {
    const [first, second] = this.#tiers as [Tier, Tier | undefined];
    return place < first.size ? first.at(place, shard) : (second as Tier).at(place - first.size, shard);
  }

  /** A node that is not in the tree stands behind all others. */
  find(id: NodeId, shard: number): TreePlace {
    let before = 0;
    let faster: Tier | undefined;
    for (const tier of this.#tiers) {
      if (tier.has(id)) {
        const place = tier.placeOf(id, shard);
        const above = tier.placesAbove(place, shard).map((one) => tier.at(one, shard));
        // The slow take each shard from the fast once: their head follows one that feeds nobody else.
        if (faster !== undefined) above.push(faster.at(faster.size - 1, shard));
        return { place: before + place, above };
      }
      before += tier.size;
      faster = tier;
    }
    return { place: before, above: [] };
  }
}

/** Leaves change parents from turn to turn: no pair of nodes is tied to each other for the whole blob. */
function turnOf(shard: number): number {
  return drawOf(Math.floor(shard / STRIPES), shard);
}

/**
 * All capacities side by side make a circle; a stripe is one part of it, and a node relays in a stripe for as many children as
 * its share of it.
 */
function relaysOf(weights: readonly number[], stripe: number): Relays {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const from = (total * stripe) / STRIPES;
  const to = (total * (stripe + 1)) / STRIPES;
  const relays: { rank: number; children: number }[] = [];
  let end = 0;
  let next = 0;
  for (const [rank, weight] of weights.entries()) {
    const share = Math.min(end + weight, to) - Math.max(end, from);
    end += weight;
    // Less than half a child is none.
    if (share * STRIPES * weights.length < total / 2) continue;
    relays.push({ rank, children: (share * STRIPES * weights.length) / total });
    next = rank + 1;
  }
  relays.sort((a, b) => b.children - a.children || a.rank - b.rank);
  let sum = 0;
  const childrenUpTo = relays.map(({ children }) => {
    sum += children;
    return sum;
  });
  return { ranks: relays.map(({ rank }) => rank), childrenUpTo, next };
}
