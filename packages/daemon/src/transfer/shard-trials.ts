/**
 * The shards of one attempt, from their first byte to `checked`: what they rest on is found out while the next ones arrive.
 *
 * From the origin, a shard counts when every byte of it came from there. Where an attempt at the origin went on from bytes of a peer,
 * those are fetched from the origin as well in the end, and compared: nobody could vouch for a mixture.
 */
import { SwarmError, shardAt, shardEnd, shardStart } from "@swarmd/protocol";
import type { ShardHasher, ShardJudge, ShardName, ShardProofs, ShardTrial } from "./ports.js";
import type { TransferOrder } from "./transfer-order.js";

export interface ShardTrialsDeps {
  readonly judge: ShardJudge;
  readonly newHasher: () => ShardHasher;
  /** Where the bytes are held against proofs as they come. */
  readonly proofs: ShardProofs | undefined;
  /** Whether another attempt has written to the shard at the same time as this one. */
  readonly isShared: (shard: number) => boolean;
  readonly onChecked: (shard: number) => void;
  /** So many bytes of the origin were fetched only to compare with them. */
  readonly onCompared: (bytes: number) => void;
  /** A shard failed: the attempt need not go on. */
  readonly onFailed: () => void;
}

/** Read and hashed at a time. On a busy machine each piece waits for its turns, so not too many; a millisecond's work for the event loop. */
const READ_BYTES = 2 * 1024 * 1024;

export class ShardTrials {
  readonly #order: TransferOrder;
  readonly #deps: ShardTrialsDeps;
  readonly #signal: AbortSignal;
  readonly #trials = new Map<number, ShardTrial>();
  readonly #verdicts: Promise<void>[] = [];
  #failure: unknown;

  constructor(order: TransferOrder, deps: ShardTrialsDeps, signal: AbortSignal) {
    this.#order = order;
    this.#deps = deps;
    this.#signal = signal;
  }

  /** Bytes of one shard, up to here, are in the file. */
  arrived(startBytes: number, positionBytes: number): void {
    const { from, sink } = this.#order;
    if (from.kind !== "peer") return;
    const shard = shardAt(positionBytes - 1, sink.shardBytes);
    // What is proven may be anybody's.
    if (this.#deps.proofs?.find(shard) !== undefined) return;
    sink.noteGuest(shard, from.peer, startBytes, positionBytes);
    if (!this.#trials.has(shard)) this.#openTrial(shard, from.peer);
  }

  /** A shard is whole in the file. */
  whole(shard: number, sentHash: Uint8Array): void {
    const verdict = this.#judge(shard, sentHash).catch((error: unknown) => {
      this.#failure ??= error;
      this.#deps.onFailed();
    });
    this.#verdicts.push(verdict);
  }

  /** Waits for what is being judged. Returns what went wrong first. */
  async settle(): Promise<unknown> {
    await Promise.all(this.#verdicts);
    for (const trial of this.#trials.values()) trial.close();
    return this.#failure;
  }

  /** Whatever is waited for is given up. */
  close(): void {
    for (const trial of this.#trials.values()) trial.close();
  }

  #openTrial(shard: number, peer: Extract<TransferOrder["from"], { kind: "peer" }>["peer"]): ShardTrial {
    const { sink } = this.#order;
    const trial = this.#deps.judge.open({ ...this.#nameOf(shard), peer, path: sink.path });
    this.#trials.set(shard, trial);
    if (this.#signal.aborted) trial.close();
    return trial;
  }

  async #judge(shard: number, sentHash: Uint8Array): Promise<void> {
    const { from, sink } = this.#order;
    const hash = this.#deps.isShared(shard)
      ? await this.#hashRange(shardStart(shard, sink.shardBytes), this.#endOf(shard))
      : sentHash;
    if (this.#deps.proofs?.find(shard) !== undefined) {
      sink.noteChecked(this.#deps.judge.fromProof(this.#nameOf(shard), { hash, sentHash }));
      this.#deps.proofs.keep(shard);
    } else if (from.kind === "peer") {
      const trial = this.#trials.get(shard) ?? this.#openTrial(shard, from.peer);
      sink.noteChecked(await trial.conclude({ hash, sentHash }));
    } else {
      await this.#assertFromOrigin(shard, hash, sentHash);
      sink.noteChecked(this.#deps.judge.fromOrigin(this.#nameOf(shard), hash));
    }
    this.#deps.onChecked(shard);
  }

  /** @throws SwarmError PEER_CORRUPT when bytes of a peer in the shard are not the origin's */
  async #assertFromOrigin(shard: number, hash: Uint8Array, sentHash: Uint8Array): Promise<void> {
    const { sink } = this.#order;
    const range = sink.guestRange(shard);
    if (Buffer.compare(hash, sentHash) === 0 && (range === undefined || (await this.#isFromOrigin(range)))) return;
    const guests = sink.guests(shard).join(", ") || "another source";
    throw new SwarmError("PEER_CORRUPT", `what ${guests} sent of shard ${shard} is not what the origin has`);
  }

  async #isFromOrigin({
    startBytes,
    endBytes,
  }: {
    readonly startBytes: number;
    readonly endBytes: number;
  }): Promise<boolean> {
    const { blob, source } = this.#order;
    if ("fetch" in source) throw new SwarmError("INTERNAL", "the origin writes to no file by itself");
    const hasher = this.#deps.newHasher();
    const origins = {
      write: (chunk: Uint8Array) => {
        hasher.update(chunk);
        this.#deps.onCompared(chunk.length);
        return undefined;
      },
    };
    await source.read(blob, startBytes, endBytes, origins, { signal: this.#signal });
    return Buffer.compare(await this.#hashRange(startBytes, endBytes), hasher.digest()) === 0;
  }

  /** Of the file. */
  async #hashRange(startBytes: number, endBytes: number): Promise<Uint8Array> {
    const { sink } = this.#order;
    const hasher = this.#deps.newHasher();
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, endBytes - startBytes));
    for (let at = startBytes; at < endBytes; at += buffer.length) {
      const piece = buffer.subarray(0, endBytes - at);
      await sink.read(at, piece);
      hasher.update(piece);
    }
    return hasher.digest();
  }

  #endOf(shard: number): number {
    const { sizeBytes, shardBytes } = this.#order.sink;
    return shardEnd(shard, sizeBytes, shardBytes);
  }

  #nameOf(shard: number): ShardName {
    const { blob, sink } = this.#order;
    return { blob, sizeBytes: sink.sizeBytes, shardBytes: sink.shardBytes, shard };
  }
}
