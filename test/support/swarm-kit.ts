/** Real nodes in this process that know each other by address, over loopback. */
import { createServer } from "node:net";
import type { NodeConfig } from "@swarmd/daemon/config";
import type { RunningNode } from "@swarmd/daemon/host";
import { startNode } from "@swarmd/daemon/node";
import { createSilentLogger } from "@swarmd/daemon/observe/logger";
import { type Folders, makeFolders } from "./binaries.js";
import { fastClock, testConfig } from "./local-node.js";

export interface KitEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

export interface KitNode {
  readonly node: RunningNode;
  readonly folders: Folders;
  readonly events: KitEvent[];
  /** `host:port` of its libp2p. */
  readonly address: string;
}

/** A port that is free at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export class SwarmKit {
  readonly #endpoint: string;
  readonly #startNode: typeof startNode;
  readonly #nodes = new Set<KitNode>();

  /** @param start the node's own, of another build */
  constructor(endpoint: string, start = startNode) {
    this.#endpoint = endpoint;
    this.#startNode = start;
  }

  /** Starts a node that knows these addresses. */
  async start(
    peers: readonly string[],
    more: Partial<NodeConfig> = {},
    { folders: given, clockSpeed }: { readonly folders?: Folders; readonly clockSpeed?: number } = {},
  ): Promise<KitNode> {
    const folders = given ?? (await makeFolders());
    const p2pPort = await freePort();
    const events: KitEvent[] = [];
    const config = testConfig(folders, this.#endpoint, { noPeer: false, p2pPort, peers, ...more });
    const node = await this.#startNode(config, {
      events: { emit: (event) => events.push(event as KitEvent) },
      logger: createSilentLogger(),
      ...(clockSpeed === undefined ? {} : { clock: fastClock(clockSpeed) }),
    });
    const kept = { node, folders, events, address: `127.0.0.1:${p2pPort}` };
    this.#nodes.add(kept);
    return kept;
  }

  /** Stops one; its folders stay. */
  async stop(node: KitNode): Promise<void> {
    this.#nodes.delete(node);
    await node.node.stop();
  }

  /** Stops all and removes their folders. */
  async end(): Promise<void> {
    for (const { node, folders } of this.#nodes) {
      await node.stop();
      await folders.remove();
    }
  }
}

/** Waits for something to become true. @throws after `deadlineMs` */
export async function until(
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  deadlineMs = 20_000,
): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!(await isTrue())) {
    if (performance.now() > endMs) throw new Error(`in ${deadlineMs / 1000} s it did not happen that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** That a node is connected to so many others. */
export function knows({ node }: KitNode, peers: number): Promise<void> {
  return until(`a node knows ${peers} others`, async () => (await node.views.status()).peers.length >= peers);
}
