/** What the transfer room needs of others. */
import type { BlobId, NodeId } from "@swarmd/protocol";

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

/** One range of a blob, and the staging file it goes to. */
export interface FileFetch {
  readonly blob: BlobId;
  readonly startBytes: number;
  readonly endBytes: number;
  /** The staging file: bytes are written into it in place. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly shardBytes: number;
  /** The `ShardClaims` of the file: each shard is taken before it is written to, and what counts is left alone. */
  readonly claims: SharedArrayBuffer;
  /** As whom shards are taken. */
  readonly owner: number;
  /**
   * Everything of the range below `positionBytes` is in the file; `hash` is the BLAKE3, up to there, of the shard that ends there
   * or is in progress there. Called at least at the end of every shard.
   */
  onWritten(positionBytes: number, hash: Uint8Array): void;
  /** What shards are held against as they arrive. */
  readonly proofs?: ShardProofs | undefined;
}

/** Something that fetches into the staging file by itself, beside the main thread: receives, hashes, writes. */
export interface FileSource {
  /**
   * Resolves once all of the range is in the file. When it settles, the file is not touched any more.
   *
   * @throws SwarmError with a `blame`, after which the file has had a prefix of the range; on abort, INTERRUPTED.
   */
  fetch(order: FileFetch, options: { readonly signal: AbortSignal }): Promise<void>;
}

/** Finds the way to a peer's bytes. */
export interface LaneOpener {
  /** `link` names one of the peer's lane addresses; when it fails, another of its links may be taken. */
  open(peer: NodeId, link: string): RangeSource | FileSource;
}

/** A {@link FileSource}'s leave to write. */
export interface FileLoan {
  readonly claims: SharedArrayBuffer;
  readonly owner: number;
  end(): void;
}

/** The staging file of one blob, as a transfer sees it. */
export interface ShardSink {
  readonly path: string;
  readonly sizeBytes: number;
  readonly shardBytes: number;
  /** Writes the chunks one after the other at `positionBytes`; resolves when other readers of the file see them. */
  write(positionBytes: number, chunks: readonly Uint8Array[]): Promise<void>;
  /** Reads what was written before, into `target`; used to take up the hash of a shard midway. */
  read(positionBytes: number, target: Uint8Array): Promise<void>;
  /** Lets a {@link FileSource} write to the file at `path`. `stop` is called when that has to end, and resolves when it has. */
  lend(borrower: { stop(): Promise<void> }): FileLoan;
  /** Takes note that a {@link FileSource} has written these bytes. */
  noteFilled(positionBytes: number, bytes: number): void;
  /** Notes in the journal that the first `watermarkBytes` of a shard are written and hash to `hash` (BLAKE3). */
  noteWatermark(shard: number, watermarkBytes: number, hash: Uint8Array): void;
  /** Notes in the journal that a shard is whole, and what it rests on. */
  noteChecked(checked: Checked): void;
  /** Everything from `positionBytes` up to the returned position is in the file; `positionBytes` when nothing is. */
  filledUpTo(positionBytes: number): number;
  /** Notes in the journal that these bytes of a shard that is not checked yet are a peer's. */
  noteGuest(shard: number, peer: NodeId, startBytes: number, endBytes: number): void;
  /** Peers whose bytes are in a shard that is not checked yet. */
  guests(shard: number): readonly NodeId[];
  /** All bytes of peers in such a shard lie in this range. */
  guestRange(shard: number): { readonly startBytes: number; readonly endBytes: number } | undefined;
  isChecked(shard: number): boolean;
  /** Forgets what is in the file of these shards: the next bytes are written over it. Counts at once. */
  discard(shards: Iterable<number>): Promise<void>;
}

/** The verify room's certificate of one shard; nobody else makes one. */
export interface Checked {
  readonly blob: BlobId;
  readonly shard: number;
  readonly hash: Uint8Array;
}

/** What the bytes of one shard can be held against, chunk by chunk. */
export interface ShardProof {
  /** As it travels. */
  readonly payload: Uint8Array;
  /** Came from another peer than the one that sends the bytes. */
  readonly isForeign: boolean;
}

/** Holds bytes against a proof. The verify room makes them. */
export interface RangeCheck {
  /**
   * @param bytes what comes behind the bytes that are proven; the same again, and more, until they are
   * @returns how many of them are proven now
   * @throws SwarmError PEER_CORRUPT, PEER_TAINTED
   */
  check(bytes: Uint8Array): number;
}

/** Proofs of the shards that one attempt brings, asked for as it begins. Must be closed. */
export interface ShardProofs {
  /** What all of them lead to. */
  readonly xetHash: string;
  /** The proof of a shard; `undefined` when nobody has one. Never rejects. */
  of(shard: number): Promise<ShardProof | undefined>;
  /** What `of` gave, if it did. */
  find(shard: number): ShardProof | undefined;
  /** @throws SwarmError PEER_CORRUPT, PEER_FAULT when it is no proof of this shard */
  openCheck(shard: number, proof: ShardProof): RangeCheck;
  /** The shard is in the file and is what its proof says: others may have it. */
  keep(shard: number): void;
  /** Bytes did not fit their proof, and it may be the proof's fault. */
  doubt(): void;
  close(): void;
}

/** Finds proofs. */
export interface ProofFinder {
  /** `undefined`: the blob has no hash that proofs could lead to. */
  open(wanted: {
    readonly blob: BlobId;
    readonly sizeBytes: number;
    readonly shardBytes: number;
    readonly peer: NodeId;
    readonly startBytes: number;
    readonly endBytes: number;
  }): ShardProofs | undefined;
}

/** Says whether a shard that arrived may count. The verify room is one. */
export interface ShardJudge {
  /** Every byte of the shard came from the origin to this node. */
  fromOrigin(shard: ShardName, hash: Uint8Array): Checked;
  /**
   * What was sent has been held against a proof as it came.
   *
   * @throws SwarmError PEER_TAINTED when something else is in the file
   */
  fromProof(shard: ShardName, arrived: { readonly hash: Uint8Array; readonly sentHash: Uint8Array }): Checked;
  /** A shard begins to arrive from a peer: from now on it is found out what it rests on. Must be closed. */
  open(arrival: ShardName & { readonly peer: NodeId; readonly path: string }): ShardTrial;
}

export interface ShardName {
  readonly blob: BlobId;
  readonly sizeBytes: number;
  readonly shardBytes: number;
  readonly shard: number;
}

export interface ShardTrial {
  /**
   * @param arrived `hash`: of the shard as it is in the file; `sentHash`: of what this peer sent, which may differ when several wrote
   *   at the same time.
   * @throws SwarmError PEER_CORRUPT, PEER_TAINTED, PEER_UNPROVEN, STORE_FAULT; INTERRUPTED when closed
   */
  conclude(arrived: { readonly hash: Uint8Array; readonly sentHash: Uint8Array }): Promise<Checked>;
  close(): void;
}

/** BLAKE3 over one shard, fed in order. Made by the verify room. */
export interface ShardHasher {
  update(chunk: Uint8Array): void;
  /** The hash of all bytes so far; more may follow. 32 bytes. */
  digest(): Uint8Array;
}
