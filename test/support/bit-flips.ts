/**
 * One wrong bit, anywhere in a shard, from any peer: does it ever count? Each trial goes the way of a real shard: the writers of both lanes
 * put the bytes into a real staging file, the evidence is signed, asked for and told with the real codecs, the real judge decides. The
 * holder is honest but for the one bit that changes between its disk and ours.
 */
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EvidenceDesk } from "@swarmd/daemon/serve/evidence-desk";
import { BlobStore } from "@swarmd/daemon/store/blob-store";
import type { Staging } from "@swarmd/daemon/store/staging";
import type { FileSource, RangeSource } from "@swarmd/daemon/transfer/ports";
import { type TransferReport, Transfers } from "@swarmd/daemon/transfer/transfers";
import { ReceiveBuffers } from "@swarmd/daemon/transport/lanes/receive-buffers";
import { ShardFile } from "@swarmd/daemon/transport/lanes/shard-file";
import { attest } from "@swarmd/daemon/verify/evidence/attest";
import { Judge } from "@swarmd/daemon/verify/evidence/judge";
import { nodeIdOfKey } from "@swarmd/daemon/verify/evidence/node-identity";
import { loadBlake3 } from "@swarmd/daemon/verify/shard-hasher";
import { type BlobId, type NodeId, parseBlobId, shardEnd, shardStart } from "@swarmd/protocol";
import {
  decodeEvidenceAnswer,
  decodeEvidenceRequest,
  type EvidenceItem,
  encodeEvidenceAnswer,
  encodeEvidenceRequest,
} from "@swarmd/protocol/wire";
import { seededRandom } from "./seeded-random.js";

const { createShardHasher } = await loadBlake3();
const SHARD_BYTES = 64 * 1024;
const SHARDS = 5;
const SIZE_BYTES = SHARDS * SHARD_BYTES - 1234;
const PEERS = 8;
/** So often the same is done without a wrong bit: it has to count. */
const CONTROL_EVERY = 10;

export interface BitFlips {
  readonly trials: number;
  /** Found before the shard counted, and blamed on the sender. */
  readonly found: number;
  /** Right shards, which all have to count. */
  readonly controls: number;
  readonly controlsCounted: number;
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
  let [found, controls, controlsCounted] = [0, 0, 0];
  const missed: string[] = [];
  try {
    for (let trial = 0; trial < trials; trial += 1) {
      const shard = Math.floor(random() * SHARDS);
      const [start, end] = [shardStart(shard, SHARD_BYTES), shardEnd(shard, SIZE_BYTES, SHARD_BYTES)];
      const bit = Math.floor(random() * (end - start) * 8);
      const about = {
        peer: Math.floor(random() * PEERS),
        shard,
        isDirect: random() < 0.5,
        chunk: 1 + random() * 40_000,
      };
      const outcome = await ground.send({ ...about, bit });
      if (outcome === "found") found += 1;
      else missed.push(`seed ${seed}, trial ${trial}, shard ${shard}, bit ${bit}: ${outcome}`);
      if (trial % CONTROL_EVERY !== 0) continue;
      controls += 1;
      if ((await ground.send({ ...about, bit: undefined })) === "counted") controlsCounted += 1;
    }
  } finally {
    await ground.stop();
  }
  return { trials, found, controls, controlsCounted, missed };
}

interface Sending {
  readonly peer: number;
  readonly shard: number;
  readonly isDirect: boolean;
  readonly chunk: number;
  readonly bit: number | undefined;
}

/** One receiver, and peers that hold the file. */
class Ground {
  readonly #content: Buffer;
  readonly #blob: BlobId;
  readonly #peers: readonly Peer[];
  readonly #folder: string;
  readonly #store: BlobStore;
  readonly #staging: Staging;
  readonly #transfers: Transfers;
  readonly #evidence = new Map<string, Promise<EvidenceItem>>();
  #attempt = 0;
  #reports: TransferReport[] = [];
  #ended: () => void = () => undefined;

