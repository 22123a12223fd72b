/** May it go? Asks those who hold it too to keep it, and holds the answer until the files are gone. */
import type { BlobId, NodeId } from "@swarmd/protocol";
import type { Neighbours } from "./ports.js";

/** So many neighbours are asked before a blob counts as nowhere else. */
const MOST_ASKED = 3;

/**
 * Announces that these blobs are about to go, to those who are to keep them.
 *
 * @returns those that nobody promised to keep
 */
export async function askNeighbours(
  blobs: readonly BlobId[],
  neighbours: Neighbours,
  signal: AbortSignal,
): Promise<ReadonlySet<BlobId>> {
  const left = new Set(blobs);
  for (const peer of chooseHolders([...left], neighbours)) {
    if (left.size === 0) break;
    const asked = [...left].filter((blob) => neighbours.holders(blob).includes(peer));
    const kept = await neighbours.askToKeep(peer, asked, { signal }).catch(() => []);
    for (const blob of kept) left.delete(blob);
  }
  return left;
}

/** Those that hold most of them first. */
function chooseHolders(blobs: readonly BlobId[], { holders }: Neighbours): readonly NodeId[] {
  const counts = new Map<NodeId, number>();
  for (const blob of blobs) for (const peer of holders(blob)) counts.set(peer, (counts.get(peer) ?? 0) + 1);
  return [...counts]
    .sort(([a, many], [b, few]) => few - many || (a < b ? -1 : 1))
    .slice(0, MOST_ASKED)
    .map(([peer]) => peer);
}
