/** A real node with its gateway, in this process, in front of an embedded Hub. */
import type { NodeConfig } from "@swarmd/daemon/config";
import type { RunningNode } from "@swarmd/daemon/host";
import { startNode } from "@swarmd/daemon/node";
import { createSilentLogger } from "@swarmd/daemon/observe/logger";
import { type Folders, makeFolders } from "../support/binaries.js";
import type { EmbeddedHub } from "../support/hub/hub.js";
import { type RawAnswer, type RawRequestOptions, rawRequest } from "../support/hub/raw-request.js";
import { testConfig } from "../support/local-node.js";

export interface TestGateway {
  /** What a client's HF_ENDPOINT is. */
  readonly url: string;
  readonly node: RunningNode;
  readonly folders: Folders;
  get(path: string, options?: RawRequestOptions): Promise<RawAnswer>;
  head(path: string, options?: RawRequestOptions): Promise<RawAnswer>;
  /** The body of a GET that has to work. */
  json(path: string, options?: RawRequestOptions): Promise<unknown>;
  /** Stops the node and starts it anew on the same folders, with another configuration. */
  restart(more?: Partial<NodeConfig>): Promise<TestGateway>;
  stop(): Promise<void>;
}

export async function startGateway(
  hub: Pick<EmbeddedHub, "url">,
  more: Partial<NodeConfig> = {},
  folders?: Folders,
): Promise<TestGateway> {
  const place = folders ?? (await makeFolders());
  const address = { host: "127.0.0.1", port: 0, token: undefined };
  const config = testConfig(place, hub.url, { gateway: address, ...more });
  // Time runs as on the wall, and patience is that of a real node: clients that read for seconds, on a busy machine, must not meet its end.
  const events = { emit: () => undefined };
  const node = await startNode(config, { events, logger: createSilentLogger(), origin: { retryBaseMs: 20 } });
  const url = (await node.views.status()).gateway as string;
  const get = (path: string, options: RawRequestOptions = {}) => rawRequest(url + path, options);
  return {
    url,
    node,
    folders: place,
    get,
    head: (path, options = {}) => get(path, { ...options, method: "HEAD" }),
    json: async (path, options = {}) => {
      const { status, body } = await get(path, options);
      if (status !== 200) throw new Error(`${path}: ${status} ${body.toString()}`);
      return JSON.parse(body.toString());
    },
    restart: async (again = {}) => {
      await node.stop();
      return startGateway(hub, { ...more, ...again }, place);
    },
    stop: async () => {
      await node.stop();
      await place.remove();
    },
  };
}

export const AUTHORIZED = { authorization: "Bearer hf_reader" };
