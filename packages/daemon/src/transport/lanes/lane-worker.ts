/**
 * A thread that receives: whole connections live here, from the socket to the file, so that the main thread stays free.
 *
 * In: `LaneOrder` messages. Out: `LaneReport` messages; exactly one `ended` for each `fetch`.
 */
import { parentPort, workerData } from "node:worker_threads";
import { loadBlake3 } from "../../verify/shard-hasher.js";
import { loadRangeChecks } from "../../verify/xet/range-check.js";
import { LaneConnections } from "./lane-connections.js";
import { LaneFetch } from "./lane-fetch.js";
import type { LaneOrder, LaneReport, LaneThreadData } from "./lane-orders.js";
import { RateLimit } from "./rate-limit.js";
import { ReceiveBuffers } from "./receive-buffers.js";

const { deadlines, downloadLimit } = workerData as LaneThreadData;
const { createShardHasher } = await loadBlake3();
const openCheck = await loadRangeChecks();
const connections = new LaneConnections({
  limit: RateLimit.join(downloadLimit),
  onDead: (host) => report({ type: "dead", host }),
});
const buffers = new ReceiveBuffers();
const fetches = new Map<number, LaneFetch>();

function report(message: LaneReport): void {
  parentPort?.postMessage(message);
}

parentPort?.on("message", (order: LaneOrder) => {
  if (order.type === "cancel") {
    fetches.get(order.id)?.cancel();
    return;
  }
  if (order.type === "proof") {
    fetches.get(order.id)?.prove(order.shard, order.proof);
    return;
  }
  if (order.type === "gone") {
    connections.closeOver(order.hosts);
    return;
  }
  const fetch = new LaneFetch(order, {
    connections,
    buffers,
    deadlines,
    newHasher: createShardHasher,
    openCheck,
    report,
  });
  fetches.set(order.id, fetch);
  void fetch.run().finally(() => fetches.delete(order.id));
});
