/** Finds nodes with room for a copy, and has them take one. */
import type { NodeId } from "@swarmd/protocol";
import { choosePlaces, type Place } from "../core/policy/eviction/placement.js";
import type { Neighbours, PlaceOrder } from "./ports.js";

export interface Placement {
  /** They have it, or are fetching it. */
  readonly placed: readonly NodeId[];
  /** Everybody who could be reached has answered: who is not named has no room. */
  readonly isCertain: boolean;
}

/** Asks those that have it first, then those with the most room, until so many hold a copy. */
export async function placeCopies(
  neighbours: Neighbours,
  order: PlaceOrder,
  copies: number,
  signal: AbortSignal,
): Promise<Placement> {
  const placed: NodeId[] = [];
  const places: Place[] = [];
  let isCertain = true;
  const answers = await Promise.all(
    neighbours.peers.map(async (node) => {
      const question = { ...order, isJustAsking: true };
      return { node, said: await neighbours.askToPlace(node, question, { signal }).catch(() => undefined) };
    }),
  );
  for (const { node, said } of answers) {
    if (said === undefined) isCertain = false;
    else if (said.answer === "here" || said.answer === "coming") {
      places.push({
        node,
        roomBytes: said.answer === "here" ? Number.MAX_SAFE_INTEGER : said.roomBytes,
        holdsIt: false,
      });
    }
  }
  for (const node of choosePlaces(places, order.sizeBytes, places.length)) {
    if (placed.length >= copies) break;
    const said = await neighbours.askToPlace(node, order, { signal }).catch(() => undefined);
    if (said === undefined) isCertain = false;
    else if (said.answer === "here" || said.answer === "coming") placed.push(node);
  }
  return { placed, isCertain };
}
