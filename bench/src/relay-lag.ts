import { parseBlobId, SHARD_BYTES } from "@swarmd/protocol";
import { DirectLane, HOLDER } from "@swarmd/test/support/direct-lane";
import { LaneNode } from "@swarmd/test/support/lane-node";
import { type Bench, median } from "./report.js";

/** Everything below `positionBytes` was in the file at this time. One clock for all who are compared. */
export interface Flushed {
  readonly positionBytes: number;
  readonly atMs: number;
}

const MIB = 1024 * 1024;
const SIZE_BYTES = 96 * MIB;
/** What a fast line to the origin brings, in pieces as a transfer writes them. */
const PIECE_BYTES = 256 * 1024;
const PIECE_MS = 5;

/**
 * How long each flush of the holder took to be flushed at the follower, in milliseconds. Both lists in order of time; what never
 * arrived counts as infinitely late.
 */
export function relayLags(holder: readonly Flushed[], follower: readonly Flushed[]): readonly number[] {
  let next = 0;
  return holder.map(({ positionBytes, atMs }) => {
    while (next < follower.length && (follower[next] as Flushed).positionBytes < positionBytes) next += 1;
    return (follower[next]?.atMs ?? Number.POSITIVE_INFINITY) - atMs;
  });
}

/** The value below which this share of the values lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** Relay of a blob that arrives at about 50 MB/s: to a follower, and through it to another. */
export const relayLag: Bench = {
  name: "relay-lag",
  about: "from flushed at the first holder to flushed at a follower, and at the follower's follower, on loopback",
  async run() {
    const blob = { id: parseBlobId(`sha256:${"1".repeat(64)}`), sizeBytes: SIZE_BYTES, shardBytes: SHARD_BYTES };
    const nodes = [await LaneNode.start(blob), await LaneNode.start(blob), await LaneNode.start(blob)] as const;
    const [holder, follower, second] = nodes;
    const lanes = [await DirectLane.start(holder.serve), await DirectLane.start(follower.serve)] as const;
    const flushes = nodes.map(({ staging }) => {
      const list: Flushed[] = [];
      staging.onFilled(() => list.push({ positionBytes: staging.filledUpTo(0), atMs: performance.now() }));
      return list;
    });
    try {
      const fetches = [
        follower.fetch(lanes[0].client.source(HOLDER, "lo"), 0, SIZE_BYTES),
        second.fetch(lanes[1].client.source(HOLDER, "lo"), 0, SIZE_BYTES),
      ];
      const content = Buffer.alloc(SIZE_BYTES, 1);
      for (let at = 0; at < SIZE_BYTES; at += PIECE_BYTES) {
        await holder.put(content, at, Math.min(at + PIECE_BYTES, SIZE_BYTES));
        await new Promise((resolve) => setTimeout(resolve, PIECE_MS));
      }
      for (const { done } of fetches) {
        const { fault } = await done;
        if (fault !== undefined) throw new Error(fault.message);
      }
    } finally {
      for (const lane of lanes) await lane.stop();
      for (const node of nodes) await node.stop();
    }
    const [first, ...others] = flushes as [Flushed[], Flushed[], Flushed[]];
    return others.map((list, hop) => {
      const lags = relayLags(first, list);
      const [middle, late] = [median(lags), quantile(lags, 0.99)];
      return {
        what: `relay lag over ${hop + 1} ${hop === 0 ? "hop" : "hops"} (${lags.length} flushes)`,
        measured: `median ${middle.toFixed(1)} ms, p99 ${late.toFixed(1)} ms`,
        target: hop === 0 ? "≤ 50 ms, ≤ 200 ms" : "(no target)",
        reached: hop > 0 || (middle <= 50 && late <= 200),
      };
    });
  },
};
