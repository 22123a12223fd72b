/** A real node inside the test process: every room is the real one, only time runs faster. */
import type { NodeConfig } from "@swarmd/daemon/config";
import type { RunningNode } from "@swarmd/daemon/host";
import { type NodeOptions, startNode } from "@swarmd/daemon/node";
import { createSilentLogger } from "@swarmd/daemon/observe/logger";
import type { PullEvent, PullRequest } from "@swarmd/protocol/api";
import type { Folders } from "./binaries.js";

/** Back-off of 2, 4, 8 s passes in 20, 40, 80 ms. */
export const CLOCK_SPEED = 100;

/** A clock that runs `speed` times as fast as the one on the wall. */
export function fastClock(speed: number): NonNullable<NodeOptions["clock"]> {
  return {
    nowMs: () => performance.now() * speed,
    after: (delayMs, callback) => {
      const timer = setTimeout(callback, delayMs / speed);
      return () => clearTimeout(timer);
    },
  };
}

export function testConfig(folders: Folders, endpoint: string, more: Partial<NodeConfig> = {}): NodeConfig {
  return {
    cacheDir: folders.cacheDir,
    stateDir: folders.stateDir,
    endpoint,
    token: undefined,
    workers: 8,
    offline: false,
    noPeer: true,
    p2pPort: 0,
    lanePort: 0,
    peers: [],
    mdns: false,
    gateway: undefined,
    publishers: [],
    links: new Map(),
    encrypt: "auto",
    maxUploadBytesPerS: undefined,
    maxDownloadBytesPerS: undefined,
    maxOriginBytesPerS: undefined,
    spotCheck: undefined,
    cache: { policy: "lru", bounds: {}, adoptEvict: false, keepStartup: false },
    refuseCopies: false,
    scrubBytesPerS: undefined,
    background: { budgetBytes: undefined, hours: undefined, lists: [], isPassing: false },
    logFormat: "json",
    logLevel: "error",
    ...more,
  };
}

export function startTestNode(
  folders: Folders,
  endpoint: string,
  more: Partial<NodeConfig> = {},
): Promise<RunningNode> {
  return startNode(testConfig(folders, endpoint, more), {
    clock: fastClock(CLOCK_SPEED),
    events: { emit: () => {} },
    logger: createSilentLogger(),
    origin: { retryBaseMs: 20, idleTimeoutMs: 400, headersTimeoutMs: 1000 },
  });
}

/** Runs one pull and returns all its events; the last is `done`. @throws SwarmError */
export async function pullEvents(
  node: RunningNode,
  request: PullRequest,
  signal: AbortSignal = new AbortController().signal,
): Promise<PullEvent[]> {
  const events: PullEvent[] = [];
  await node.commands.pull(request, (event) => events.push(event), { signal });
  return events;
}

export function doneOf(events: readonly PullEvent[]): Extract<PullEvent, { type: "done" }> {
  const last = events.at(-1);
  if (last?.type !== "done") throw new Error(`the last event is ${last?.type}`);
  return last;
}
