/**
 * A node that lies, made of the real rooms: network, lanes, serving, codecs and signatures are those of an honest one. Only what it has in
 * its hands is wrong. It says that it holds all of a blob, and serves what the test wants.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSilentLogger } from "@swarmd/daemon/observe/logger";
import { Serve } from "@swarmd/daemon/serve/serve";
import { LaneHost } from "@swarmd/daemon/transport/lanes/lane-host";
import { LIBP2P_LANE_DEFAULTS, Libp2pLane } from "@swarmd/daemon/transport/lanes/libp2p-lane";
import { PeerNetwork } from "@swarmd/daemon/transport/peer-network";
import { attest, type ShardName } from "@swarmd/daemon/verify/evidence/attest";
import { loadBlake3 } from "@swarmd/daemon/verify/shard-hasher";
import { type BlobId, type NodeId, SHARD_BYTES, shardEnd, shardStart } from "@swarmd/protocol";
import { type EvidenceItem, type EvidenceRequest, OPEN_CLUSTER, SHARD_PROTOCOL } from "@swarmd/protocol/wire";
import type { ProvingHolder } from "./proving-holder.js";
import { freePort } from "./swarm-kit.js";

const { createShardHasher } = await loadBlake3();

/**
 * `wrong-bytes`: the hash it vouches for is right, its bytes are not. `wrong-hash`: vouches for its own wrong bytes. `other-shard`,
 * `other-blob`, `other-size`: brings an attestation that is genuine, but of something else. `forged`: brings one that its pretended
 * signer has not signed. `proven-otherwise`: brings a genuine proof, and bytes that it refutes. `spoiled-proof`: right bytes, and a proof with
 * a byte changed. `proof-of-other`: right bytes, and the genuine proof of another shard. `silent`: never answers when it is asked what its bytes rest on. `no-evidence`: says that it has none.
 */
export type Lie =
  | "wrong-bytes"
  | "wrong-hash"
  | "other-shard"
  | "other-blob"
  | "other-size"
  | "forged"
  | "proven-otherwise"
  | "spoiled-proof"
  | "proof-of-other"
  | "silent"
  | "no-evidence";

const BEAT_MS = 2_000;
/** Nothing is wrong with what they send. */
const RIGHT_BYTES: readonly Lie[] = ["no-evidence", "silent", "spoiled-proof", "proof-of-other"];

export interface LyingNodeOptions {
  readonly blob: BlobId;
  /** The right content. */
  readonly content: Buffer;
  readonly lie: Lie;
  /** Only of these shards the bytes are wrong; of all when absent. */
  readonly wrongShards?: readonly number[];
  readonly peers: readonly string[];
  /** Its proofs are of this one's making. */
  readonly holder?: ProvingHolder;
}

export class LyingNode {
  readonly address: string;
  /** Shards of which wrong bytes were asked for. */
  readonly served: number[] = [];
  readonly #options: LyingNodeOptions;
  readonly #wrong: Buffer;
  readonly #folder: string;
  readonly #host: LaneHost;
  readonly #lane: Libp2pLane;
  readonly #port: number;
  #network: PeerNetwork | undefined;
  readonly #serve: Serve;
  #sequence = 0;
  #beat: NodeJS.Timeout | undefined;

