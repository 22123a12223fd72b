/**
 * Spot checks: now and then, a piece of a shard that came from a peer is fetched from the origin and compared. A liar who is believed by a
 * whole LAN is so found while the file still arrives, and by bytes that do not count: 256 KiB for a gigabyte or so.
 *
 * A whole shard each time would cost one part in 64 of what the LAN saves; and the whole file is held against its digest anyway.
 */
import { open } from "node:fs/promises";
import { type BlobId, type NodeId, shardLength, shardStart } from "@swarmd/protocol";
import type { ShardHasher } from "../shard-hasher.js";
import type { Ground } from "../types.js";
import type { ShardName } from "./attest.js";
import type { RangeSource } from "./inquest.js";
import { isSame } from "./weigh.js";

export interface SpotCheckOptions {
  /** One of so many shards is looked at; never when `undefined`. */
  readonly every: number | undefined;
  readonly pieceBytes?: number;
}

export interface SpotCheckDeps {
  readonly origin: RangeSource;
  readonly newHasher: () => ShardHasher;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly onCompared: (blob: BlobId, bytes: number) => void;
  /** The origin has other bytes than this node vouched for. Not called when this disk has changed since. */
  readonly onLie: (about: ShardName, signer: NodeId) => void;
}

/** A shard that may count now. */
export interface CheckedShard extends ShardName {
  readonly path: string;
  readonly hash: Uint8Array;
  readonly ground: Ground | undefined;
}

const PIECE_BYTES = 256 * 1024;
/** An origin that takes longer has better things to do. */
const DEADLINE_MS = 60_000;
const READ_BYTES = 256 * 1024;

export class SpotChecks {
  readonly #opts: Required<SpotCheckOptions>;
  readonly #deps: SpotCheckDeps;
  readonly #stopped = new AbortController();
  #untilNext: number;
  /** One at a time: checks give way to transfers. */
  #running: Promise<void> | undefined;

  constructor(opts: SpotCheckOptions, deps: SpotCheckDeps) {
    this.#opts = { pieceBytes: PIECE_BYTES, ...opts };
    this.#deps = deps;
    this.#untilNext = this.#draw();
  }

  /** A shard is checked: perhaps it is the one to look at. */
  note(checked: CheckedShard): void {
    if (this.#opts.every === undefined || checked.ground?.kind !== "attestation") return;
    this.#untilNext -= 1;
    if (this.#untilNext > 0 || this.#running !== undefined || this.#stopped.signal.aborted) return;
    this.#untilNext = this.#draw();
    const { signer } = checked.ground;
    this.#running = this.#check(checked, signer)
      // An origin that is not there says nothing against anybody.
      .catch(() => undefined)
      .finally(() => {
        this.#running = undefined;
      });
  }

  /** Resolves when nothing is being compared. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }

  /** Nobody can know which shard it will be: from 1 to twice the mean. */
  #draw(): number {
    return 1 + Math.floor(this.#deps.random() * (2 * (this.#opts.every ?? 1) - 1));
  }

  async #check(checked: CheckedShard, signer: NodeId): Promise<void> {
    const { blob, sizeBytes, shardBytes, shard, path, hash } = checked;
    const length = shardLength(shard, sizeBytes, shardBytes);
    const bytes = Math.min(this.#opts.pieceBytes, length);
    const startBytes = shardStart(shard, shardBytes) + Math.floor(this.#deps.random() * (length - bytes + 1));
    const origins = await this.#hashAtOrigin(blob, startBytes, startBytes + bytes);
    if (isSame(origins, await this.#hashOfFile(path, startBytes, bytes))) return;
    // What was believed was the hash: if the file has changed since, this disk is to blame, not the signer.
    if (!isSame(hash, await this.#hashOfFile(path, shardStart(shard, shardBytes), length))) return;
    this.#deps.onLie({ blob, sizeBytes, shardBytes, shard }, signer);
  }

  async #hashAtOrigin(blob: BlobId, startBytes: number, endBytes: number): Promise<Uint8Array> {
    const hasher = this.#deps.newHasher();
    const sink = {
      write: (chunk: Uint8Array) => {
        hasher.update(chunk);
        this.#deps.onCompared(blob, chunk.length);
        return undefined;
      },
    };
    const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(DEADLINE_MS)]);
    await this.#deps.origin.read(blob, startBytes, endBytes, sink, { signal });
    return hasher.digest();
  }

  async #hashOfFile(path: string, startBytes: number, bytes: number): Promise<Uint8Array> {
    const hasher = this.#deps.newHasher();
    const file = await open(path, "r");
    try {
      const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, bytes));
      for (let done = 0; done < bytes; ) {
        const wanted = Math.min(buffer.length, bytes - done);
        const { bytesRead } = await file.read(buffer, 0, wanted, startBytes + done);
        if (bytesRead === 0) throw new Error(`${path} ends at byte ${startBytes + done}`);
        hasher.update(buffer.subarray(0, bytesRead));
        done += bytesRead;
      }
      return hasher.digest();
    } finally {
      await file.close();
    }
  }
}
