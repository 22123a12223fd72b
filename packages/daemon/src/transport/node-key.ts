/** The key that a node is known by: made once, kept in the state folder, readable by nobody else. */
import "./promise-with-resolvers.js";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from "@libp2p/crypto/keys";
import type { PrivateKey } from "@libp2p/interface";
import { type NodeId, parseNodeId, SwarmError } from "@swarmd/protocol";

/** Name of the key's file in the state folder. */
export const NODE_KEY_NAME = "node.key";
const OWNER_ONLY = 0o600;
/** An Ed25519 key takes 68 bytes; whatever is much longer is no key. */
const KEY_BYTES_MAX = 4096;

/** Reads the key, or makes one. @throws SwarmError STORE_FAULT when the file can't be read, written or understood */
export async function loadNodeKey(path: string): Promise<PrivateKey> {
  const bytes = await readKeyFile(path);
  if (bytes === undefined) return createKey(path);
  try {
    return privateKeyFromProtobuf(bytes);
  } catch (cause) {
    throw new SwarmError("STORE_FAULT", `${path} is no node key`, {
      cause,
      hint: "Delete it: the node then gets a new name, and loses nothing else.",
    });
  }
}

/** The name that a node with this key goes by. */
export async function loadNodeId(path: string): Promise<NodeId> {
  return parseNodeId((await loadNodeKey(path)).publicKey.toString());
}

async function readKeyFile(path: string): Promise<Uint8Array | undefined> {
  try {
    const { size, mode } = await stat(path);
    if (size > KEY_BYTES_MAX) return new Uint8Array(0);
    if ((mode & 0o077) !== 0 && process.platform !== "win32") await chmod(path, OWNER_ONLY);
    return await readFile(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new SwarmError("STORE_FAULT", `the node's key ${path} can't be read: ${(cause as Error).message}`, { cause });
  }
}

async function createKey(path: string): Promise<PrivateKey> {
  const key = await generateKeyPair("Ed25519");
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    // The state folder is locked by this process, so nobody else makes one meanwhile.
    await writeFile(path, privateKeyToProtobuf(key), { mode: OWNER_ONLY, flag: "wx", flush: true });
  } catch (cause) {
    throw new SwarmError("STORE_FAULT", `the node's key ${path} can't be written: ${(cause as Error).message}`, {
      cause,
    });
  }
  return key;
}
