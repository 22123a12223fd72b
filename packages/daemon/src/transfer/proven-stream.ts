/** Bytes of a stream that are held against proofs as they come: what is proven goes on to the writer, the rest waits for the end of its chunk. */
import { SwarmError, shardAt, shardEnd, shardStart } from "@swarmd/protocol";
import type { ByteSink, RangeCheck, ShardProofs, ShardSink } from "./ports.js";

/** Holds two of the largest chunks. */
const BUFFER_BYTES = 256 * 1024;

export class ProvenStream implements ByteSink {
  readonly #writer: ByteSink;
  readonly #proofs: ShardProofs;
  readonly #sink: ShardSink;
  readonly #startBytes: number;
  /** Position of the next byte to come. */
  #received: number;
  #shard = -1;
  #check: RangeCheck | undefined;
  /** Received and not proven; `#keptOld` of them were in the file before. */
  #buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  #kept = 0;
  #keptOld = 0;

  constructor(
    startBytes: number,
    deps: { readonly writer: ByteSink; readonly proofs: ShardProofs; readonly sink: ShardSink },
  ) {
    this.#startBytes = startBytes;
    this.#received = startBytes;
    this.#writer = deps.writer;
    this.#proofs = deps.proofs;
    this.#sink = deps.sink;
  }

  /** Position of the next byte to come. */
  get receivedBytes(): number {
    return this.#received;
  }

  /** @throws SwarmError PEER_CORRUPT, PEER_TAINTED, PEER_FAULT */
  async write(chunk: Uint8Array): Promise<void> {
    const { sizeBytes, shardBytes } = this.#sink;
    for (let rest = chunk; rest.length > 0; ) {
      const shard = shardAt(this.#received, shardBytes);
      if (shard !== this.#shard) await this.#openShard(shard);
      const room = shardEnd(shard, sizeBytes, shardBytes) - this.#received;
      const most = this.#check === undefined ? room : Math.min(room, this.#buffer.length - this.#kept);
      const piece = rest.subarray(0, most);
      rest = rest.subarray(piece.length);
      this.#received += piece.length;
      if (this.#check === undefined) await this.#writer.write(piece);
      else await this.#take(this.#check, piece);
    }
  }

  async #take(check: RangeCheck, piece: Uint8Array): Promise<void> {
    this.#buffer.set(piece, this.#kept);
    this.#kept += piece.length;
    const proven = this.#prove(check);
    if (proven === 0) return;
    // Belongs to the writer from now on.
    const bytes = Buffer.from(this.#buffer.subarray(this.#keptOld, proven));
    this.#drop(proven);
    await this.#writer.write(bytes);
  }

  /** Who sends now is not to blame for bytes that were there before. */
  #prove(check: RangeCheck): number {
    try {
      return check.check(this.#buffer.subarray(0, this.#kept));
    } catch (error) {
      const isOld = this.#received - this.#kept < this.#startBytes;
      if (!isOld || !(error instanceof SwarmError) || error.code !== "PEER_CORRUPT") throw error;
      throw new SwarmError("PEER_TAINTED", `what was there before: ${error.message}`);
    }
  }

  #drop(bytes: number): void {
    this.#buffer.copyWithin(0, bytes, this.#kept);
    this.#kept -= bytes;
    this.#keptOld = Math.max(0, this.#keptOld - bytes);
  }

  /** In the middle of a shard, what the file holds of it is held against the proof first. */
  async #openShard(shard: number): Promise<void> {
    const { sizeBytes, shardBytes } = this.#sink;
    this.#shard = shard;
    const proof = await this.#proofs.of(shard);
    this.#check = proof && this.#proofs.openCheck(shard, proof);
    this.#kept = 0;
    this.#keptOld = 0;
    if (this.#check === undefined || this.#received >= shardEnd(shard, sizeBytes, shardBytes)) return;
    for (let at = shardStart(shard, shardBytes); at < this.#received; ) {
      const target = this.#buffer.subarray(this.#kept, this.#kept + this.#received - at);
      await this.#sink.read(at, target);
      at += target.length;
      this.#kept += target.length;
      this.#keptOld = this.#kept;
      this.#drop(this.#prove(this.#check));
    }
  }
}
