/** Blob ids in as few bytes as they need: a byte for the kind, the digest, and for provisional ones the size. */
import { SwarmError } from "../errors.js";
import { type BlobId, parseBlobId } from "../ids.js";

const SHA256 = 1;
const GIT_SHA1 = 2;
const URL = 3;
const LENGTHS: Readonly<Record<number, number>> = { [SHA256]: 33, [GIT_SHA1]: 21, [URL]: 49 };

export function encodeBlobId(blob: BlobId): Uint8Array {
  const [kind, digest = "", validator = "", size = "0"] = blob.split(":");
  if (kind === "sha256") return withKind(SHA256, digest);
  if (kind === "git-sha1") return withKind(GIT_SHA1, digest);
  return withKind(URL, digest + validator + BigInt(size).toString(16).padStart(16, "0"));
}

/** @throws SwarmError PEER_FAULT */
export function decodeBlobId(bytes: Uint8Array): BlobId {
  const kind = bytes[0] ?? 0;
  if (bytes.length !== LENGTHS[kind]) {
    throw new SwarmError("PEER_FAULT", `a blob id of kind ${kind} can't have ${bytes.length} bytes`);
  }
  const hex = bytesToHex(bytes.subarray(1));
  if (kind === SHA256) return parseBlobId(`sha256:${hex}`);
  if (kind === GIT_SHA1) return parseBlobId(`git-sha1:${hex}`);
  const size = BigInt(`0x${hex.slice(80)}`);
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw new SwarmError("PEER_FAULT", `a blob of ${size} bytes is no blob`);
  return parseBlobId(`url:${hex.slice(0, 64)}:${hex.slice(64, 80)}:${size}`);
}

function withKind(kind: number, hex: string): Uint8Array {
  return Uint8Array.of(kind, ...hexToBytes(hex));
}

/** Takes an even number of hex digits. */
export function hexToBytes(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length / 2);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16);
  return bytes;
}

/** Two digits a byte, lower case. */
export function bytesToHex(bytes: Uint8Array): string {
  let hex = "";
  for (const byte of bytes) hex += byte.toString(16).padStart(2, "0");
  return hex;
}
