/**
 * Proofs of the shards that one attempt brings. The sender is asked first; of what it has no proof, others that hold the shard. Who takes
 * long has none: bytes wait for the answer.
 */
import { type BlobId, type NodeId, SwarmError, shardAt, shardEnd } from "@swarmd/protocol";
import type { EvidenceAnswer, EvidenceRequest } from "@swarmd/protocol/wire";
import type { OpenRangeCheck, RangeCheck } from "../xet/range-check.js";
import type { XetHash } from "../xet/xet-hash.js";

export interface AttemptProofsOptions {
  readonly blob: BlobId;
  readonly sizeBytes: number;
  readonly shardBytes: number;
  readonly startBytes: number;
  readonly endBytes: number;
  readonly peer: NodeId;
  readonly xetHash: XetHash;
}

export interface ShardProof {
  readonly payload: Uint8Array;
  readonly isForeign: boolean;
}

export interface AttemptProofsDeps {
  /** Asks for proofs that are there now; tells of each shard as its answer comes. @throws SwarmError PEER_*, INTERRUPTED */
  readonly ask: (
    peer: NodeId,
    request: EvidenceRequest,
    onAnswer: (answer: EvidenceAnswer) => void,
    options: { readonly signal: AbortSignal },
  ) => Promise<void>;
  /** Others than the sender that hold a shard and may have a proof of it, best first. */
  readonly others: (shard: number) => readonly NodeId[];
  readonly openCheck: OpenRangeCheck;
  /** The 32 bytes behind the hash. */
  readonly root: Uint8Array;
  /** This node has no proof of the shard. */
  readonly onLacking: (peer: NodeId) => void;
  /** Proofs of this node may be wrong where nobody can check them. */
  readonly onDoubt: (peer: NodeId) => void;
  readonly keep: (shard: number, payload: Uint8Array) => void;
}

/** A proof is read from a few places of the disk; a loaded node takes its time. */
const SENDER_MS = 4_000;
const OTHER_MS = 2_000;
const MOST_OTHERS = 2;
/** Of one question. More shards than that are not fetched in one attempt, or not proven. */
const SHARDS_MAX = 64;

interface Found extends ShardProof {
  readonly from: NodeId;
}

export class AttemptProofs {
  readonly xetHash: string;
  readonly #opts: AttemptProofsOptions;
  readonly #deps: AttemptProofsDeps;
  readonly #closed = new AbortController();
  readonly #found = new Map<number, Found | undefined>();
  readonly #waiting = new Map<number, ((proof: ShardProof | undefined) => void)[]>();
  #foreignSource: NodeId | undefined;

  constructor(opts: AttemptProofsOptions, deps: AttemptProofsDeps) {
    this.xetHash = opts.xetHash;
    this.#opts = opts;
    this.#deps = deps;
    void this.#askAll();
  }

  of(shard: number): Promise<ShardProof | undefined> {
    if (this.#found.has(shard) || this.#closed.signal.aborted) return Promise.resolve(this.#found.get(shard));
    return new Promise((resolve) => {
      this.#waiting.set(shard, [...(this.#waiting.get(shard) ?? []), resolve]);
    });
  }

  find(shard: number): ShardProof | undefined {
    return this.#found.get(shard);
  }

  openCheck(shard: number, { payload, isForeign }: ShardProof): RangeCheck {
    const { sizeBytes, shardBytes } = this.#opts;
    const range = { startBytes: shard * shardBytes, endBytes: shardEnd(shard, sizeBytes, shardBytes) };
    return this.#deps.openCheck(payload, { xetHash: this.xetHash, sizeBytes, ...range, isForeign });
  }

  keep(shard: number): void {
    const found = this.#found.get(shard);
    if (found !== undefined) this.#deps.keep(shard, found.payload);
  }

  doubt(): void {
    if (this.#foreignSource !== undefined) this.#deps.onDoubt(this.#foreignSource);
  }

  close(): void {
    this.#closed.abort(new SwarmError("INTERRUPTED", "the transfer is over"));
    for (const shard of [...this.#waiting.keys()]) this.#decide(shard, undefined);
  }

  /** Only of shards that come to their end: a proof speaks of whole chunks. */
  get #shards(): number[] {
    const { startBytes, endBytes, sizeBytes, shardBytes } = this.#opts;
    if (endBytes <= startBytes) return [];
    const first = shardAt(startBytes, shardBytes);
    const all = Array.from({ length: shardAt(endBytes - 1, shardBytes) - first + 1 }, (_, index) => first + index);
    return all.filter((shard) => shardEnd(shard, sizeBytes, shardBytes) <= endBytes);
  }

  async #askAll(): Promise<void> {
    const { startBytes, endBytes, shardBytes } = this.#opts;
    const wanted = this.#shards.slice(0, SHARDS_MAX);
    const isWanted = new Set(wanted);
    for (let shard = shardAt(startBytes, shardBytes); shard * shardBytes < endBytes; shard += 1) {
      if (!isWanted.has(shard)) this.#decide(shard, undefined);
    }
    if (wanted.length === 0) return;
    const asking: Promise<void>[] = [];
    const left = new Set(wanted);
    await this.#ask(this.#opts.peer, wanted, SENDER_MS, (shard, payload) => {
      if (!left.delete(shard)) return;
      if (payload === undefined) asking.push(this.#askOthers(shard));
      else this.#decide(shard, { payload, isForeign: false, from: this.#opts.peer });
    });
    for (const shard of left) asking.push(this.#askOthers(shard));
    await Promise.all(asking);
  }

  async #askOthers(shard: number): Promise<void> {
    let found: Found | undefined;
    for (const other of this.#deps.others(shard).slice(0, MOST_OTHERS)) {
      await this.#ask(other, [shard], OTHER_MS, (of, payload) => {
        if (of !== shard || payload === undefined) this.#deps.onLacking(other);
        else if (this.#isProof(shard, payload)) found = { payload, isForeign: true, from: other };
      });
      if (found !== undefined || this.#closed.signal.aborted) break;
    }
    this.#decide(shard, found);
  }

  /** Who sends bytes is to blame for what it says of them; who does not, only not believed. */
  #isProof(shard: number, payload: Uint8Array): boolean {
    try {
      this.openCheck(shard, { payload, isForeign: true });
      return true;
    } catch {
      return false;
    }
  }

  async #ask(
    peer: NodeId,
    shards: readonly number[],
    deadlineMs: number,
    onAnswer: (shard: number, payload: Uint8Array | undefined) => void,
  ): Promise<void> {
    const { blob, sizeBytes, shardBytes } = this.#opts;
    const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(deadlineMs)]);
    const request = { blob, sizeBytes, shardBytes, shards, root: this.#deps.root, proofsNow: true };
    try {
      await this.#deps.ask(
        peer,
        request,
        ({ shard, items }) => onAnswer(shard, items.find(({ kind }) => kind === "proof")?.payload),
        { signal },
      );
    } catch {
      // Whatever is wrong with it, it gave no proof.
    }
  }

  #decide(shard: number, found: Found | undefined): void {
    if (this.#found.has(shard)) return;
    this.#found.set(shard, found);
    if (found?.isForeign === true) this.#foreignSource = found.from;
    for (const resolve of this.#waiting.get(shard) ?? []) resolve(found);
    this.#waiting.delete(shard);
  }
}
