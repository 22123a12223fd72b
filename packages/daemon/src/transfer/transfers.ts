/**
 * transfer: carries out what the engine ordered.
 *
 * In: one order per attempt (a range of a blob, a source, a staging file). Out: `progress`, `checked`, and exactly one `ended`.
 * Never: decides what to fetch, from whom, or whether to try again.
 */
import { type BlobId, type Fault, SwarmError, toFault } from "@swarmd/protocol";
import { fetchIntoFile } from "./fetch-into-file.js";
import type { FileSource, RangeSource, ShardHasher, ShardSink } from "./ports.js";
import { RangeWriter, type RangeWriterEvents } from "./range-writer.js";

export interface TransferOrder {
  readonly attempt: number;
  readonly blob: BlobId;
  readonly startBytes: number;
  readonly endBytes: number;
  readonly source: RangeSource | FileSource;
  readonly sink: ShardSink;
}

export type TransferReport =
  /** Everything of the attempt's range below `positionBytes` is in the staging file. */
  | { readonly type: "progress"; readonly attempt: number; readonly positionBytes: number }
  /** One shard is whole, hashed and in the journal. */
  | { readonly type: "checked"; readonly attempt: number; readonly shard: number }
  /** The attempt is over; without `fault` it reached its end. */
  | { readonly type: "ended"; readonly attempt: number; readonly positionBytes: number; readonly fault?: Fault };

export interface TransfersDeps {
  readonly newHasher: () => ShardHasher;
  readonly report: (report: TransferReport) => void;
}

interface Running {
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

export class Transfers {
  readonly name = "transfer";
  readonly #deps: TransfersDeps;
  readonly #running = new Map<number, Running>();

  constructor(deps: TransfersDeps) {
    this.#deps = deps;
  }

  /** Begins an attempt; returns at once. */
  begin(order: TransferOrder): void {
    const abort = new AbortController();
    const done = this.#run(order, abort.signal).finally(() => this.#running.delete(order.attempt));
    this.#running.set(order.attempt, { abort, done });
  }

  /** Stops an attempt; `ended` follows. An attempt that is over already is left alone. */
  cancel(attempt: number): void {
    this.#running.get(attempt)?.abort.abort();
  }

  /** Stops all attempts and waits until what they had in memory is written. */
  async stop(): Promise<void> {
    const running = [...this.#running.values()];
    for (const { abort } of running) abort.abort();
    await Promise.all(running.map(({ done }) => done));
  }

  async #run(order: TransferOrder, signal: AbortSignal): Promise<void> {
    const { attempt, startBytes } = order;
    let positionBytes = startBytes;
    let error: unknown;
    const events: RangeWriterEvents = {
      onWritten: (written) => {
        positionBytes = written;
        this.#deps.report({ type: "progress", attempt, positionBytes });
      },
      onChecked: (shard) => this.#deps.report({ type: "checked", attempt, shard }),
    };
    try {
      const { source } = order;
      if ("fetch" in source) await fetchIntoFile({ ...order, source }, events, signal);
      else error = await this.#stream({ ...order, source }, events, signal);
    } catch (thrown) {
      error = thrown;
    }
    this.#deps.report({
      type: "ended",
      attempt,
      positionBytes,
      ...(error === undefined ? {} : { fault: toFault(error) }),
    });
  }

  /** Returns what went wrong first. */
  async #stream(order: StreamOrder, events: RangeWriterEvents, signal: AbortSignal): Promise<unknown> {
    const { sink, startBytes } = order;
    const writer = await RangeWriter.open(startBytes, { sink, newHasher: this.#deps.newHasher, events });
    if (signal.aborted) throw new SwarmError("INTERRUPTED", "the transfer was stopped before it began");
    return fetchInto(writer, order, signal);
  }
}

type StreamOrder = TransferOrder & { readonly source: RangeSource };

/** Streams the range; whatever happens, what has arrived is written. Returns what went wrong first. */
async function fetchInto(writer: RangeWriter, order: StreamOrder, signal: AbortSignal): Promise<unknown> {
  const { blob, startBytes, endBytes, source } = order;
  let failure: unknown;
  try {
    await source.read(blob, startBytes, endBytes, writer, { signal });
    if (writer.receivedBytes !== endBytes) {
      failure = new SwarmError("ORIGIN_FAULT", `a source ended at byte ${writer.receivedBytes}, before ${endBytes}`);
    }
  } catch (error) {
    failure = error;
  }
  try {
    await writer.flush();
  } catch (error) {
    // A full disk explains a broken stream, not the other way round.
    return error;
  }
  return failure;
}
