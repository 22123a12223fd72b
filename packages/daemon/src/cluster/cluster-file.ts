/** What makes this node a member: `cluster.json` in the state folder. Without the file the node is in open mode. */
import { join } from "node:path";
import { SwarmError } from "@swarmd/protocol";
import { isSwarmKey, SHARE_GATED, type ShareGated } from "@swarmd/protocol/wire";
import { readSecret, removeSecret, writeSecret } from "./secret-file.js";

const FORMAT_VERSION = 1;

export interface Membership {
  readonly clusterId: string;
  readonly name: string;
  readonly shareGated: ShareGated;
  /** Rises with every new key. */
  readonly generation: number;
  /** Text of a libp2p swarm key. */
  readonly swarmKey: string;
}

export class ClusterFile {
  readonly #path: string;

  constructor(stateDir: string) {
    this.#path = join(stateDir, "cluster.json");
  }

  /** @throws SwarmError STORE_FAULT, also for a file that makes no sense: going on without it would leave the cluster in silence */
  async read(): Promise<Membership | undefined> {
    const text = await readSecret(this.#path);
    if (text === undefined) return undefined;
    try {
      return parseMembership(JSON.parse(text));
    } catch (cause) {
      throw new SwarmError("STORE_FAULT", `${this.#path} is no membership of a cluster`, {
        // Not the parser's error: it would quote the file.
        cause: new Error((cause as Error).name),
        hint: "Remove it and join the cluster again.",
      });
    }
  }

  /** @throws SwarmError STORE_FAULT */
  async write(membership: Membership): Promise<void> {
    await writeSecret(this.#path, `${JSON.stringify({ version: FORMAT_VERSION, ...membership }, undefined, 2)}\n`);
  }

  /** @throws SwarmError STORE_FAULT */
  async remove(): Promise<void> {
    await removeSecret(this.#path);
  }
}

function parseMembership(value: unknown): Membership {
  const { version, clusterId, name, shareGated, generation, swarmKey } = value as Record<string, unknown>;
  const rule = SHARE_GATED.find((one) => one === shareGated);
  const isWhole =
    version === FORMAT_VERSION &&
    typeof clusterId === "string" &&
    typeof name === "string" &&
    rule !== undefined &&
    Number.isSafeInteger(generation) &&
    typeof swarmKey === "string" &&
    isSwarmKey(swarmKey);
  if (!isWhole) throw new Error("incomplete");
  return { clusterId, name, shareGated: rule, generation: generation as number, swarmKey };
}
