/** Daemons as processes with their gateways, and clients that look at every byte. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Agent, type IncomingMessage, request } from "node:http";
import {
  environmentFor,
  type Folders,
  makeFolders,
  type Running,
  runSwarm,
  startDaemon,
  stopDaemon,
} from "@swarmd/test/support/binaries";

export interface GatewayNode {
  readonly url: string;
  readonly folders: Folders;
  readonly env: NodeJS.ProcessEnv;
  readonly daemon: Running;
  /** Of the daemon, now. */
  residentMb(): number;
  stop(): Promise<void>;
}

export async function startGatewayNode(
  endpoint: string,
  args: readonly string[],
  parent?: string,
): Promise<GatewayNode> {
  const folders = await makeFolders(parent);
  const env = environmentFor(folders, endpoint);
  const daemon = await startDaemon(args, env);
  const { stdout } = await runSwarm(["env", "--json"], env);
  const { HF_ENDPOINT } = JSON.parse(stdout) as { HF_ENDPOINT: string };
  return {
    url: HF_ENDPOINT,
    folders,
    env,
    daemon,
    residentMb: () => {
      const status = readFileSync(`/proc/${daemon.pid}/status`, "utf8");
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_000;
    },
    async stop() {
      await stopDaemon(daemon);
      await folders.remove();
    },
  };
}

export interface Received {
  readonly bytes: number;
  readonly sha256: string;
  /** From the request to the first byte of the body. */
  readonly firstByteMs: number;
}

/** GETs to the end and digests what comes; comes back as clients do when the connection breaks. */
export async function receive(
  url: string,
  options: { readonly range?: string; readonly agent?: Agent } = {},
): Promise<Received> {
  const { range, agent = new Agent() } = options;
  const startedMs = performance.now();
  const asked = request(url, { agent, headers: range === undefined ? {} : { range } }).end();
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  if (response.statusCode !== 200 && response.statusCode !== 206) {
    throw new Error(`${url}: ${response.statusCode} ${response.headers["x-error-message"]}`);
  }
  const hash = createHash("sha256");
  let bytes = 0;
  let firstByteMs = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    if (bytes === 0) firstByteMs = performance.now() - startedMs;
    bytes += chunk.length;
    hash.update(chunk);
  }
  return { bytes, sha256: hash.digest("hex"), firstByteMs };
}