  private constructor(options: LyingNodeOptions, folder: string, port: number) {
    this.#options = options;
    this.#folder = folder;
    this.address = `127.0.0.1:${port}`;
    const { content, lie } = options;
    this.#wrong = RIGHT_BYTES.includes(lie) ? content : spoil(content, options.wrongShards);
    this.#serve = new Serve(
      {},
      {
        admit: {
          ask: async ({ shard }) => {
            this.served.push(shard);
            return { kind: "serve" };
          },
          served: () => undefined,
        },
        reader: { open: async (blob) => (blob === options.blob ? this.#openWrong() : undefined) },
      },
    );
    this.#host = new LaneHost({ port: 0, encrypt: "auto" }, { handler: this.#serve, nowMs: () => performance.now() });
    this.#port = port;
    this.#lane = new Libp2pLane(LIBP2P_LANE_DEFAULTS, {
      handler: this.#serve,
      openStream: (...args) => this.#started.openStream(...args),
    });
  }

  static async start(options: LyingNodeOptions): Promise<LyingNode> {
    const liar = new LyingNode(options, await mkdtemp(join(tmpdir(), "swarmd-liar-")), await freePort());
    await liar.#host.start();
    liar.#network = liar.#makeNetwork();
    await liar.#network.start();
    // As an honest node does: what is not said again is forgotten.
    liar.#beat = setInterval(() => {
      for (const { id } of liar.#started.peers) liar.#boast(id);
    }, BEAT_MS);
    return liar;
  }

  get id(): NodeId {
    return this.#started.id;
  }

  get #started(): PeerNetwork {
    if (this.#network === undefined) throw new Error("the liar has not started");
    return this.#network;
  }

  async stop(): Promise<void> {
    clearInterval(this.#beat);
    this.#serve.stop();
    await this.#network?.stop();
    await this.#host.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  #makeNetwork(): PeerNetwork {
    return new PeerNetwork(
      {
        keyPath: join(this.#folder, "node.key"),
        port: this.#port,
        peers: this.#options.peers,
        cluster: OPEN_CLUSTER,
        lanePort: this.#host.port,
        linkOverrides: new Map(),
        agent: "liar",
      },
      {
        logger: createSilentLogger(),
        handlers: { [SHARD_PROTOCOL]: this.#lane.take },
        tickets: { issue: (peer, blob) => this.#host.grant(peer, blob, { isPrivate: false }) },
        desk: { answers: (_peer, request, { signal }) => this.#answers(request, signal) },
        events: {
          peerUp: (peer) => this.#boast(peer),
          peerDown: () => undefined,
          heard: () => undefined,
        },
      },
    );
  }

  /** "I have all of it." */
  #boast(peer: NodeId): void {
    const { blob, content } = this.#options;
    this.#started.tell(peer, {
      epoch: 1,
      sequence: ++this.#sequence,
      ttlMs: 600_000,
      isFull: true,
      capacityBytesPerS: 1e9,
      freeSlots: 32,
      blobs: [{ blob, sizeBytes: content.length, wants: false, mayFetch: false, holds: { kind: "all" }, rooted: [] }],
    });
  }

  #openWrong() {
    const sizeBytes = this.#wrong.length;
    return {
      sizeBytes,
      shardBytes: SHARD_BYTES,
      read: async (positionBytes: number, target: Uint8Array) => {
        this.#wrong.copy(target, 0, positionBytes);
      },
      servableUpTo: () => sizeBytes,
      onRise: () => () => undefined,
      close: async () => undefined,
    };
  }

  async *#answers({ shards, root, proofsNow }: EvidenceRequest, signal: AbortSignal) {
    if (this.#options.lie === "silent") await new Promise((resolve) => signal.addEventListener("abort", resolve));
    for (const shard of shards) {
      const proofs = root === undefined ? [] : await this.#prove(shard, root);
      const items = proofsNow === true ? proofs : [...proofs, ...(await this.#evidence(shard))];
      yield { shard, items, isTainted: false };
    }
  }

  async #prove(shard: number, root: Uint8Array): Promise<readonly EvidenceItem[]> {
    const { holder, lie } = this.#options;
    if (holder === undefined) return [];
    if (lie === "proven-otherwise") return holder.prove(shard, root);
    if (lie === "proof-of-other") return holder.prove(shard === 0 ? 1 : 0, root);
    if (lie !== "spoiled-proof") return [];
    const [genuine] = await holder.prove(shard, root);
    const payload = Uint8Array.from(genuine?.payload ?? []);
    const at = payload.length >> 1;
    payload[at] = (payload[at] ?? 0) ^ 4;
    return [{ kind: "proof", payload }];
  }

  async #evidence(shard: number): Promise<EvidenceItem[]> {
    const { blob, content, lie } = this.#options;
    const about: ShardName = { blob, sizeBytes: content.length, shardBytes: SHARD_BYTES, shard };
    const hashOf = (bytes: Buffer, of = shard) => {
      const hasher = createShardHasher();
      hasher.update(bytes.subarray(shardStart(of), shardEnd(of, bytes.length)));
      return hasher.digest();
    };
    const wrong = hashOf(this.#wrong);
    const sign = (changed: Partial<ShardName>, hash: Uint8Array) =>
      attest(
        { ...about, ...changed },
        { basis: "verified", hash },
        { node: this.id, sign: (bytes) => this.#started.sign(bytes), wallMs: () => Date.now() },
      );
    switch (lie) {
      case "silent":
      case "no-evidence":
        return [];
      case "wrong-bytes":
      case "proven-otherwise":
      case "spoiled-proof":
      case "proof-of-other":
        return [await sign({}, hashOf(content))];
      case "wrong-hash":
        return [await sign({}, wrong)];
      case "other-shard":
        return [await sign({ shard: shard + 1 }, wrong)];
      case "other-blob":
        return [await sign({ blob: `sha256:${"d".repeat(64)}` as BlobId }, wrong)];
      case "other-size":
        return [await sign({ sizeBytes: content.length + 1 }, wrong)];
      case "forged": {
        const { payload } = await sign({}, wrong);
        const forged = Uint8Array.from(payload);
        forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
        return [{ kind: "attestation", payload: forged }];
      }
    }
  }
}

/** One bit of each shard is another. */
function spoil(content: Buffer, shards: readonly number[] | undefined): Buffer {
  const wrong = Buffer.from(content);
  for (let shard = 0; shardStart(shard) < wrong.length; shard += 1) {
    if (shards !== undefined && !shards.includes(shard)) continue;
    const at = shardStart(shard) + Math.floor((shardEnd(shard, wrong.length) - shardStart(shard)) / 3);
    wrong[at] = (wrong[at] as number) ^ 0x10;
  }
  return wrong;
}
