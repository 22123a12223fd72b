/** Holds the claims of a journal against the bytes on disk. */
import type { FileHandle } from "node:fs/promises";
import type { ShardHasher } from "../verify/shard-hasher.js";
import { throwIfAborted } from "./disk-faults.js";
import type { Claim } from "./journal.js";

export interface RecheckOptions {
  readonly shardBytes: number;
  readonly createShardHasher: () => ShardHasher;
  readonly signal: AbortSignal;
}

/** Large enough to be fast, small enough to leave the event loop its turns. */
const READ_BYTES = 1024 * 1024;

/** The claims that the file bears out. Bytes that can't be read bear out nothing. */
export async function recheckClaims(
  file: FileHandle,
  claims: Iterable<Claim>,
  options: RecheckOptions,
): Promise<Claim[]> {
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  const kept: Claim[] = [];
  for (const claim of claims) {
    throwIfAborted(options.signal);
    const hash = await hashRange(file, claim.shard * options.shardBytes, claim.bytes, buffer, options);
    if (hash !== undefined && Buffer.compare(hash, claim.hash) === 0) kept.push(claim);
  }
  return kept;
}

async function hashRange(
  file: FileHandle,
  startBytes: number,
  bytes: number,
  buffer: Buffer,
  { createShardHasher, signal }: RecheckOptions,
): Promise<Uint8Array | undefined> {
  const hasher = createShardHasher();
  let done = 0;
  while (done < bytes) {
    throwIfAborted(signal);
    const wanted = Math.min(buffer.length, bytes - done);
    const { bytesRead } = await file.read(buffer, 0, wanted, startBytes + done).catch(() => ({ bytesRead: 0 }));
    if (bytesRead === 0) return undefined;
    hasher.update(buffer.subarray(0, bytesRead));
    done += bytesRead;
  }
  return hasher.digest();
}
