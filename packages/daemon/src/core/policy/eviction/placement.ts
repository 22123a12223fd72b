/** Where further copies of a blob or a model go. Pure. */
import type { NodeId } from "@swarmd/protocol";

/** A node that may be asked to take a copy. */
export interface Place {
  readonly node: NodeId;
  /** Bytes it takes without evicting anything. */
  readonly roomBytes: number;
  readonly holdsIt: boolean;
}

/** Those with the most room first; none that has it already, or that would have to evict for it. */
export function choosePlaces(places: readonly Place[], sizeBytes: number, copies: number): readonly NodeId[] {
  return places
    .filter(({ holdsIt, roomBytes }) => !holdsIt && roomBytes >= sizeBytes)
    .sort((a, b) => b.roomBytes - a.roomBytes || (a.node < b.node ? -1 : 1))
    .slice(0, Math.max(0, copies))
    .map(({ node }) => node);
}
