/** Shard hashes of blobs that are whole: kept from when they arrived, or read from the file when somebody asks. */
import { open } from "node:fs/promises";
import { type BlobId, shardCount, shardLength } from "@swarmd/protocol";
import type { ShardHasher } from "../verify/shard-hasher.js";
import type { KeptGroundsFolder } from "./kept-grounds.js";

export interface WholeHash {
  readonly hash: Uint8Array;
  /** Whether this node has held the whole file against its digest; else it only lies there under that name. */
  readonly isVerified: boolean;
}

export interface WholeBlob {
  readonly blob: BlobId;
  readonly path: string;
  readonly sizeBytes: number;
  readonly shardBytes: number;
}

interface Known {
  readonly sizeBytes: number;
  readonly shardBytes: number;
  readonly isVerified: boolean;
  /** Promises, so that a shard that many ask for is read once. */
  readonly hashes: Map<number, Promise<Uint8Array | undefined>>;
}

/** 32 bytes a shard: a node has this many blobs of interest at a time, and reads the others again. */
const MOST_BLOBS = 256;
const READ_BYTES = 256 * 1024;

export class WholeHashes {
  readonly #kept: KeptGroundsFolder;
  readonly #createShardHasher: () => ShardHasher;
  readonly #known = new Map<BlobId, Promise<Known>>();

  constructor(deps: { readonly kept: KeptGroundsFolder; readonly createShardHasher: () => ShardHasher }) {
    this.#kept = deps.kept;
    this.#createShardHasher = deps.createShardHasher;
  }

  /** `undefined` when the file can't be read. */
  async find(whole: WholeBlob, shard: number): Promise<WholeHash | undefined> {
    const known = await this.#knownOf(whole);
    let hash = known.hashes.get(shard);
    if (hash === undefined) {
      hash = this.#read(whole, shard).catch(() => undefined);
      known.hashes.set(shard, hash);
    }
    const found = await hash;
    if (found === undefined) known.hashes.delete(shard);
    return found && { hash: found, isVerified: known.isVerified };
  }

  /** The file was found to be something else, or is gone. */
  forget(blob: BlobId): void {
    this.#known.delete(blob);
  }

  async #knownOf(whole: WholeBlob): Promise<Known> {
    const { blob, sizeBytes, shardBytes } = whole;
    const before = await this.#known.get(blob);
    if (before?.sizeBytes === sizeBytes && before.shardBytes === shardBytes) return before;
    const known = this.#load(whole);
    this.#known.set(blob, known);
    if (this.#known.size > MOST_BLOBS) this.#known.delete(this.#known.keys().next().value as BlobId);
    return known;
  }

  async #load({ blob, sizeBytes, shardBytes }: WholeBlob): Promise<Known> {
    const kept = await this.#kept.find(blob);
    if (kept?.sizeBytes !== sizeBytes || kept.shardBytes !== shardBytes) {
      return { sizeBytes, shardBytes, isVerified: false, hashes: new Map() };
    }
    const hashes = new Map(kept.hashes.map((hash, shard) => [shard, Promise.resolve<Uint8Array | undefined>(hash)]));
    return { sizeBytes, shardBytes, isVerified: true, hashes };
  }

  async #read({ path, sizeBytes, shardBytes }: WholeBlob, shard: number): Promise<Uint8Array | undefined> {
    if (shard >= shardCount(sizeBytes, shardBytes)) return undefined;
    const file = await open(path, "r");
    try {
      const hasher = this.#createShardHasher();
      const bytes = shardLength(shard, sizeBytes, shardBytes);
      const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, bytes));
      for (let done = 0; done < bytes; ) {
        const { bytesRead } = await file.read(
          buffer,
          0,
          Math.min(buffer.length, bytes - done),
          shard * shardBytes + done,
        );
        if (bytesRead === 0) return undefined;
        hasher.update(buffer.subarray(0, bytesRead));
        done += bytesRead;
      }
      return hasher.digest();
    } finally {
      await file.close();
    }
  }
}
