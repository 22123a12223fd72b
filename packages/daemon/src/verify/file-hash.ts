/** The two digests the Hub names files by. */
import { createHash, type Hash } from "node:crypto";

export type DigestAlgorithm = "sha256" | "git-sha1";

/** Starts the hash of a file of this size; git puts a header before the content. */
export function startFileHash(algorithm: DigestAlgorithm, sizeBytes: number): Hash {
  return algorithm === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${sizeBytes}\0`);
}
