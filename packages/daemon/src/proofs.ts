/**
 * Proofs, joined: the trees of finished files and the proofs of arriving ones, for peers that ask; and the proofs of peers, for the bytes that
 * they send. A blob without a hash that the origin vouches for has none of it.
 */
import { open } from "node:fs/promises";
import { join } from "node:path";
import { type BlobId, type NodeId, SwarmError, shardEnd, shardStart, toSwarmError } from "@swarmd/protocol";
import type { EvidenceItem } from "@swarmd/protocol/wire";
import type { EventLog } from "./observe/events.js";
import type { BlobStore } from "./store/blob-store.js";
import { scanCache } from "./store/scan-repo.js";
import type { ProofFinder, ShardProofs } from "./transfer/ports.js";
import { AttemptProofs, type AttemptProofsDeps } from "./verify/evidence/attempt-proofs.js";
import type { ShardName } from "./verify/evidence/attest.js";
import type { ProofCheck } from "./verify/evidence/ports.js";
import type { BlobReader } from "./verify/xet/ports.js";
import type { Anchor } from "./verify/xet/proof-codec.js";
import { ProofStore } from "./verify/xet/proof-store.js";
import { loadRangeChecks, type OpenRangeCheck } from "./verify/xet/range-check.js";
import { TreeBuilder } from "./verify/xet/tree-builder.js";
import { bytesOfXetHash, isXetHash, XetHasher } from "./verify/xet/xet-hash.js";

export interface ProofsDeps {
  readonly store: BlobStore;
  readonly events: EventLog;
  /** Asks peers; undefined on a node that goes without them: such a one proves nothing to anybody. */
  readonly ask: () => AttemptProofsDeps["ask"] | undefined;
  /** Peers that hold a shard, best first. */
  readonly holders: (blob: BlobId, shard: number) => readonly NodeId[];
}

/** A file of one chunk is hashed as a whole either way. */
const SIZE_BYTES_MIN = 128 * 1024;
/** Proofs that were made last, for the followers of whoever asked first: 12 KiB each. */
const MOST_CACHED = 256;
/** Who had no proof is not asked again on behalf of others for so long. */
const LACKING_MS = 5_000;
/** Peers and files of interest at a time are fewer; names are free. */
const MOST_REMEMBERED = 4096;
const READ_BYTES = 1024 * 1024;

export class Proofs implements ProofFinder, ProofCheck {
  readonly #deps: ProofsDeps;
  readonly #proofs: ProofStore;
  readonly #builder: TreeBuilder;
  readonly #openCheck: OpenRangeCheck;
  readonly #anchors = new Map<BlobId, Anchor>();
  readonly #building = new Map<BlobId, Promise<void>>();
  /** Neither rule of cutting gives their hash. */
  readonly #unprovable = new Set<BlobId>();
  readonly #cached = new Map<string, Uint8Array>();
  readonly #lackingUntilMs = new Map<string, number>();
  readonly #doubted = new Set<string>();
  readonly #stopped = new AbortController();

  private constructor(
    deps: ProofsDeps,
    rooms: { readonly proofs: ProofStore; readonly builder: TreeBuilder; readonly openCheck: OpenRangeCheck },
  ) {
    this.#deps = deps;
    this.#proofs = rooms.proofs;
    this.#builder = rooms.builder;
    this.#openCheck = rooms.openCheck;
  }

  static async open({ stateDir }: { readonly stateDir: string }, deps: ProofsDeps): Promise<Proofs> {
    const builder = new TreeBuilder();
    const folder = join(stateDir, "proofs");
    const proofs = new ProofStore({ folder }, { hasher: await XetHasher.load(), builder });
    await proofs.start();
    return new Proofs(deps, { proofs, builder, openCheck: await loadRangeChecks() });
  }

  /** The origin vouches for this hash of a blob. For what is no such hash, nothing is noted. */
  note(blob: BlobId, sizeBytes: number, xetHash: string | undefined): void {
    if (xetHash === undefined || !isXetHash(xetHash) || sizeBytes <= SIZE_BYTES_MIN) return;
    this.#anchors.set(blob, { file: xetHash, sizeBytes });
  }

