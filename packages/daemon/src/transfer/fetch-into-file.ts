/** An attempt whose source writes to the staging file by itself: what is left to do here is to note how far it is. */
import { type BlobId, shardAt, shardEnd, shardStart } from "@swarmd/protocol";
import type { FileSource, ShardProofs, ShardSink } from "./ports.js";
import type { RangeWriterEvents } from "./range-writer.js";

export interface FileOrder {
  readonly blob: BlobId;
  readonly startBytes: number;
  readonly endBytes: number;
  readonly source: FileSource;
  readonly sink: ShardSink;
  readonly proofs: ShardProofs | undefined;
}

/** Tells the same events as a `RangeWriter`. @throws SwarmError what the source throws, or INTERRUPTED */
export async function fetchIntoFile(order: FileOrder, events: RangeWriterEvents, signal: AbortSignal): Promise<void> {
  const { blob, startBytes, endBytes, source, sink, proofs } = order;
  const { path, sizeBytes, shardBytes } = sink;
  const lent = new AbortController();
  let position = startBytes;
  const onWritten = (positionBytes: number, hash: Uint8Array) => {
    sink.noteFilled(position, positionBytes - position);
    position = positionBytes;
    const shard = shardAt(positionBytes - 1, shardBytes);
    const isWhole = positionBytes === shardEnd(shard, sizeBytes, shardBytes);
    if (!isWhole) sink.noteWatermark(shard, positionBytes - shardStart(shard, shardBytes), hash);
    events.onWritten(positionBytes);
    if (isWhole) events.onWhole(shard, hash);
  };
  let fetching = Promise.resolve();
  const loan = sink.lend({
    async stop() {
      lent.abort();
      await fetching.catch(() => undefined);
    },
  });
  try {
    fetching = source.fetch(
      {
        ...{ blob, startBytes, endBytes, path, sizeBytes, shardBytes, proofs, onWritten },
        claims: loan.claims,
        owner: loan.owner,
      },
      { signal: AbortSignal.any([signal, lent.signal]) },
    );
    await fetching;
  } finally {
    loan.end();
  }
}