  private constructor(content: Buffer, blob: BlobId, folder: string, store: BlobStore, staging: Staging) {
    this.#content = content;
    this.#blob = blob;
    this.#folder = folder;
    this.#store = store;
    this.#staging = staging;
    this.#peers = Array.from({ length: PEERS }, () => {
      const { publicKey, privateKey } = generateKeyPairSync("ed25519");
      const { x } = publicKey.export({ format: "jwk" });
      return { id: nodeIdOfKey(Buffer.from(x as string, "base64url")), key: privateKey };
    });
    const judge = new Judge(
      {},
      {
        evidence: { ask: (peer, about) => this.#ask(peer, about.shard) },
        witnesses: { holders: () => [], isBanned: () => false },
        digests: {
          matches: async () => Promise.reject(new Error("a blob of several shards is not asked for as a whole")),
        },
      },
    );
    this.#transfers = new Transfers({
      newHasher: createShardHasher,
      judge,
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
    const store = new BlobStore(
      { cacheDir: join(folder, "cache"), stateDir: join(folder, "state"), marginBytes: 0 },
      { createShardHasher, events: { emit: () => undefined } },
    );
    await store.start();
    const { signal } = new AbortController();
    const spec = { blob, sizeBytes: SIZE_BYTES, shardBytes: SHARD_BYTES, repo: undefined, signal };
    const opened = await store.openStaging(spec);
    if (opened.kind !== "staging") throw new Error("a fresh folder has no blobs");
    return new Ground(content, blob, folder, store, opened.staging);
  }

  async stop(): Promise<void> {
    await this.#transfers.stop();
    await this.#store.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** One shard, with one wrong bit or none; afterwards it is as if it had never come. */
  async send(sending: Sending): Promise<string> {
    const { shard, bit, isDirect, chunk } = sending;
    const startBytes = shardStart(shard, SHARD_BYTES);
    const endBytes = shardEnd(shard, SIZE_BYTES, SHARD_BYTES);
    const bytes = Buffer.from(this.#content.subarray(startBytes, endBytes));
    if (bit !== undefined) bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
    const source = isDirect ? directSource(bytes) : streamSource(bytes, Math.floor(chunk));
    this.#reports = [];
    const ended = new Promise<void>((resolve) => {
      this.#ended = resolve;
    });
    const attempt = ++this.#attempt;
    const peer = (this.#peers[sending.peer] as Peer).id;
    const from = { kind: "peer", peer } as const;
    this.#transfers.begin({ attempt, blob: this.#blob, startBytes, endBytes, source, from, sink: this.#staging });
    await ended;
    return this.#judge(shard, startBytes);
  }

  async #judge(shard: number, startBytes: number): Promise<string> {
    const wasReported = this.#reports.some(({ type }) => type === "checked");
    const isNoted = this.#staging.isChecked(shard);
    const end = this.#reports.at(-1);
    const fault = end?.type === "ended" ? end.fault?.code : undefined;
    const isServable = this.#staging.filledUpTo(startBytes) > startBytes;
    if (wasReported && isNoted && fault === undefined) {
      await this.#staging.discard([shard]);
      return "counted";
    }
    if (!wasReported && !isNoted && !isServable && fault === "PEER_CORRUPT") return "found";
    return `reported ${wasReported}, noted ${isNoted}, servable ${isServable}, fault ${fault}`;
  }

  /** Question and answer as they travel. */
  async #ask(peer: NodeId, shard: number) {
    const about = { blob: this.#blob, sizeBytes: SIZE_BYTES, shardBytes: SHARD_BYTES };
    const request = decodeEvidenceRequest(encodeEvidenceRequest({ ...about, shards: [shard] }));
    const desk = new EvidenceDesk({
      isAllowed: () => true,
      open: async () => ({
        ...about,
        find: async (wanted) => [await this.#evidenceOf(peer, wanted)],
        onJudged: () => () => undefined,
      }),
    });
    for await (const answer of desk.answers(peer, request, { signal: new AbortController().signal })) {
      return decodeEvidenceAnswer(encodeEvidenceAnswer(answer));
    }
    throw new Error("no answer");
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
function streamSource(bytes: Buffer, chunkBytes: number): RangeSource {
  return {
    async read(_blob, _startBytes, _endBytes, sink) {
      for (let at = 0; at < bytes.length; at += chunkBytes)
        await sink.write(Buffer.from(bytes.subarray(at, at + chunkBytes)));
    },
  };
}

const buffers = new ReceiveBuffers();

/** As a thread of the direct lane brings them. */
function directSource(bytes: Buffer): FileSource {
  return {
    async fetch(order) {
      let failure: unknown;
      const file = await ShardFile.open(order, {
        buffers,
        newHasher: createShardHasher,
        onWritten: (positionBytes, hash) => order.onWritten(positionBytes, hash),
        onFault: (fault) => {
          failure = fault;
        },
      });
      try {
        for (let at = 0; at < bytes.length && failure === undefined; ) {
          const taken = bytes.copy(file.target(), 0, at);
          await file.take(taken);
          at += taken;
        }
        await file.flush();
      } finally {
        await file.close();
      }
    },
  };
}
