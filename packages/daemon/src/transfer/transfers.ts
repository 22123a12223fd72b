/**
 * transfer: carries out what the engine ordered.
 *
 * In: one order per attempt (a range of a blob, a source, a staging file). Out: `progress`, `checked`, and exactly one `ended`.
 * Never: decides what to fetch, from whom, or whether to try again.
 */
import { type BlobId, type Fault, SwarmError, shardAt, shardStart, toFault } from "@swarmd/protocol";
import { fetchIntoFile } from "./fetch-into-file.js";
import type { ProofFinder, RangeSource, ShardHasher, ShardJudge, ShardProofs } from "./ports.js";
import { ProvenStream } from "./proven-stream.js";
import { RangeWriter, type RangeWriterEvents } from "./range-writer.js";
import { ShardTrials } from "./shard-trials.js";
import type { TransferOrder } from "./transfer-order.js";

export type TransferReport =
  /** Everything of the attempt's range below `positionBytes` is in the staging file. */
  | { readonly type: "progress"; readonly attempt: number; readonly positionBytes: number }
  /** One shard is whole, may count, and is in the journal. */
  | { readonly type: "checked"; readonly attempt: number; readonly shard: number }
  /** The attempt is over; without `fault` it reached its end. */
  | { readonly type: "ended"; readonly attempt: number; readonly positionBytes: number; readonly fault?: Fault };

export interface TransfersDeps {
  readonly newHasher: () => ShardHasher;
  readonly judge: ShardJudge;
  /** Without it, no bytes are held against proofs. */
  readonly proofs?: ProofFinder;
  readonly report: (report: TransferReport) => void;
  /** So many bytes of a blob were fetched from the origin only to compare with them. */
  readonly onCompared?: (blob: BlobId, bytes: number) => void;
}

