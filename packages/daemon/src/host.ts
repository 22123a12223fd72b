/**
 * A node and the local API in front of it, in this process: what `swarmd start` keeps, and what `swarm pull` has for a while when no
 * daemon runs. Started in order, stopped in reverse, each stop with a deadline; a failed start leaves nothing behind.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { SOCKET_NAME, SwarmError } from "@swarmd/protocol";
import { ApiServer } from "./api/api-server.js";
import type { Commands, Views } from "./api/ports.js";
import { acquireStateLock } from "./api/state-lock.js";
import type { NodeConfig } from "./config.js";
import type { EventLog } from "./observe/events.js";
import { FileEventLog } from "./observe/file-event-log.js";
import type { Logger } from "./observe/logger.js";

/** A started node, as its host sees it. */
export interface RunningNode {
  readonly commands: Commands;
  readonly views: Views;
  stop(): Promise<void>;
}

/** The composition root's one function. */
export type StartNode = (
  config: NodeConfig,
  options: { readonly logger: Logger; readonly events: EventLog },
) => Promise<RunningNode>;

export interface HostOptions {
  /** As it was typed (`swarmd start`): others who want the state folder are told. */
  readonly command: string;
}

export interface HostDeps {
  readonly startNode: StartNode;
  readonly logger: Logger;
}

export interface HostedNode {
  readonly socketPath: string;
  /** Resolves when a client asks the node to stop. */
  readonly stopRequested: Promise<void>;
  /** Resolves when no pull or verification is being served. */
  waitUntilIdle(options: { readonly signal: AbortSignal }): Promise<void>;
  /** Resolves within the sum of the deadlines below, whatever hangs. */
  stop(): Promise<void>;
}

/** The API gives its clients 5 s to hear the end; the node has files to flush and journals to write. */
const STOP_DEADLINE_MS = 10_000;

interface Stoppable {
  readonly name: string;
  stop(): Promise<void>;
}

/** @throws SwarmError STATE_IN_USE, STORE_FAULT, ADDRESS_IN_USE, or what the node's start throws */
export async function hostNode(config: NodeConfig, options: HostOptions, deps: HostDeps): Promise<HostedNode> {
  const { logger } = deps;
  const running: Stoppable[] = [];
  const socketPath = join(config.stateDir, SOCKET_NAME);
  let requestStop: () => void = () => undefined;
  const stopRequested = new Promise<void>((resolve) => {
    requestStop = resolve;
  });
  try {
    await createStateDir(config.stateDir);
    const lock = await acquireStateLock(config.stateDir, options.command);
    running.push({ name: "state lock", stop: () => lock.release() });
    const events = createEventLog(config.stateDir, logger);
    running.push({ name: "event log", stop: () => events.close() });
    const node = await deps.startNode(config, { logger, events });
    running.push({ name: "node", stop: () => node.stop() });
    const { commands, views } = node;
    const api = new ApiServer({ socketPath }, { commands, views, logger, onStop: requestStop });
    await api.start();
    running.push(api);
    let stopping: Promise<void> | undefined;
    return {
      socketPath,
      stopRequested,
      waitUntilIdle: (idle) => api.waitUntilIdle(idle),
      stop: () => {
        stopping ??= stopAll(running, logger);
        return stopping;
      },
    };
  } catch (error) {
    await stopAll(running, logger);
    throw error;
  }
}

/** Only its owner may look into it: the journal tells what was pulled, and the socket lies there. */
async function createStateDir(stateDir: string): Promise<void> {
  try {
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new SwarmError("STORE_FAULT", `the state folder ${stateDir} can't be made: ${(cause as Error).message}`, {
      cause,
      hint: "Choose another with --state-dir DIR or SWARM_HOME.",
    });
  }
}

function createEventLog(dir: string, logger: Logger): FileEventLog {
  return new FileEventLog(
    { dir },
    {
      now: () => Date.now(),
      onFailure: (error) => logger.warn({ err: error }, "the event log can't be written; going on without it"),
    },
  );
}

async function stopAll(running: readonly Stoppable[], logger: Logger): Promise<void> {
  for (const part of [...running].reverse()) {
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<never>((_resolve, reject) => {
      const late = new Error(`still stopping after ${STOP_DEADLINE_MS} ms`);
      timer = setTimeout(() => reject(late), STOP_DEADLINE_MS);
    });
    try {
      await Promise.race([part.stop(), deadline]);
    } catch (error) {
      logger.error({ err: error }, `${part.name}: did not stop cleanly`);
    } finally {
      clearTimeout(timer);
    }
  }
}
