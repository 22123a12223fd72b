/** What shards rest on, joined: the judge with those it asks, and the shelf from which peers are told. */
import { type BlobId, type NodeId, SHARD_BYTES, SwarmError, shardCount } from "@swarmd/protocol";
import type { EvidenceItem } from "@swarmd/protocol/wire";
import type { Proofs } from "./proofs.js";
import { EvidenceDesk, type EvidenceShelf } from "./serve/evidence-desk.js";
import type { BlobStore } from "./store/blob-store.js";
import type { Staging } from "./store/staging.js";
import { type WholeBlob, WholeHashes } from "./store/whole-hashes.js";
import type { ShardName } from "./verify/evidence/attest.js";
import { type Finding, type InquestDeps, inquire, type RangeSource } from "./verify/evidence/inquest.js";
import { Judge } from "./verify/evidence/judge.js";
import { OwnEvidence } from "./verify/evidence/own-evidence.js";
import type { Conflict, DigestCheck, EvidenceSource } from "./verify/evidence/ports.js";
import { SpotChecks } from "./verify/evidence/spot-checks.js";
import type { ShardHasher } from "./verify/shard-hasher.js";

export interface ShelfDeps {
  readonly store: BlobStore;
  readonly hashes: WholeHashes;
  readonly own: OwnEvidence;
  readonly proofs: Pick<Proofs, "prove">;
}

/** Opens what is known of a blob's shards; `undefined` when there is nothing of it here. */
export async function openShelf(blob: BlobId, deps: ShelfDeps): Promise<EvidenceShelf | undefined> {
  const staging = deps.store.findOpen(blob);
  if (staging !== undefined) return arrivingShelf(staging, deps);
  const found = await deps.store.find(blob);
  return found && wholeShelf({ blob, ...found, shardBytes: SHARD_BYTES }, deps);
}

/** What came from elsewhere is handed on as it came; for what came from the origin, this node signs. */
function arrivingShelf(staging: Staging, { own, proofs }: ShelfDeps): EvidenceShelf {
  const { blob, sizeBytes, shardBytes } = staging;
  const prove = async (shard: number, root: Uint8Array | undefined): Promise<readonly EvidenceItem[]> => {
    if (root === undefined || !staging.isChecked(shard)) return [];
    return proofs.prove({ blob, sizeBytes, shardBytes, shard }, root);
  };
  return {
    sizeBytes,
    shardBytes,
    onJudged: (listener) => staging.onJudged(listener),
    prove,
    async find(shard, root): Promise<readonly EvidenceItem[] | "coming"> {
      const known = staging.findChecked(shard);
      if (known === undefined) return "coming";
      const { hash, ground } = known;
      // Nobody knows any more where it came from: the whole file will tell, and nobody can be told before.
      if (ground === undefined) return [];
      if ("item" in ground) return [ground.item];
      const about: ShardName = { blob, sizeBytes, shardBytes, shard };
      return [...(await prove(shard, root)), await own.attest(about, BASIS[ground.kind], hash)];
    },
  };
}

const BASIS = { origin: "origin", digest: "verified", proof: "proven" } as const;

function wholeShelf(whole: WholeBlob, { hashes, own, proofs }: ShelfDeps): EvidenceShelf {
  const { blob, sizeBytes, shardBytes } = whole;
  const prove = async (shard: number, root: Uint8Array | undefined): Promise<readonly EvidenceItem[]> =>
    root === undefined ? [] : proofs.prove({ blob, sizeBytes, shardBytes, shard }, root);
  return {
    sizeBytes,
    shardBytes,
    // Nothing becomes of a whole blob's shards.
    onJudged: () => () => undefined,
    prove,
    async find(shard, root) {
      const proven = await prove(shard, root);
      const known = await hashes.find(whole, shard);
      if (known === undefined) return proven;
      const about: ShardName = { blob, sizeBytes, shardBytes, shard };
      return [...proven, await own.attest(about, known.isVerified ? "verified" : "held", known.hash)];
    },
  };
}

/** What the engine knows of who has what, and who may. */
export interface EvidenceRules {
  /** Peers that hold a shard and can be asked. */
  holders(blob: BlobId, shard: number): readonly NodeId[];
  /** Whether it is for this node to fetch a shard from the origin. */
  isOnDuty(blob: BlobId, shard: number): boolean;
  /** Whether a peer may hear of a blob. */
  mayHave(peer: NodeId, blob: BlobId): boolean;
}

/** The peers, as far as evidence goes. Absent on a node that goes without them. */
export interface EvidencePeers {
  readonly id: NodeId;
  ask(
    peer: NodeId,
    about: ShardName & { readonly root?: Uint8Array | undefined },
    options: Parameters<EvidenceSource["ask"]>[2],
  ): ReturnType<EvidenceSource["ask"]>;
  sign(bytes: Uint8Array): Promise<Uint8Array>;
  isBanned(node: NodeId): boolean;
}

