/**
 * One wrong bit, anywhere in a shard, from any peer: does it ever count? Each trial goes the way of a real shard: the writers of both lanes
 * put the bytes into a real staging file, evidence and proofs are asked for and told with the real codecs, the real judge decides. The
 * holder is honest but for the one bit that changes between its disk and ours.
 *
 * Trials take turns: the shard rests on an attestation, on a proof of the sender, or on a proof of somebody else.
 */
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Proofs } from "@swarmd/daemon/proofs";
import { EvidenceDesk } from "@swarmd/daemon/serve/evidence-desk";
import { BlobStore } from "@swarmd/daemon/store/blob-store";
import type { Staging } from "@swarmd/daemon/store/staging";
import type { FileSource, RangeSource } from "@swarmd/daemon/transfer/ports";
import { type TransferReport, Transfers } from "@swarmd/daemon/transfer/transfers";
import { ProofInbox } from "@swarmd/daemon/transport/lanes/proof-inbox";
import { ReceiveBuffers } from "@swarmd/daemon/transport/lanes/receive-buffers";
import { ShardFile } from "@swarmd/daemon/transport/lanes/shard-file";
import { attest } from "@swarmd/daemon/verify/evidence/attest";
import { Judge } from "@swarmd/daemon/verify/evidence/judge";
import { nodeIdOfKey } from "@swarmd/daemon/verify/evidence/node-identity";
import { loadBlake3 } from "@swarmd/daemon/verify/shard-hasher";
import { loadRangeChecks } from "@swarmd/daemon/verify/xet/range-check";
import { type BlobId, type NodeId, parseBlobId, type SwarmError, shardEnd, shardStart } from "@swarmd/protocol";
import {
  decodeEvidenceAnswer,
  decodeEvidenceRequest,
  type EvidenceAnswer,
  type EvidenceItem,
  type EvidenceRequest,
  encodeEvidenceAnswer,
  encodeEvidenceRequest,
} from "@swarmd/protocol/wire";
import { ProvingHolder } from "./proving-holder.js";
import { seededRandom } from "./seeded-random.js";

const { createShardHasher } = await loadBlake3();
const openCheck = await loadRangeChecks();
/** Some chunks lie within a shard, and every shard cuts two. */
const SHARD_BYTES = 256 * 1024;
const SHARDS = 3;
const SIZE_BYTES = SHARDS * SHARD_BYTES - 1234;
const PEERS = 8;
/** So often the same is done without a wrong bit: it has to count. */
const CONTROL_EVERY = 10;
const MODES = ["attestation", "proof", "foreign proof"] as const;
export type Mode = (typeof MODES)[number];

export interface BitFlips {
  readonly trials: number;
  /** Found before the shard counted, and before a reader or another node could take it for checked. */
  readonly found: number;
  /** Right shards, which all have to count. */
  readonly controls: number;
  readonly controlsCounted: number;
  /** With a proof: bytes from the wrong bit on that were let into the file, at most. */
  readonly wrongBytesAccepted: number;
  /**
   * With a proof: bytes that a liar got taken into memory beyond the last that was proven, at most. Over the stream lane; a thread of the
   * direct lane fills its receive buffer while the proof is on its way.
   */
  readonly unprovenBytesTaken: number;
  /** Where a wrong bit went unseen, for whoever has to look. */
  readonly missed: readonly string[];
}

interface Peer {
  readonly id: NodeId;
  readonly key: KeyObject;
}

