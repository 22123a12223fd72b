/** What the transfer room needs of others. */
import type { BlobId } from "@swarmd/protocol";

/** Takes bytes in order. */
export interface ByteSink {
  /**
   * Takes the next bytes of the range. A promise means "stop reading until it resolves" (back-pressure); `undefined` means
   * "go on". The chunk belongs to the sink from the call on: the source must not write into it again.
   */
  write(chunk: Uint8Array): Promise<void> | undefined;
}

/** Something bytes of a blob can be read from. */
export interface RangeSource {
  /**
   * Streams exactly `[startBytes, endBytes)` of a blob into the sink, in order, and resolves once the sink has taken all of it.
   *
   * @throws SwarmError with a `blame`, after which the sink has had a prefix of the range; on abort, INTERRUPTED.
   */
  read(
    blob: BlobId,
    startBytes: number,
    endBytes: number,
    sink: ByteSink,
    options: { readonly signal: AbortSignal },
  ): Promise<void>;
}

/** The staging file of one blob, as a transfer sees it. */
export interface ShardSink {
  readonly sizeBytes: number;
  readonly shardBytes: number;
  /** Writes the chunks one after the other at `positionBytes`; resolves when other readers of the file see them. */
  write(positionBytes: number, chunks: readonly Uint8Array[]): Promise<void>;
  /** Reads what was written before, into `target`; used to take up the hash of a shard midway. */
  read(positionBytes: number, target: Uint8Array): Promise<void>;
  /** Notes in the journal that the first `watermarkBytes` of a shard are written and hash to `hash` (BLAKE3). */
  noteWatermark(shard: number, watermarkBytes: number, hash: Uint8Array): void;
  /** Notes in the journal that a shard is whole and hashes to `hash` (BLAKE3). */
  noteChecked(shard: number, hash: Uint8Array): void;
}

/** BLAKE3 over one shard, fed in order. Made by the verify room. */
export interface ShardHasher {
  update(chunk: Uint8Array): void;
  /** The hash of all bytes so far; more may follow. 32 bytes. */
  digest(): Uint8Array;
}