  /** Notes what earlier runs heard from the origin of what is in the cache. */
  async adopt(options: { readonly signal: AbortSignal }): Promise<void> {
    const { store } = this.#deps;
    for (const { repo, revisions } of await scanCache(store.cacheDir, options)) {
      for (const { commit } of revisions) {
        const files = (await store.readTree(repo, commit)) ?? [];
        for (const { blob, sizeBytes, xetHash } of files) this.note(blob, sizeBytes, xetHash);
      }
    }
  }

  /** A blob is whole and in the cache: its tree is built, beside everything else. */
  finished(blob: BlobId): void {
    if (this.#deps.ask() === undefined || this.#stopped.signal.aborted) return;
    const anchor = this.#anchors.get(blob);
    if (anchor === undefined || this.#building.has(blob) || this.#unprovable.has(blob)) return;
    const building = this.#build(blob, anchor)
      .catch((error: unknown) => {
        if (this.#stopped.signal.aborted) return;
        this.#deps.events.emit({ type: "proof-tree-failed", blob, ...describe(error) });
      })
      .finally(() => this.#building.delete(blob));
    this.#building.set(blob, building);
  }

  /** The blob is gone. */
  forget(blob: BlobId): void {
    const anchor = this.#anchors.get(blob);
    if (anchor === undefined) return;
    for (const key of this.#cached.keys()) if (key.startsWith(anchor.file)) this.#cached.delete(key);
    void this.#proofs.forget(anchor.file).catch(() => undefined);
  }

  /** Whether this node can prove any part of a blob that it holds whole, by the tree that it has built. */
  async canProve(blob: BlobId): Promise<boolean> {
    const anchor = this.#anchors.get(blob);
    if (anchor === undefined || !this.#deps.store.has(blob)) return false;
    const endBytes = Math.min(anchor.sizeBytes, 1);
    return this.#proofs
      .makeProof({ ...anchor, startBytes: 0, endBytes }, this.#readerOf(blob), { signal: this.#stopped.signal })
      .then(
        () => true,
        () => false,
      );
  }

  /** The proof of a shard that is here, if it leads to this root; for a whole file that has no tree, one is built for the next time. */
  async prove({ blob, sizeBytes, shardBytes, shard }: ShardName, root: Uint8Array): Promise<readonly EvidenceItem[]> {
    const anchor = this.#anchors.get(blob);
    if (anchor?.sizeBytes !== sizeBytes || Buffer.compare(bytesOfXetHash(anchor.file), root) !== 0) return [];
    const startBytes = shardStart(shard, shardBytes);
    if (startBytes >= sizeBytes) return [];
    const endBytes = shardEnd(shard, sizeBytes, shardBytes);
    const key = `${anchor.file} ${startBytes} ${endBytes}`;
    let payload = this.#cached.get(key);
    if (payload === undefined) payload = await this.#make(blob, { ...anchor, startBytes, endBytes });
    if (payload === undefined) return [];
    this.#cached.delete(key);
    this.#cached.set(key, payload);
    if (this.#cached.size > MOST_CACHED) this.#cached.delete(this.#cached.keys().next().value as string);
    return [{ kind: "proof", payload }];
  }

  open(wanted: Parameters<ProofFinder["open"]>[0]): ShardProofs | undefined {
    const ask = this.#deps.ask();
    const anchor = this.#anchors.get(wanted.blob);
    if (ask === undefined || anchor?.sizeBytes !== wanted.sizeBytes) return undefined;
    const { blob, peer } = wanted;
    return new AttemptProofs(
      { ...wanted, xetHash: anchor.file },
      {
        ask,
        others: (shard) => this.#othersThan(peer, blob, shard),
        openCheck: this.#openCheck,
        root: bytesOfXetHash(anchor.file),
        onLacking: (other) => {
          if (this.#lackingUntilMs.size >= MOST_REMEMBERED) this.#lackingUntilMs.clear();
          this.#lackingUntilMs.set(`${other} ${blob}`, performance.now() + LACKING_MS);
        },
        onDoubt: (other) => {
          if (this.#doubted.size >= MOST_REMEMBERED) this.#doubted.clear();
          this.#doubted.add(`${other} ${blob}`);
        },
        keep: (_shard, payload) => this.#keep(anchor, payload),
      },
    );
  }

  /** The root that proofs of a blob have to lead to. */
  findRoot(blob: BlobId): Uint8Array | undefined {
    const anchor = this.#anchors.get(blob);
    return anchor && bytesOfXetHash(anchor.file);
  }

  /** Holds a whole shard in a file against a proof that came after it. */
  async check(
    { blob, sizeBytes, shardBytes, shard }: ShardName,
    { path, payload }: { readonly path: string; readonly payload: Uint8Array },
    { signal }: { readonly signal: AbortSignal },
  ): Promise<boolean | undefined> {
    const anchor = this.#anchors.get(blob);
    if (anchor?.sizeBytes !== sizeBytes) return undefined;
    const range = { startBytes: shardStart(shard, shardBytes), endBytes: shardEnd(shard, sizeBytes, shardBytes) };
    let check: ReturnType<OpenRangeCheck>;
    try {
      check = this.#openCheck(payload, { xetHash: anchor.file, sizeBytes, ...range, isForeign: false });
    } catch {
      return undefined;
    }
    const isRight = await isProven(path, range, check, signal);
    if (isRight) this.#keep(anchor, payload);
    return isRight;
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new SwarmError("INTERRUPTED", "the node is stopping"));
    await this.#builder.stop();
    await Promise.all(this.#building.values());
  }

  async #build(blob: BlobId, anchor: Anchor): Promise<void> {
    const { store, events } = this.#deps;
    const found = await store.find(blob, { sizeBytes: anchor.sizeBytes });
    if (found === undefined) return;
    const startedMs = performance.now();
    const rule = await this.#proofs.keepTree({ ...anchor, path: found.path }, { signal: this.#stopped.signal });
    if (rule === undefined) this.#unprovable.add(blob);
    events.emit({ type: "proof-tree", blob, rule: rule ?? null, elapsedMs: performance.now() - startedMs });
  }

  async #make(blob: BlobId, range: Parameters<ProofStore["makeProof"]>[0]): Promise<Uint8Array | undefined> {
    try {
      return await this.#proofs.makeProof(range, this.#readerOf(blob), { signal: this.#stopped.signal });
    } catch (error) {
      if (toSwarmError(error).code === "PEER_LACKS" && this.#deps.store.has(blob)) this.finished(blob);
      return undefined;
    }
  }

  /** Only what is in the file; of what is read there, the hash is compared before it is used. */
  #readerOf(blob: BlobId): BlobReader {
    return {
      read: async (positionBytes, target) => {
        const open = await this.#deps.store.openBlob(blob);
        try {
          if (open === undefined || open.servableUpTo(positionBytes) < positionBytes + target.length) {
            throw new SwarmError("PEER_LACKS", `bytes from ${positionBytes} on are not here`);
          }
          await open.read(positionBytes, target);
        } finally {
          await open?.close();
        }
      },
    };
  }

  #keep(anchor: Anchor, payload: Uint8Array): void {
    // A proof that can't be kept can't be handed on: that is all.
    void this.#proofs.keepProofBytes(anchor, payload).catch(() => undefined);
  }

  #othersThan(sender: NodeId, blob: BlobId, shard: number): readonly NodeId[] {
    const nowMs = performance.now();
    return this.#deps.holders(blob, shard).filter((peer) => {
      const key = `${peer} ${blob}`;
      return peer !== sender && !this.#doubted.has(key) && (this.#lackingUntilMs.get(key) ?? 0) < nowMs;
    });
  }
}

async function isProven(
  path: string,
  { startBytes, endBytes }: { readonly startBytes: number; readonly endBytes: number },
  check: ReturnType<OpenRangeCheck>,
  signal: AbortSignal,
): Promise<boolean> {
  const file = await open(path, "r");
  try {
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    let kept = 0;
    for (let at = startBytes; at < endBytes; ) {
      signal.throwIfAborted();
      const { bytesRead } = await file.read(buffer, kept, Math.min(buffer.length - kept, endBytes - at), at);
      if (bytesRead === 0) return false;
      at += bytesRead;
      const proven = check.check(buffer.subarray(0, kept + bytesRead));
      buffer.copyWithin(0, proven, kept + bytesRead);
      kept += bytesRead - proven;
    }
    return kept === 0;
  } catch (error) {
    if (toSwarmError(error).code === "PEER_CORRUPT") return false;
    throw toSwarmError(error);
  } finally {
    await file.close();
  }
}

function describe(error: unknown): { readonly code: string; readonly message: string } {
  const { code, message } = toSwarmError(error);
  return { code, message };
}