export async function runBitFlips({
  trials,
  seed,
}: {
  readonly trials: number;
  readonly seed: number;
}): Promise<BitFlips> {
  const random = seededRandom(seed);
  const ground = await Ground.make(random);
  let [found, controls, controlsCounted, wrongBytesAccepted, unprovenBytesTaken] = [0, 0, 0, 0, 0];
  const missed: string[] = [];
  try {
    for (let trial = 0; trial < trials; trial += 1) {
      const shard = Math.floor(random() * SHARDS);
      const [start, end] = [shardStart(shard, SHARD_BYTES), shardEnd(shard, SIZE_BYTES, SHARD_BYTES)];
      const bit = Math.floor(random() * (end - start) * 8);
      const mode = MODES[trial % MODES.length] as Mode;
      const about = {
        mode,
        peer: Math.floor(random() * PEERS),
        shard,
        isDirect: random() < 0.5,
        piece: 1 + Math.floor(random() * 40_000),
      };
      const outcome = await ground.send({ ...about, bit });
      if (outcome.what === "found") found += 1;
      else missed.push(`seed ${seed}, trial ${trial}, ${mode}, shard ${shard}, bit ${bit}: ${outcome.what}`);
      if (mode !== "attestation") {
        wrongBytesAccepted = Math.max(wrongBytesAccepted, outcome.acceptedBytes - (bit >> 3));
        const unproven = about.isDirect ? 0 : outcome.takenBytes - outcome.acceptedBytes;
        unprovenBytesTaken = Math.max(unprovenBytesTaken, unproven);
      }
      if (trial % CONTROL_EVERY !== 0) continue;
      controls += 1;
      if ((await ground.send({ ...about, bit: undefined })).what === "counted") controlsCounted += 1;
    }
  } finally {
    await ground.stop();
  }
  return { trials, found, controls, controlsCounted, wrongBytesAccepted, unprovenBytesTaken, missed };
}

interface Sending {
  readonly mode: Mode;
  readonly peer: number;
  readonly shard: number;
  readonly isDirect: boolean;
  /** Bytes that come at once. */
  readonly piece: number;
  readonly bit: number | undefined;
}

interface Outcome {
  readonly what: string;
  /** Of the shard, let into the file. */
  readonly acceptedBytes: number;
  /** Of the shard, handed over until it was over. */
  readonly takenBytes: number;
}

/** One receiver, and peers that hold the file. */
class Ground {
  readonly #content: Buffer;
  readonly #blob: BlobId;
  readonly #holder: ProvingHolder;
  readonly #peers: readonly Peer[];
  readonly #folder: string;
  readonly #store: BlobStore;
  readonly #proofs: Proofs;
  readonly #staging: Staging;
  readonly #transfers: Transfers;
  readonly #evidence = new Map<string, Promise<EvidenceItem>>();
  #attempt = 0;
  #mode: Mode = "attestation";
  #sender: NodeId | undefined;
  #reports: TransferReport[] = [];
  #ended: () => void = () => undefined;

