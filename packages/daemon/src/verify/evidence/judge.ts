/**
 * *Purpose*: says whether a shard that arrived may count. *In*: its name, its hash, where it came from. *Out*: `Checked` certificates,
 * or an error that says whose fault it is. *Never*: writes or drops bytes, decides whom to ask for them, or takes a hash without
 * something that it can be held against.
 */
import { type BlobId, digestOf, type NodeId, SwarmError, toSwarmError } from "@swarmd/protocol";
import type { EvidenceItem } from "@swarmd/protocol/wire";
import type { Checked, Ground } from "../types.js";
import type { ShardName } from "./attest.js";
import type { Conflict, DigestCheck, EvidenceReply, EvidenceSource, ProofCheck, Witnesses } from "./ports.js";
import { isSame, type Testimony, weigh } from "./weigh.js";

/** A shard that begins to arrive from a peer. */
export interface Arrival extends ShardName {
  readonly peer: NodeId;
  /** The staging file. */
  readonly path: string;
}

/** What has arrived. */
export interface Arrived {
  /** BLAKE3 of the shard as it is in the file. */
  readonly hash: Uint8Array;
  /** The same, of what this peer sent; another only when several wrote at the same time. */
  readonly sentHash: Uint8Array;
}

export interface JudgeOptions {
  /** Once all bytes are there: for whoever sent them, whose own source may still be thinking … */
  readonly senderMs?: number;
  /** … and for each other peer that is asked instead. */
  readonly otherMs?: number;
}

export interface JudgeDeps {
  readonly evidence: EvidenceSource;
  readonly witnesses: Witnesses;
  readonly digests: DigestCheck;
  readonly proofs?: ProofCheck;
  readonly onConflict?: (conflict: Conflict) => void;
}

const SENDER_MS = 30_000;
const OTHER_MS = 3_000;
/** A shard that so many holders can't vouch for is better fetched anew. */
const MOST_OTHERS = 3;

export class Judge {
  readonly #deps: JudgeDeps;
  readonly #opts: Required<JudgeOptions>;
  /** Signers of shards that had to be thrown away for no proven reason: not believed again for that blob. */
  readonly #distrusted = new Map<BlobId, Set<NodeId>>();

  constructor(opts: JudgeOptions, deps: JudgeDeps) {
    this.#opts = { senderMs: SENDER_MS, otherMs: OTHER_MS, ...opts };
    this.#deps = deps;
  }

  /** Every byte of the shard came from the origin to this node. */
  fromOrigin({ blob, shard }: ShardName, hash: Uint8Array): Checked {
    return mint({ blob, shard }, hash, { kind: "origin" });
  }

  /**
   * What was sent has been held against a proof as it came.
   *
   * @throws SwarmError PEER_TAINTED when something else is in the file, because several wrote at the same time
   */
  fromProof(about: ShardName, { hash, sentHash }: Arrived): Checked {
    if (isSame(hash, sentHash)) return mint(about, hash, { kind: "proof" });
    throw new SwarmError("PEER_TAINTED", `what others sent of ${nameOf(about)} is wrong`);
  }

  /** A shard comes from a peer: what it rests on is asked for while its bytes flow. Must be closed. */
  open(arrival: Arrival): Trial {
    return new Trial(arrival, this.#opts, {
      ...this.#deps,
      isBelieved: (signer) => this.isBelieved(arrival.blob, signer),
    });
  }

  isBelieved(blob: BlobId, signer: NodeId): boolean {
    return !this.#deps.witnesses.isBanned(signer) && this.#distrusted.get(blob)?.has(signer) !== true;
  }

  /** What this node says of the blob is not believed any more, as long as the process runs. */
  distrust(blob: BlobId, signer: NodeId): void {
    const signers = this.#distrusted.get(blob) ?? new Set();
    this.#distrusted.set(blob, signers.add(signer));
  }
}

type TrialDeps = JudgeDeps & { readonly isBelieved: (signer: NodeId) => boolean };

