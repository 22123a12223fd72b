/**
 * A node to talk to: the running daemon, or, where none runs, one in this process for as long as the command takes. It serves the
 * same socket, so a second command started meanwhile finds it.
 */
import { setTimeout as delay } from "node:timers/promises";
import type * as daemonPackage from "@swarmd/daemon";
import { SwarmError } from "@swarmd/protocol";
import { type Client, connectTo, isNobodyThere, stateDirFor } from "./connection.js";
import { hasCode } from "./failure.js";

export interface NodeAccessOptions {
  /** `--state-dir`. */
  readonly stateDir: string | undefined;
  /** As it was typed (`swarm pull`), for others who find the state folder in use. */
  readonly command: string;
  readonly signal: AbortSignal;
  /** Whether a node of our own looks for peers. */
  readonly withPeers?: boolean;
  /** Called when no daemon runs and a node was started here. */
  readonly onOwnNode?: () => void;
  /** Called when the command is done and others are still being served. */
  readonly onStillServing?: () => void;
  /** Where the own node's warnings go. */
  readonly log: (line: string) => void;
}

/** Another command's node needs about this long from taking the state folder to answering, on a slow machine. */
const OTHER_NODE_DEADLINE_MS = 15_000;
const RETRY_MS = 50;
/** The own stream needs a moment to close; who is still there after it is somebody else. */
const OWN_STREAM_CLOSES_MS = 250;

/** Runs `work` with a client. It is called again if nobody answered, so it must not have done anything before its first call. */
export async function withNode<Result>(
  options: NodeAccessOptions,
  work: (client: Client) => Promise<Result>,
): Promise<Result> {
  const client = connectTo(stateDirFor(options.stateDir));
  const deadline = performance.now() + OTHER_NODE_DEADLINE_MS;
  let host: daemonPackage.HostedNode | undefined;
  for (;;) {
    try {
      return await workUnlessStopped(client, options, work);
    } catch (error) {
      if (!isNobodyThere(error)) throw error;
      if (performance.now() > deadline) throw noAnswer(error);
    }
    host = await tryHost(options);
    if (host !== undefined) break;
    // Another command's node has the folder: it is about to answer, or about to give the folder free.
    await delay(RETRY_MS, undefined, { signal: options.signal });
  }
  // `swarmd stop` from elsewhere means this node, too.
  void host.stopRequested.then(() => host.stop());
  try {
    const result = await workUnlessStopped(client, options, work);
    await waitForOthers(host, options);
    return result;
  } finally {
    await host.stop();
  }
}

/** What the daemon calls an interruption is none to a user who interrupted nothing. */
async function workUnlessStopped<Result>(
  client: Client,
  { signal }: NodeAccessOptions,
  work: (client: Client) => Promise<Result>,
): Promise<Result> {
  try {
    return await work(client);
  } catch (cause) {
    if (signal.aborted || !hasCode(cause, "INTERRUPTED")) throw cause;
    throw new SwarmError("DAEMON_UNREACHABLE", "the daemon was stopped before this was done", {
      cause,
      hint: "Run the same command again to go on; what was fetched is kept.",
    });
  }
}

/** `undefined` when another process is just starting a node on the same state folder. */
async function tryHost(options: NodeAccessOptions): Promise<daemonPackage.HostedNode | undefined> {
  const { stateDir, command } = options;
  const daemon: typeof daemonPackage = await import("@swarmd/daemon");
  const config = daemon.loadConfig({ flags: { stateDir }, env: process.env, readFile: daemon.readFileIfThere });
  const logger = daemon.createLogger(
    { format: "pretty", level: "warn", secrets: daemon.secretsOf(config) },
    { write: options.log },
  );
  try {
    const host = await daemon.hostNode(
      forAWhile(config, options.withPeers === true),
      { command },
      { startNode: daemon.startNode, logger },
    );
    options.onOwnNode?.();
    return host;
  } catch (error) {
    if (hasCode(error, "STATE_IN_USE")) return undefined;
    throw error;
  }
}

/** A node that comes and goes leaves the well-known ports to daemons. */
function forAWhile(config: daemonPackage.NodeConfig, withPeers: boolean): daemonPackage.NodeConfig {
  const background = { ...config.background, isPassing: true };
  return { ...config, background, gateway: undefined, lanePort: 0, p2pPort: 0, noPeer: config.noPeer || !withPeers };
}

function noAnswer(cause: unknown): SwarmError {
  return new SwarmError("DAEMON_UNREACHABLE", "another process uses the state folder, but does not answer", {
    cause,
    hint: "Give it a moment; swarm doctor shows what is wrong.",
  });
}

async function waitForOthers(host: daemonPackage.HostedNode, options: NodeAccessOptions): Promise<void> {
  const { signal } = options;
  const idle = host.waitUntilIdle({ signal });
  const timer = delay(OWN_STREAM_CLOSES_MS, "busy" as const, { ref: false });
  if ((await Promise.race([idle, timer])) === "busy") options.onStillServing?.();
  await idle;
}