  private constructor(
    content: Buffer,
    blob: BlobId,
    folder: string,
    rooms: {
      readonly store: BlobStore;
      readonly staging: Staging;
      readonly holder: ProvingHolder;
      readonly openProofs: (ground: Ground) => Proofs;
    },
  ) {
    this.#content = content;
    this.#blob = blob;
    this.#folder = folder;
    this.#store = rooms.store;
    this.#staging = rooms.staging;
    this.#holder = rooms.holder;
    this.#peers = Array.from({ length: PEERS }, () => {
      const { publicKey, privateKey } = generateKeyPairSync("ed25519");
      const { x } = publicKey.export({ format: "jwk" });
      return { id: nodeIdOfKey(Buffer.from(x as string, "base64url")), key: privateKey };
    });
    this.#proofs = rooms.openProofs(this);
    this.#proofs.note(blob, content.length, rooms.holder.xetHash);
    const judge = new Judge(
      {},
      {
        evidence: { ask: (peer, about) => this.#ask(peer, about.shard) },
        witnesses: { holders: () => [], isBanned: () => false, isOnDuty: () => false },
        digests: {
          matches: async () => Promise.reject(new Error("a blob of several shards is not asked for as a whole")),
        },
      },
    );
    this.#transfers = new Transfers({
      newHasher: createShardHasher,
      judge,
      proofs: { open: (wanted) => (this.#mode === "attestation" ? undefined : this.#proofs.open(wanted)) },
      report: (report) => {
        this.#reports.push(report);
        if (report.type === "ended") this.#ended();
      },
    });
  }

  static async make(random: () => number): Promise<Ground> {
    const content = Buffer.from(Uint8Array.from({ length: SIZE_BYTES }, () => random() * 256));
    const blob = parseBlobId(`sha256:${createHash("sha256").update(content).digest("hex")}`);
    const folder = await mkdtemp(join(tmpdir(), "swarmd-bits-"));
    const events = { emit: () => undefined };
    const store = new BlobStore(
      { cacheDir: join(folder, "cache"), stateDir: join(folder, "state"), marginBytes: 0 },
      { createShardHasher, events },
    );
    await store.start();
    const { signal } = new AbortController();
    const spec = { blob, sizeBytes: SIZE_BYTES, shardBytes: SHARD_BYTES, repo: undefined, signal };
    const opened = await store.openStaging(spec);
    if (opened.kind !== "staging") throw new Error("a fresh folder has no blobs");
    let ground: Ground | undefined;
    const proofs = await Proofs.open(
      { stateDir: join(folder, "state") },
      {
        store,
        events,
        ask: () => (peer, request, onAnswer) => (ground as Ground).#askProofs(peer, request, onAnswer),
        holders: () => (ground as Ground).#others,
      },
    );
    const holder = await ProvingHolder.make(content, SHARD_BYTES);
    const rooms = { store, staging: opened.staging, holder, openProofs: () => proofs };
    ground = new Ground(content, blob, folder, rooms);
    return ground;
  }

  async stop(): Promise<void> {
    await this.#transfers.stop();
    await this.#proofs.stop();
    await this.#store.stop();
    await this.#holder.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** One shard, with one wrong bit or none; afterwards it is as if it had never come. */
  async send(sending: Sending): Promise<Outcome> {
    const { mode, shard, bit, isDirect, piece } = sending;
    const startBytes = shardStart(shard, SHARD_BYTES);
    const endBytes = shardEnd(shard, SIZE_BYTES, SHARD_BYTES);
    const bytes = Buffer.from(this.#content.subarray(startBytes, endBytes));
    if (bit !== undefined) bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
    const taken = { bytes: 0 };
    const source = isDirect ? directSource(bytes, piece, taken) : streamSource(bytes, piece, taken);
    this.#mode = mode;
    this.#reports = [];
    const ended = new Promise<void>((resolve) => {
      this.#ended = resolve;
    });
    const attempt = ++this.#attempt;
    const peer = (this.#peers[sending.peer] as Peer).id;
    this.#sender = peer;
    const from = { kind: "peer", peer } as const;
    this.#transfers.begin({ attempt, blob: this.#blob, startBytes, endBytes, source, from, sink: this.#staging });
    await ended;
    const reached = this.#reports.flatMap((one) => (one.type === "progress" ? [one.positionBytes - startBytes] : []));
    return {
      what: await this.#judge(shard, startBytes, mode),
      acceptedBytes: Math.max(0, ...reached),
      takenBytes: taken.bytes,
    };
  }

  async #judge(shard: number, startBytes: number, mode: Mode): Promise<string> {
    const wasReported = this.#reports.some(({ type }) => type === "checked");
    const isNoted = this.#staging.isChecked(shard);
    const end = this.#reports.at(-1);
    const fault = end?.type === "ended" ? end.fault?.code : undefined;
    const isServable = this.#staging.filledUpTo(startBytes) > startBytes;
    const ground = this.#staging.findChecked(shard)?.ground?.kind;
    const isGroundRight = ground === (mode === "attestation" ? "attestation" : "proof");
    if (wasReported && isNoted && isGroundRight && fault === undefined) {
      await this.#staging.discard([shard]);
      return "counted";
    }
    // Where the shard cuts a chunk, a proof of another may be wrong itself: then the sender is not blamed.
    const isBlamed = fault === "PEER_CORRUPT" || (mode === "foreign proof" && fault === "PEER_TAINTED");
    if (!wasReported && !isNoted && !isServable && isBlamed) return "found";
    return `reported ${wasReported}, noted ${isNoted}, servable ${isServable}, ground ${ground}, fault ${fault}`;
  }

  /** A fresh name each time: who was doubted once would not be asked again. */
  get #others(): readonly NodeId[] {
    return [`other-${this.#attempt}` as NodeId];
  }

  /** Question and answer as they travel. */
  async *#talk(peer: NodeId, asked: EvidenceRequest): AsyncGenerator<EvidenceAnswer> {
    const request = decodeEvidenceRequest(encodeEvidenceRequest(asked));
    const hasProofs = this.#mode === "proof" || (this.#mode === "foreign proof" && peer !== this.#sender);
    const desk = new EvidenceDesk({
      isAllowed: () => true,
      open: async () => ({
        sizeBytes: SIZE_BYTES,
        shardBytes: SHARD_BYTES,
        find: async (wanted) => [await this.#evidenceOf(peer, wanted)],
        prove: async (wanted, root) => (hasProofs ? this.#holder.prove(wanted, root) : []),
        onJudged: () => () => undefined,
      }),
    });
    for await (const answer of desk.answers(peer, request, { signal: new AbortController().signal })) {
      yield decodeEvidenceAnswer(encodeEvidenceAnswer(answer));
    }
  }

  async #ask(peer: NodeId, shard: number): Promise<EvidenceAnswer> {
    const about = { blob: this.#blob, sizeBytes: SIZE_BYTES, shardBytes: SHARD_BYTES };
    for await (const answer of this.#talk(peer, { ...about, shards: [shard] })) return answer;
    throw new Error("no answer");
  }

  async #askProofs(peer: NodeId, request: EvidenceRequest, onAnswer: (answer: EvidenceAnswer) => void): Promise<void> {
    for await (const answer of this.#talk(peer, request)) onAnswer(answer);
  }

  #evidenceOf(peer: NodeId, shard: number): Promise<EvidenceItem> {
    const kept = this.#evidence.get(`${peer} ${shard}`);
    if (kept !== undefined) return kept;
    const { key } = this.#peers.find(({ id }) => id === peer) as Peer;
    const hasher = createShardHasher();
    hasher.update(this.#content.subarray(shardStart(shard, SHARD_BYTES), shardEnd(shard, SIZE_BYTES, SHARD_BYTES)));
    const made = attest(
      { blob: this.#blob, sizeBytes: SIZE_BYTES, shardBytes: SHARD_BYTES, shard },
      { basis: "verified", hash: hasher.digest() },
      { node: peer, sign: async (bytes) => sign(null, bytes, key), wallMs: () => 1_700_000_000_000 },
    );
    this.#evidence.set(`${peer} ${shard}`, made);
    return made;
  }
}

/** As the libp2p lane brings bytes. */
function streamSource(bytes: Buffer, pieceBytes: number, taken: { bytes: number }): RangeSource {
  return {
    async read(_blob, _startBytes, _endBytes, sink) {
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        const piece = Buffer.from(bytes.subarray(at, at + pieceBytes));
        taken.bytes += piece.length;
        await sink.write(piece);
      }
    },
  };
}

const buffers = new ReceiveBuffers();

/** As a thread of the direct lane brings them. */
function directSource(bytes: Buffer, pieceBytes: number, taken: { bytes: number }): FileSource {
  return {
    async fetch(order) {
      let failure: SwarmError | undefined;
      const { proofs } = order;
      const inbox = proofs && new ProofInbox({ ...order, xetHash: proofs.xetHash }, openCheck);
      const shard = Math.floor(order.startBytes / order.shardBytes);
      void proofs?.of(shard).then((proof) => inbox?.put(shard, proof));
      const file = await ShardFile.open(order, {
        buffers,
        newHasher: createShardHasher,
        checks: inbox,
        onWritten: (positionBytes, hash) => order.onWritten(positionBytes, hash),
        onFault: (fault) => {
          failure = fault;
        },
      });
      try {
        for (let at = 0; at < bytes.length && failure === undefined; ) {
          const put = bytes.copy(file.target(), 0, at, at + pieceBytes);
          taken.bytes += put;
          at += put;
          await file.take(put);
        }
      } catch (error) {
        failure = error as SwarmError;
      }
      try {
        await file.flush();
      } catch (error) {
        failure ??= error as SwarmError;
      } finally {
        await file.close();
      }
      if (failure !== undefined) throw failure;
    },
  };
}
