/** Bytes that follow from a seed. */
import { createCipheriv, createHash } from "node:crypto";
import { type BlobId, parseBlobId } from "@swarmd/protocol";

/** The key stream of AES-CTR: fast, and never the same for two seeds. */
export function contentOf(seed: string, sizeBytes: number): Buffer {
  const key = createHash("sha256").update(seed).digest();
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(sizeBytes));
}

export function blobOf(content: Uint8Array): BlobId {
  return parseBlobId(`sha256:${createHash("sha256").update(content).digest("hex")}`);
}

/** From the last to the first: the worst order for a prefix. */
export function reverseOrder(count: number): number[] {
  return Array.from({ length: count }, (_, index) => count - 1 - index);
}