export interface EvidenceDeps {
  readonly store: BlobStore;
  readonly digests: DigestCheck;
  readonly proofs: Proofs;
  readonly createShardHasher: () => ShardHasher;
  readonly origin: RangeSource;
  readonly onConflict: (conflict: Conflict) => void;
  /** So many bytes of a blob were fetched from the origin only to compare with them. */
  readonly onCompared: (blob: BlobId, bytes: number) => void;
  /** A node vouched for bytes of a blob that the origin does not have. */
  readonly onLie: (blob: BlobId, signer: NodeId) => void;
  /** One of so many shards that came from peers is compared with the origin; `undefined`: none. */
  readonly spotCheck: number | undefined;
}

/** Everything about evidence that one node has. Peers and rules join it before the first shard comes. */
export class Evidence {
  readonly judge: Judge;
  readonly desk: EvidenceDesk;
  peers: EvidencePeers | undefined;
  rules: EvidenceRules | undefined;
  readonly #inquest: Omit<InquestDeps, "self">;

  readonly #spotChecks: SpotChecks;
  readonly #proofs: Proofs;

  constructor(deps: EvidenceDeps) {
    const { store, digests, proofs, createShardHasher, origin, onConflict, onCompared, onLie, spotCheck } = deps;
    this.#spotChecks = new SpotChecks(
      { every: spotCheck },
      {
        origin,
        newHasher: createShardHasher,
        random: Math.random,
        onCompared,
        onLie: ({ blob }, signer) => {
          if (signer !== this.peers?.id) onLie(blob, signer);
        },
      },
    );
    this.#proofs = proofs;
    this.#inquest = { origin, newHasher: createShardHasher, onCompared };
    this.judge = new Judge(
      {},
      {
        digests,
        onConflict,
        proofs,
        evidence: {
          ask: (peer, about, options) =>
            this.#joined.ask(peer, { ...about, root: proofs.findRoot(about.blob) }, options),
        },
        witnesses: {
          holders: (blob, shard) => this.rules?.holders(blob, shard) ?? [],
          isBanned: (node) => this.peers?.isBanned(node) ?? false,
          isOnDuty: (blob, shard) => this.rules?.isOnDuty(blob, shard) ?? false,
        },
      },
    );
    const own = new OwnEvidence(() => {
      const { id, sign } = this.#joined;
      return { node: id, sign, wallMs: () => Date.now() };
    });
    const hashes = new WholeHashes({ kept: store.keptGrounds, createShardHasher });
    this.desk = new EvidenceDesk({
      isAllowed: (peer, blob) => this.rules?.mayHave(peer, blob) ?? false,
      open: (blob) => openShelf(blob, { store, hashes, own, proofs }),
    });
  }

  /**
   * A whole file is wrong, and nothing on this disk is damaged: finds out whose fault that is. What the origin bears out is noted as such.
   *
   * @throws SwarmError INTERRUPTED on abort
   */
  async inquire(staging: Staging, options: { readonly signal: AbortSignal }): Promise<Finding> {
    const { blob, sizeBytes, shardBytes } = staging;
    const suspects = Array.from({ length: shardCount(sizeBytes, shardBytes) }, (_, shard) => {
      const known = staging.findChecked(shard);
      return known === undefined ? [] : [{ shard, ...known }];
    }).flat();
    const finding = await inquire(
      { blob, sizeBytes, shardBytes, suspects },
      { ...this.#inquest, self: () => this.peers?.id },
      options,
    );
    for (const signer of finding.doubted) this.judge.distrust(blob, signer);
    for (const { shard, hash } of finding.cleared) {
      staging.noteChecked(this.judge.fromOrigin({ blob, sizeBytes, shardBytes, shard }, hash));
    }
    return finding;
  }

  /** A blob is open: its shards are looked at now and then. */
  watch(staging: Staging): void {
    staging.onJudged((shard, fate) => {
      const known = fate === "checked" ? staging.findChecked(shard) : undefined;
      if (known === undefined) return;
      const { blob, sizeBytes, shardBytes, path } = staging;
      this.#spotChecks.note({ blob, sizeBytes, shardBytes, shard, path, ...known });
    });
  }

  /** A blob is whole and in the cache. */
  finished(blob: BlobId): void {
    this.#proofs.finished(blob);
  }

  async stop(): Promise<void> {
    await this.#spotChecks.stop();
    await this.#proofs.stop();
  }

  get #joined(): EvidencePeers {
    if (this.peers === undefined) throw new SwarmError("PEER_UNREACHABLE", "this node goes without peers");
    return this.peers;
  }
}
