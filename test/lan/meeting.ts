/** Waits until nodes know each other, and says how long that took. */
import { setTimeout as sleep } from "node:timers/promises";
import type { LanNode } from "./lan-node.js";

/** How often each node is asked: the grain of what is measured. */
const LOOK_MS = 50;

/**
 * Waits until each of the nodes has a connection to all the others.
 *
 * @returns milliseconds from the call until the last of them did
 * @throws Error that names who lacks whom
 */
export async function waitUntilMet(
  nodes: readonly LanNode[],
  deadlineMs: number,
  lookMs: number = LOOK_MS,
): Promise<number> {
  const startMs = performance.now();
  await Promise.all(nodes.map((node) => waitForPeers(node, nodes.length - 1, deadlineMs, lookMs)));
  return performance.now() - startMs;
}

/** @returns milliseconds until the node had that many peers. @throws Error when it never has */
export async function waitForPeers(
  node: LanNode,
  count: number,
  deadlineMs: number,
  lookMs: number = LOOK_MS,
): Promise<number> {
  const startMs = performance.now();
  for (;;) {
    const known = await node.peers();
    const elapsedMs = performance.now() - startMs;
    if (known.length >= count) return elapsedMs;
    if (elapsedMs > deadlineMs) {
      throw new Error(`after ${deadlineMs} ms, ${node.host.name} knows ${known.length} of ${count} peers`);
    }
    await sleep(lookMs);
  }
}
