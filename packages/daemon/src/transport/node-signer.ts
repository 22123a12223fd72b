/** Signs as this node, whether it has peers or not. */
import { join } from "node:path";
import { loadNodeKey, NODE_KEY_NAME } from "./node-key.js";

export interface NodeSigner {
  /** Ed25519, 32 bytes: what the node's id is made of. */
  readonly publicKey: Uint8Array;
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}

/** @throws SwarmError STORE_FAULT when the key can't be read or made */
export async function openNodeSigner(stateDir: string): Promise<NodeSigner> {
  const key = await loadNodeKey(join(stateDir, NODE_KEY_NAME));
  return { publicKey: key.publicKey.raw, sign: async (bytes) => key.sign(bytes) };
}
