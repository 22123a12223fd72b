import { shardAt, shardEnd, shardStart } from "@swarmd/protocol";
import type { ByteSink, ShardHasher, ShardSink } from "./ports.js";

/** Written at once: large enough that system calls cost nothing, small enough that followers see bytes soon. */
const BATCH_BYTES = 1024 * 1024;
/** A slow source does not fill a batch soon: what has come is written after this time, for followers and for the journal. */
const LINGER_MS = 20;

/** What a {@link RangeWriter} tells as it goes. */
export interface RangeWriterEvents {
  /** Everything of the range below this position is in the staging file. */
  onWritten(positionBytes: number): void;
  /** A shard is whole in the staging file; `hash` (BLAKE3) is of what was sent, and of what was there before it. */
  onWhole(shard: number, hash: Uint8Array): void;
}

/** Chunks that go to the file in one write, and what the journal will say once they are there. */
interface Batch {
  readonly positionBytes: number;
  readonly chunks: Uint8Array[];
  readonly sizeBytes: number;
  readonly shard: number;
  readonly hash: Uint8Array;
}

/**
 * Takes the bytes of one range in order: hashes them as they come, gathers them into batches, writes each at its place.
 * A batch never crosses the end of a shard. One batch is written while the next one fills; when both are full the source has to wait.
 */
export class RangeWriter implements ByteSink {
  readonly #sink: ShardSink;
  readonly #newHasher: () => ShardHasher;
  readonly #events: RangeWriterEvents;
  #hasher: ShardHasher;
  #chunks: Uint8Array[] = [];
  #chunkBytes = 0;
  /** Position of the next byte to come, and of the next byte that is not yet in the file. */
  #received: number;
  #written: number;
  #writing: Promise<void> | undefined;
  #linger: NodeJS.Timeout | undefined;

  private constructor(
    start: { readonly positionBytes: number; readonly hasher: ShardHasher },
    deps: { readonly sink: ShardSink; readonly newHasher: () => ShardHasher; readonly events: RangeWriterEvents },
  ) {
    this.#received = start.positionBytes;
    this.#written = start.positionBytes;
    this.#hasher = start.hasher;
    this.#sink = deps.sink;
    this.#newHasher = deps.newHasher;
    this.#events = deps.events;
  }

  /** Starts at `positionBytes`; in the middle of a shard, what the file holds of that shard is hashed first. */
  static async open(
    positionBytes: number,
    deps: { readonly sink: ShardSink; readonly newHasher: () => ShardHasher; readonly events: RangeWriterEvents },
  ): Promise<RangeWriter> {
    const { sink } = deps;
    const hasher = deps.newHasher();
    const start = shardStart(shardAt(positionBytes, sink.shardBytes), sink.shardBytes);
    const buffer = Buffer.allocUnsafe(Math.min(BATCH_BYTES, positionBytes - start));
    for (let at = start; at < positionBytes; at += buffer.length) {
      const piece = buffer.subarray(0, positionBytes - at);
      await sink.read(at, piece);
      hasher.update(piece);
    }
    return new RangeWriter({ positionBytes, hasher }, deps);
  }

  /** Everything below is in the staging file. */
  get writtenBytes(): number {
    return this.#written;
  }

  /** Position of the next byte to come. */
  get receivedBytes(): number {
    return this.#received;
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    let rest = chunk;
    let wait: Promise<void> | undefined;
    while (rest.length > 0) {
      const shard = shardAt(this.#received, this.#sink.shardBytes);
      const room = shardEnd(shard, this.#sink.sizeBytes, this.#sink.shardBytes) - this.#received;
      if (room <= 0) throw new RangeError(`bytes beyond the end of a blob of ${this.#sink.sizeBytes} bytes`);
      const piece = rest.length <= room ? rest : rest.subarray(0, room);
      rest = rest.subarray(piece.length);
      this.#hasher.update(piece);
      this.#chunks.push(piece);
      this.#chunkBytes += piece.length;
      this.#received += piece.length;
      if (piece.length === room || this.#chunkBytes >= BATCH_BYTES) wait = this.#seal(shard, piece.length === room);
    }
    if (this.#chunkBytes > 0) this.#linger ??= setTimeout(() => this.#sealLate(), LINGER_MS);
    return wait;
  }

  /** Writes what is still in memory. Called once, after the source ended well or badly. */
  async flush(): Promise<void> {
    this.#sealLate();
    clearTimeout(this.#linger);
    await this.#writing;
  }

  /** Closes a batch that is not full. */
  #sealLate(): void {
    this.#linger = undefined;
    if (this.#chunkBytes > 0) this.#seal(shardAt(this.#received - 1, this.#sink.shardBytes), false);
  }

  /** Closes the current batch and puts it in line; the promise says when there is room for another. */
  #seal(shard: number, endsShard: boolean): Promise<void> | undefined {
    const batch: Batch = {
      positionBytes: this.#received - this.#chunkBytes,
      chunks: this.#chunks,
      sizeBytes: this.#chunkBytes,
      shard,
      hash: this.#hasher.digest(),
    };
    this.#chunks = [];
    this.#chunkBytes = 0;
    if (endsShard) this.#hasher = this.#newHasher();
    const before = this.#writing;
    const writing = before === undefined ? this.#writeBatch(batch) : before.then(() => this.#writeBatch(batch));
    this.#writing = writing;
    writing.then(
      () => {
        if (this.#writing === writing) this.#writing = undefined;
      },
      // Whoever waits for it sees it fail; until then it must not count as unhandled.
      () => {},
    );
    return before;
  }

  async #writeBatch(batch: Batch): Promise<void> {
    await this.#sink.write(batch.positionBytes, batch.chunks);
    this.#written = batch.positionBytes + batch.sizeBytes;
    const { shard, hash } = batch;
    const whole = this.#written === shardEnd(shard, this.#sink.sizeBytes, this.#sink.shardBytes);
    if (!whole) this.#sink.noteWatermark(shard, this.#written - shardStart(shard, this.#sink.shardBytes), hash);
    this.#events.onWritten(this.#written);
    if (whole) this.#events.onWhole(shard, hash);
  }
}