/** One shard from one peer. */
export class Trial {
  readonly #arrival: Arrival;
  readonly #opts: Required<JudgeOptions>;
  readonly #deps: TrialDeps;
  readonly #abort = new AbortController();
  /** What the sender brings; never rejects. */
  readonly #reply: Promise<EvidenceReply | SwarmError> | undefined;

  constructor(arrival: Arrival, opts: Required<JudgeOptions>, deps: TrialDeps) {
    this.#arrival = arrival;
    this.#opts = opts;
    this.#deps = deps;
    if (!this.#isWholeFile) this.#reply = this.#ask(arrival.peer, this.#abort.signal);
  }

  /**
   * All bytes of the shard are in the file.
   *
   * @throws SwarmError PEER_CORRUPT: the sender's bytes are not what it brings evidence for, or its evidence is forged. PEER_TAINTED: the
   *   bytes are wrong, and it is not this sender's fault. PEER_UNPROVEN: nobody vouches for them. INTERRUPTED when closed.
   */
  async conclude(arrived: Arrived): Promise<Checked> {
    const { arrival, reply } = { arrival: this.#arrival, reply: this.#reply };
    if (reply === undefined) return this.#byDigest(arrived);
    const answer = await this.#within(reply, this.#opts.senderMs);
    this.#abort.signal.throwIfAborted();
    if (!(answer instanceof SwarmError)) {
      if (answer.isTainted)
        throw new SwarmError("PEER_TAINTED", `${arrival.peer} sent ${nameOf(arrival)}, and took it back`);
      const found = await this.#hear(arrived, answer.items, arrival.peer);
      if (found !== undefined) return found;
    }
    return this.#askOthers(arrived);
  }

  /** Nothing more is waited for; a `conclude` under way ends with INTERRUPTED. */
  close(): void {
    this.#abort.abort(new SwarmError("INTERRUPTED", "the transfer was stopped"));
  }

  get #isWholeFile(): boolean {
    const { blob, sizeBytes, shardBytes } = this.#arrival;
    return sizeBytes <= shardBytes && digestOf(blob) !== undefined;
  }

  /** The digest that the origin vouches for is better than anybody's word. */
  async #byDigest({ hash }: Arrived): Promise<Checked> {
    const { path, sizeBytes, blob, peer } = this.#arrival;
    const isRight = await this.#deps.digests.matches({ path, sizeBytes, blob }, { signal: this.#abort.signal });
    if (isRight) return mint(this.#arrival, hash, { kind: "digest" });
    throw new SwarmError("PEER_CORRUPT", `what came from ${peer} is not ${blob}`);
  }

  /** What one peer's evidence says; `undefined` when it says nothing. */
  async #hear({ hash, sentHash }: Arrived, items: readonly EvidenceItem[], from: NodeId): Promise<Checked | undefined> {
    const proven = await this.#byProof(hash, items, from);
    if (proven !== undefined) return proven;
    const { weight, testimonies } = weigh(this.#arrival, hash, items, this.#deps.isBelieved);
    this.#noteConflict(testimonies);
    if (weight.kind === "supported") return mint(this.#arrival, hash, groundOf(weight.by));
    if (weight.kind === "nothing") return undefined;
    const isSender = from === this.#arrival.peer;
    const name = nameOf(this.#arrival);
    if (weight.kind === "forged") {
      if (isSender) throw new SwarmError("PEER_CORRUPT", `${from} brought forged evidence for ${name}`);
      return undefined;
    }
    if (isSame(weight.by.attestation.hash, sentHash)) {
      throw new SwarmError("PEER_TAINTED", `what others than ${from} sent of ${name} is wrong`);
    }
    // One peer's word against another's bytes proves nothing against either.
    if (!isSender) throw unproven(this.#arrival, `; ${from} has evidence for another content`);
    throw new SwarmError("PEER_CORRUPT", `${from} sent ${name} with other bytes than it has evidence for`);
  }

  async #byProof(hash: Uint8Array, items: readonly EvidenceItem[], from: NodeId): Promise<Checked | undefined> {
    const { proofs } = this.#deps;
    const item = items.find(({ kind }) => kind === "proof");
    if (proofs === undefined || item === undefined) return undefined;
    const { path, peer } = this.#arrival;
    const file = { path, payload: item.payload };
    const isRight = await proofs.check(this.#arrival, file, { signal: this.#abort.signal });
    if (isRight === true) return mint(this.#arrival, hash, { kind: "proof" });
    if (isRight === undefined) return undefined;
    // Of the chunks that a shard cuts, a proof says things that nobody can check beforehand.
    if (from !== peer)
      throw new SwarmError("PEER_TAINTED", `the proof of ${from} refutes ${nameOf(this.#arrival)} of ${peer}`);
    throw new SwarmError("PEER_CORRUPT", `${from} sent bytes that its proof refutes for ${nameOf(this.#arrival)}`);
  }

  async #askOthers(arrived: Arrived): Promise<Checked> {
    const { blob, shard, peer } = this.#arrival;
    const others = this.#deps.witnesses.holders(blob, shard).filter((one) => one !== peer);
    for (const other of others.slice(0, MOST_OTHERS)) {
      const reply = await this.#within(this.#ask(other, this.#abort.signal), this.#opts.otherMs);
      this.#abort.signal.throwIfAborted();
      if (reply instanceof SwarmError) continue;
      const found = await this.#hear(arrived, reply.items, other);
      if (found !== undefined) return found;
    }
    throw unproven(this.#arrival, "");
  }

  #ask(peer: NodeId, signal: AbortSignal): Promise<EvidenceReply | SwarmError> {
    const { blob, sizeBytes, shardBytes, shard } = this.#arrival;
    return this.#deps.evidence
      .ask(peer, { blob, sizeBytes, shardBytes, shard }, { signal })
      .catch((error: unknown) => toSwarmError(error));
  }

  /** Who does not answer in time has not answered. */
  async #within(reply: Promise<EvidenceReply | SwarmError>, deadlineMs: number): Promise<EvidenceReply | SwarmError> {
    const { signal } = this.#abort;
    let giveUp: () => void = () => undefined;
    const timer = setTimeout(() => giveUp(), deadlineMs);
    try {
      return await new Promise((resolve) => {
        giveUp = () => resolve(new SwarmError("PEER_STALLED", "no evidence in time"));
        signal.addEventListener("abort", giveUp, { once: true });
        void reply.then(resolve);
      });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
    }
  }

  #noteConflict(testimonies: readonly Testimony[]): void {
    const first = testimonies[0];
    if (first === undefined) return;
    const hasOther = testimonies.some(({ attestation }) => !isSame(attestation.hash, first.attestation.hash));
    if (!hasOther) return;
    const { blob, sizeBytes, shardBytes, shard } = this.#arrival;
    const signers = [...new Set(testimonies.map(({ attestation }) => attestation.signer))];
    this.#deps.onConflict?.({ about: { blob, sizeBytes, shardBytes, shard }, signers });
  }
}

function groundOf({ attestation, item }: Testimony): Ground {
  return { kind: "attestation", item, signer: attestation.signer, basis: attestation.basis };
}

function nameOf({ shard, blob }: ShardName): string {
  return `shard ${shard} of ${blob}`;
}

function unproven(arrival: Arrival, why: string): SwarmError {
  return new SwarmError("PEER_UNPROVEN", `nobody vouches for what ${arrival.peer} sent as ${nameOf(arrival)}${why}`);
}

/** The only place where this certificate is made. */
function mint({ blob, shard }: Pick<ShardName, "blob" | "shard">, hash: Uint8Array, ground: Ground): Checked {
  return { blob, shard, hash, ground } as Omit<Checked, never> as Checked;
}
