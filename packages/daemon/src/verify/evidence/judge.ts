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
  /** While the sender thinks, it is looked this often whether somebody else can tell. */
  readonly lookMs?: number;
  /** If it is for this node to fetch the shard from its source, nobody else may be able to tell: it waits no longer than this. */
  readonly dutyMs?: number;
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
const LOOK_MS = 1_000;
/** A root that compares what it has of others with the origin takes a second or two. */
const DUTY_MS = 4_000;
/** Of a question that got lost, and may be put again so often. */
const LOST: ReadonlySet<string> = new Set(["PEER_UNREACHABLE", "PEER_STALLED"]);
const MOST_LOST = 4;
/** A shard that so many holders can't vouch for is better fetched anew. */
const MOST_OTHERS = 3;

export class Judge {
  readonly #deps: JudgeDeps;
  readonly #opts: Required<JudgeOptions>;
  /** Signers of shards that had to be thrown away for no proven reason: not believed again for that blob. */
  readonly #distrusted = new Map<BlobId, Set<NodeId>>();

  constructor(opts: JudgeOptions, deps: JudgeDeps) {
    this.#opts = { senderMs: SENDER_MS, otherMs: OTHER_MS, lookMs: LOOK_MS, dutyMs: DUTY_MS, ...opts };
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
   *   bytes are wrong, and it is not this sender's fault. PEER_UNPROVEN: nobody vouches for them. PEER_BUSY: nobody does so far, and it is
   *   for this node to ask the origin. INTERRUPTED when closed.
   */
  async conclude(arrived: Arrived): Promise<Checked> {
    const reply = this.#reply;
    if (reply === undefined) return this.#byDigest(arrived);
    const asked = new Set([this.#arrival.peer]);
    const found =
      (await this.#hearSender(reply, arrived, asked)) ?? (await this.#askOthers(arrived, asked, this.#opts.otherMs));
    if (found === undefined) throw unproven(this.#arrival, "");
    return found;
  }

  /**
   * Nodes that wait for each other's word would wait for ever, if the one that fetched the shard is not the root any more: so others that
   * hold it now are asked meanwhile, and the one on duty waits for nobody.
   */
  async #hearSender(
    first: Promise<EvidenceReply | SwarmError>,
    arrived: Arrived,
    asked: Set<NodeId>,
  ): Promise<Checked | undefined> {
    const { arrival, opts } = { arrival: this.#arrival, opts: this.#opts };
    let reply = first;
    let lost = 0;
    for (let waitedMs = 0; waitedMs < opts.senderMs; waitedMs += opts.lookMs) {
      const answer = await this.#within(reply, Math.min(opts.lookMs, opts.senderMs - waitedMs));
      if (answer instanceof SwarmError) {
        lost += 1;
        if (!LOST.has(answer.code) || lost > MOST_LOST) return undefined;
        // The link over which it was asked may have died, and the next one be up in a moment.
        const found = await this.#askOthers(arrived, asked, opts.lookMs);
        if (found !== undefined) return found;
        await this.#within(new Promise(() => undefined), opts.lookMs);
        reply = this.#ask(arrival.peer, this.#abort.signal);
        continue;
      }
      if (answer?.isTainted === true)
        throw new SwarmError("PEER_TAINTED", `${arrival.peer} sent ${nameOf(arrival)}, and took it back`);
      if (answer !== undefined) return this.#hear(arrived, answer.items, arrival.peer);
      const found = await this.#askOthers(arrived, asked, opts.lookMs);
      if (found !== undefined) return found;
      if (waitedMs + opts.lookMs >= opts.dutyMs && this.#deps.witnesses.isOnDuty(arrival.blob, arrival.shard)) {
        throw new SwarmError("PEER_BUSY", `${arrival.peer} can't tell yet what ${nameOf(arrival)} rests on`);
      }
    }
    return undefined;
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

  /** Each other that holds the shard now is asked once. */
  async #askOthers(arrived: Arrived, asked: Set<NodeId>, deadlineMs: number): Promise<Checked | undefined> {
    const { blob, shard } = this.#arrival;
    for (const other of this.#deps.witnesses.holders(blob, shard)) {
      if (asked.has(other) || asked.size > MOST_OTHERS) continue;
      asked.add(other);
      const reply = await this.#within(this.#ask(other, this.#abort.signal), deadlineMs);
      if (reply === undefined || reply instanceof SwarmError) continue;
      const found = await this.#hear(arrived, reply.items, other).catch((error: unknown) => {
        // Another's word for another content: the next may know better.
        if (toSwarmError(error).code !== "PEER_UNPROVEN") throw error;
        return undefined;
      });
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #ask(peer: NodeId, signal: AbortSignal): Promise<EvidenceReply | SwarmError> {
    const { blob, sizeBytes, shardBytes, shard } = this.#arrival;
    return this.#deps.evidence
      .ask(peer, { blob, sizeBytes, shardBytes, shard }, { signal })
      .catch((error: unknown) => toSwarmError(error));
  }

  /** `undefined`: no answer in time. @throws SwarmError INTERRUPTED when closed */
  async #within(
    reply: Promise<EvidenceReply | SwarmError>,
    deadlineMs: number,
  ): Promise<EvidenceReply | SwarmError | undefined> {
    const { signal } = this.#abort;
    let giveUp: () => void = () => undefined;
    const timer = setTimeout(() => giveUp(), deadlineMs);
    try {
      return await new Promise((resolve, reject) => {
        giveUp = () => (signal.aborted ? reject(signal.reason) : resolve(undefined));
        if (signal.aborted) giveUp();
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