interface Running {
  readonly order: TransferOrder;
  readonly abort: AbortController;
  /** Those that ran at the same time and had shards in common with it. */
  readonly rivals: Running[];
  /** The shard that it goes on with was begun by others: what is in the file is a mixture. */
  readonly resumed: Set<number>;
  /** Everything below, from the start of the order on, was written by this attempt. */
  positionBytes: number;
  /** Nothing more will be written. */
  isOver: boolean;
  done: Promise<void>;
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
    const running: Running = {
      order,
      abort: new AbortController(),
      rivals: [],
      resumed: new Set(),
      positionBytes: order.startBytes,
      isOver: false,
      done: Promise.resolve(),
    };
    this.#introduce(running);
    this.#dropStale(running);
    this.#running.set(order.attempt, running);
    running.done = this.#run(running).finally(() => {
      this.#running.delete(order.attempt);
      // Rivals that go on need to know of this one, not of those it knew.
      running.rivals.length = 0;
    });
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

  /** Those who write to some of its shards now and it are rivals of each other. */
  #introduce(running: Running): void {
    const mine = new Set(shardsOf(running.order));
    for (const other of this.#running.values()) {
      if (other.order.sink !== running.order.sink || !shardsOf(other.order).some((shard) => mine.has(shard))) continue;
      running.rivals.push(other);
      other.rivals.push(running);
    }
  }

  /**
   * What lies in the file where an order begins was given up by whoever gave the order: it is to be written anew. But for the rest of a
   * first shard that the order goes on with: that was written before, and the last word on it is what the file holds.
   */
  #dropStale({ order, rivals, resumed }: Running): void {
    const { sink, startBytes } = order;
    const taken = new Set(rivals.flatMap((rival) => shardsOf(rival.order)));
    const stale: number[] = [];
    for (const shard of shardsOf(order)) {
      const from = Math.max(startBytes, shardStart(shard, sink.shardBytes));
      if (taken.has(shard) || sink.filledUpTo(from) === from) continue;
      if (from === shardStart(shard, sink.shardBytes)) stale.push(shard);
      else resumed.add(shard);
    }
    if (stale.length > 0) void sink.discard(stale);
  }

  async #run(running: Running): Promise<void> {
    const { order, abort } = running;
    const { attempt } = order;
    const { signal } = abort;
    const proofs = this.#openProofs(order);
    const trials = new ShardTrials(
      order,
      {
        ...this.#deps,
        proofs,
        isShared: (shard) => isShared(running, shard),
        onChecked: (shard) => this.#deps.report({ type: "checked", attempt, shard }),
        onCompared: (bytes) => this.#deps.onCompared?.(order.blob, bytes),
        onFailed: () => abort.abort(),
      },
      signal,
    );
    const close = () => trials.close();
    signal.addEventListener("abort", close, { once: true });
    const events: RangeWriterEvents = {
      onWritten: (written) => {
        trials.arrived(running.positionBytes, written);
        running.positionBytes = written;
        this.#deps.report({ type: "progress", attempt, positionBytes: written });
      },
      onWhole: (shard, hash) => trials.whole(shard, hash),
    };
    let error = await this.#fetch(order, proofs, events, signal);
    running.isOver = true;
    const verdict = await trials.settle();
    signal.removeEventListener("abort", close);
    // A shard that is not what it should be explains a broken stream, not the other way round.
    if (verdict !== undefined && (error === undefined || toFault(verdict).code !== "INTERRUPTED")) error = verdict;
    const fault = error === undefined ? undefined : toFault(error);
    if (fault?.code === "PEER_TAINTED") proofs?.doubt();
    proofs?.close();
    const { positionBytes } = running;
    if (fault !== undefined) this.#dropWrong(order, fault, positionBytes);
    this.#deps.report({ type: "ended", attempt, positionBytes, ...(fault === undefined ? {} : { fault }) });
  }

  #openProofs({ blob, startBytes, endBytes, from, sink }: TransferOrder): ShardProofs | undefined {
    if (from.kind !== "peer") return undefined;
    const { sizeBytes, shardBytes } = sink;
    return this.#deps.proofs?.open({ blob, sizeBytes, shardBytes, startBytes, endBytes, peer: from.peer });
  }

  /** Returns what went wrong. */
  async #fetch(
    order: TransferOrder,
    proofs: ShardProofs | undefined,
    events: RangeWriterEvents,
    signal: AbortSignal,
  ): Promise<unknown> {
    try {
      const { source } = order;
      if (!("fetch" in source)) return await this.#stream({ ...order, source }, proofs, events, signal);
      await fetchIntoFile({ ...order, source, proofs }, events, signal);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  /** Bytes that proved wrong are forgotten before anybody hears of it; while others still write to the shard, the next order does it. */
  #dropWrong(order: TransferOrder, { code }: Fault, positionBytes: number): void {
    if (code !== "PEER_CORRUPT" && code !== "PEER_TAINTED") return;
    const { sink, attempt } = order;
    const rivals = [...this.#running.values()].filter(
      ({ order: other }) => other.sink === sink && other.attempt !== attempt,
    );
    const held = new Set(rivals.flatMap((rival) => shardsOf(rival.order)));
    const wrong = shardsOf(order).filter(
      (shard) => !held.has(shard) && !sink.isChecked(shard) && shardStart(shard, sink.shardBytes) <= positionBytes,
    );
    if (wrong.length > 0) void sink.discard(wrong);
  }

  /** Returns what went wrong first. */
  async #stream(
    order: StreamOrder,
    proofs: ShardProofs | undefined,
    events: RangeWriterEvents,
    signal: AbortSignal,
  ): Promise<unknown> {
    const { sink, startBytes } = order;
    const writer = await RangeWriter.open(startBytes, { sink, newHasher: this.#deps.newHasher, events });
    if (signal.aborted) throw new SwarmError("INTERRUPTED", "the transfer was stopped before it began");
    const proven = proofs && new ProvenStream(startBytes, { writer, proofs, sink });
    return fetchInto(writer, proven ?? writer, order, signal);
  }
}

/** What is in the file of this shard may not be what this attempt has written. Rivals that left without a byte of it don't matter. */
function isShared({ resumed, rivals }: Running, shard: number): boolean {
  if (resumed.has(shard)) return true;
  return rivals.some(({ order, isOver, positionBytes }) => {
    if (!shardsOf(order).includes(shard)) return false;
    return !isOver || positionBytes > Math.max(order.startBytes, shardStart(shard, order.sink.shardBytes));
  });
}

function shardsOf({ startBytes, endBytes, sink }: TransferOrder): number[] {
  const shards: number[] = [];
  if (endBytes === startBytes) return shards;
  const last = shardAt(endBytes - 1, sink.shardBytes);
  for (let shard = shardAt(startBytes, sink.shardBytes); shard <= last; shard += 1) shards.push(shard);
  return shards;
}

type StreamOrder = TransferOrder & { readonly source: RangeSource };

/** Streams the range; whatever happens, what has arrived is written. Returns what went wrong first. */
async function fetchInto(
  writer: RangeWriter,
  into: RangeWriter | ProvenStream,
  order: StreamOrder,
  signal: AbortSignal,
): Promise<unknown> {
  const { blob, startBytes, endBytes, source } = order;
  let failure: unknown;
  try {
    await source.read(blob, startBytes, endBytes, into, { signal });
    if (into.receivedBytes !== endBytes) {
      failure = new SwarmError("ORIGIN_FAULT", `a source ended at byte ${into.receivedBytes}, before ${endBytes}`);
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
