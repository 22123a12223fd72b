/** The key that a node is named by: a node id is its Ed25519 public key, in base58, behind a prefix that says so. */
import { createPublicKey, type KeyObject } from "node:crypto";
import type { NodeId } from "@swarmd/protocol";

const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/** An identity multihash of 36 bytes: a protobuf with the type Ed25519 and a key of 32 bytes. */
const ID_PREFIX = Buffer.from("002408011220", "hex");
const KEY_BYTES = 32;
/** What DER puts before an Ed25519 public key. */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
/** Nodes of one LAN; making a key object costs as much as checking a signature. */
const MOST_KEPT = 1024;

const kept = new Map<NodeId, KeyObject>();

/** `undefined` for a name that is no Ed25519 key: nobody can sign as that. */
export function findPublicKey(node: NodeId): KeyObject | undefined {
  const known = kept.get(node);
  if (known !== undefined) return known;
  const raw = findRawKey(node);
  if (raw === undefined) return undefined;
  const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: "der", type: "spki" });
  if (kept.size >= MOST_KEPT) kept.delete(kept.keys().next().value as NodeId);
  kept.set(node, key);
  return key;
}

/** The name of the node with this public key of 32 bytes. */
export function nodeIdOfKey(raw: Uint8Array): NodeId {
  return encodeBase58(Buffer.concat([ID_PREFIX, raw])) as NodeId;
}

function findRawKey(node: NodeId): Buffer | undefined {
  const bytes = decodeBase58(node);
  const isKey = bytes?.length === ID_PREFIX.length + KEY_BYTES && bytes.subarray(0, ID_PREFIX.length).equals(ID_PREFIX);
  return isKey ? bytes.subarray(ID_PREFIX.length) : undefined;
}

function decodeBase58(text: string): Buffer | undefined {
  let value = 0n;
  for (const character of text) {
    const digit = ALPHABET.indexOf(character);
    if (digit === -1) return undefined;
    value = value * 58n + BigInt(digit);
  }
  const zeros = /^1*/.exec(text)?.[0].length ?? 0;
  const hex = value === 0n ? "" : value.toString(16);
  return Buffer.concat([Buffer.alloc(zeros), Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex")]);
}

function encodeBase58(bytes: Buffer): string {
  let value = BigInt(`0x${bytes.toString("hex")}`);
  let text = "";
  for (; value > 0n; value /= 58n) text = ALPHABET[Number(value % 58n)] + text;
  const zeros = bytes.findIndex((byte) => byte !== 0);
  return "1".repeat(zeros) + text;
}
