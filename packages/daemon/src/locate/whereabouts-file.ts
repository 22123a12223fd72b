/** The whereabouts as a text, and back. What makes no sense is left out. */
import { isCommitId, type NodeId, parseNodeId, parseRepoSpec } from "@swarmd/protocol";
import { decodeShelfNews, encodeShelfNews, SHELF_ENTRIES_MAX, type ShelfEntry } from "@swarmd/protocol/wire";
import type { Registration, Shelf } from "./said.js";

const VERSION = 1;

interface KeptShelf {
  readonly lastSeenMs: number;
  readonly entries: readonly ShelfEntry[];
}

export function formatWhereabouts(shelves: ReadonlyMap<NodeId, Shelf>, registrations: readonly Registration[]): string {
  const nodes = [...shelves]
    .filter(([, { entries }]) => entries.size > 0)
    .map(([node, { lastSeenMs, entries }]) => [
      node,
      lastSeenMs,
      encodeEntries([...entries.values()].map(({ entry }) => entry)),
    ]);
  const registered = registrations.map(({ node, repo, commit, seenMs }) => [node, repo, commit ?? null, seenMs]);
  return `${JSON.stringify({ version: VERSION, nodes, registered }, null, 1)}\n`;
}

export function parseWhereabouts(text: string | undefined): {
  readonly shelves: ReadonlyMap<NodeId, KeptShelf>;
  readonly registrations: readonly Registration[];
} {
  const shelves = new Map<NodeId, KeptShelf>();
  const registrations: Registration[] = [];
  try {
    const { version, nodes, registered } = JSON.parse(text ?? "") as Record<string, unknown>;
    if (version !== VERSION) return { shelves, registrations };
    for (const [node, lastSeenMs, encoded] of nodes as [string, number, string[]][]) {
      if (!Number.isFinite(lastSeenMs)) continue;
      shelves.set(parseNodeId(node), { lastSeenMs, entries: encoded.flatMap(decodeEntries) });
    }
    for (const [node, repo, commit, seenMs] of registered as [string, string, string | null, number][]) {
      parseRepoSpec(repo);
      const isSound = typeof node === "string" && Number.isFinite(seenMs) && (commit === null || isCommitId(commit));
      if (isSound) registrations.push({ node, repo, commit: commit ?? undefined, seenMs });
    }
  } catch {
    // Damaged from here on; what was read before it counts.
  }
  return { shelves, registrations };
}

/** In the form in which they travel, which has been thought through. */
function encodeEntries(entries: readonly ShelfEntry[]): readonly string[] {
  const parts: string[] = [];
  for (let at = 0; at < entries.length; at += SHELF_ENTRIES_MAX) {
    const part = entries.slice(at, at + SHELF_ENTRIES_MAX);
    const bytes = encodeShelfNews({ epoch: 0, sequence: 0, isFull: true, entries: part, gone: [] });
    parts.push(Buffer.from(bytes).toString("base64"));
  }
  return parts;
}

function decodeEntries(encoded: string): readonly ShelfEntry[] {
  return decodeShelfNews(new Uint8Array(Buffer.from(encoded, "base64"))).entries;
}
