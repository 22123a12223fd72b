/** A real node with its gateway, in this process, in front of an embedded Hub. */
import type { NodeConfig } from "@swarmd/daemon/config";
import type { RunningNode } from "@swarmd/daemon/host";
import { type Folders, makeFolders } from "../support/binaries.js";
import type { EmbeddedHub } from "../support/hub/hub.js";
import { type RawAnswer, type RawRequestOptions, rawRequest } from "../support/hub/raw-request.js";
import { startTestNode } from "../support/local-node.js";

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
  const node = await startTestNode(place, hub.url, { gateway: address, ...more });
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
