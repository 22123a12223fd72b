/**
 * Everything this node can prove: the trees of finished files, and the proofs that came with shards of unfinished ones.
 *
 * In: finished files to build trees of; proofs from peers. Out: proofs for peers, as bytes. Never: a proof that this node has not
 * checked against the hash from Hugging Face just before it leaves, so a damaged disk makes proofs missing, not wrong.
 *
 * Files are named by the xet hash. All of it may be deleted at any time; trees are built again, and shards rest on attestations meanwhile.
 */
import { mkdir, open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { SwarmError, toSwarmError } from "@swarmd/protocol";
import type { ChunkRule } from "./chunker.js";
import type { BlobReader } from "./ports.js";
import { type FindRest, type KnownTree, mergeTrees, proveRange, type RangeProof, restIn } from "./proof.js";
import { type Anchor, encodeProof, PROOF_BYTES_MAX } from "./proof-codec.js";
import { ProofLog } from "./proof-log.js";
import type { TreeBuilder } from "./tree-builder.js";
import { TreeFile } from "./tree-file.js";
import type { XetHash, XetHasher } from "./xet-hash.js";

export interface ProofStoreOptions {
  /** A folder of its own, in the state folder. */
  readonly folder: string;
  /** When its files are larger together, those unused longest go. */
  readonly maxBytes?: number;
}

export interface ProofStoreDeps {
  readonly hasher: XetHasher;
  readonly builder: TreeBuilder;
}

export interface RangeRequest extends Anchor {
  readonly startBytes: number;
  readonly endBytes: number;
}

/** Trees of some 2.5 TB of files. */
const MAX_BYTES = 2 * 1024 ** 3;

/** The largest shard. */
const RANGE_BYTES_MAX = 32 * 1024 * 1024;
/** Room is looked for each time the folder may have grown by this share of its bound. */
const GROWTH_SHARE = 1 / 64;

export class ProofStore {
  readonly #folder: string;
  readonly #maxBytes: number;
  readonly #hasher: XetHasher;
  readonly #builder: TreeBuilder;
  readonly #logs = new Map<XetHash, Promise<ProofLog>>();
  /** The names used since the start, by their turn. */
  readonly #used = new Map<string, number>();
  #turn = 0;
  /** How much was written since room was last looked for. */
  #grownBytes = 0;

  constructor({ folder, maxBytes = MAX_BYTES }: ProofStoreOptions, { hasher, builder }: ProofStoreDeps) {
    this.#folder = folder;
    this.#maxBytes = maxBytes;
    this.#hasher = hasher;
    this.#builder = builder;
  }

  /** Makes the folder, and removes what a killed thread left half written. */
  async start(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.#folder)) if (name.endsWith(".tmp")) await rm(join(this.#folder, name));
  }

  /**
   * Builds the tree of a finished file unless it is there, and drops the proofs that came with its shards.
   * Resolves with the rule by which the file was cut; undefined when neither gives its hash: then it can't be proven.
   *
   * @throws SwarmError STORE_FAULT, INTERRUPTED.
   */
  async keepTree(
    file: Anchor & { readonly path: string },
    options: { readonly signal: AbortSignal },
  ): Promise<ChunkRule | undefined> {
    const there = await this.#useTree(file, async ({ rule }) => rule);
    if (there !== undefined) return there;
    const rule = await this.#builder.build({ ...file, target: this.#treePath(file.file) }, options);
    if (rule === undefined) return undefined;
    this.#logs.delete(file.file);
    await rm(this.#logPath(file.file), { force: true });
    const { size } = await stat(this.#treePath(file.file)).catch((cause) => {
      throw toSwarmError(cause, "STORE_FAULT");
    });
    await this.#noteGrowth(`${file.file}.tree`, size);
    return rule;
  }

  /**
   * Keeps a proof that came from a peer, to hand it on. Keep it only once its shard is checked: before that, the rests of the chunks
   * it cuts are the peer's word.
   *
   * @throws SwarmError STORE_FAULT.
   */
  async keepProof(proof: RangeProof): Promise<void> {
    try {
      const log = await this.#log({ file: proof.file, sizeBytes: proof.root.sizeBytes });
      await this.#noteGrowth(`${proof.file}.proofs`, await log.add(proof));
    } catch (error) {
      throw toSwarmError(error, "STORE_FAULT");
    }
  }

  /** As {@link keepProof}, for one that was checked as it came. @throws SwarmError STORE_FAULT */
  async keepProofBytes({ file, sizeBytes }: Anchor, bytes: Uint8Array): Promise<void> {
    try {
      const log = await this.#log({ file, sizeBytes });
      await this.#noteGrowth(`${file}.proofs`, await log.addBytes(bytes));
    } catch (error) {
      throw toSwarmError(error, "STORE_FAULT");
    }
  }

  /**
   * The proof of a range, from the file's tree, or from the proofs of its shards.
   *
   * @param reader gives the bytes of the one or two chunks that the range cuts, where they are needed.
   * @throws SwarmError PEER_LACKS when this node can't prove it: where the file is whole, its tree is missing or was damaged, and
   *   `keepTree` builds it. STORE_FAULT, INTERRUPTED.
   */
  async makeProof(
    range: RangeRequest,
    reader: BlobReader,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<Uint8Array> {
    const { startBytes, endBytes } = range;
    const isRange = startBytes >= 0 && startBytes < endBytes && endBytes <= range.sizeBytes;
    if (!isRange || endBytes - startBytes > RANGE_BYTES_MAX) throw lacking(range);
    const computeRest = this.#restReader(reader, signal);
    const tree = await this.#useTree(range, (stored) => stored.read(startBytes, endBytes, this.#hasher));
    if (tree !== undefined) return this.#encode(tree, range, computeRest);
    const log = await this.#log(range);
    this.#noteUse(`${range.file}.proofs`);
    const exact = await log.findExact(startBytes, endBytes);
    if (exact !== undefined) return exact;
    const [first, ...others] = await log.findTouching(startBytes, endBytes);
    if (first === undefined) throw lacking(range);
    const proofs = [first, ...others];
    const known = others.reduce<KnownTree>(mergeTrees, first);
    return this.#encode(known, range, async (chunk, part) => {
      const rest = proofs.map((proof) => restIn(proof, chunk, part)).find((found) => found !== undefined);
      return rest ?? computeRest(chunk, part);
    });
  }

  /** Removes all that is known of a file: it was deleted. */
  async forget(file: XetHash): Promise<void> {
    this.#logs.delete(file);
    for (const path of [this.#treePath(file), this.#logPath(file)]) await rm(path, { force: true });
  }

  async #encode(known: KnownTree, range: RangeRequest, findRest: FindRest): Promise<Uint8Array> {
    const bytes = encodeProof(await proveRange(known, range.startBytes, range.endBytes, findRest));
    // Chunks of less than the least size, which no chunker makes: the other side would refuse it.
    if (bytes.length > PROOF_BYTES_MAX) throw lacking(range);
    return bytes;
  }

  #restReader(reader: BlobReader, signal: AbortSignal): FindRest {
    return async (chunk, part) => {
      const bytes = new Uint8Array(chunk.sizeBytes);
      await reader.read(chunk.startBytes, bytes, { signal });
      if (Buffer.compare(this.#hasher.hashChunk(bytes), chunk.hash) !== 0) {
        throw new SwarmError("STORE_FAULT", `bytes from ${chunk.startBytes} on are not what was checked once`);
      }
      return this.#hasher.chunkParts.restOf(bytes, part);
    };
  }

  /** Runs with the file's tree if there is one that can be used; one that is damaged is removed. */
  async #useTree<T>(anchor: Anchor, use: (tree: TreeFile) => Promise<T>): Promise<T | undefined> {
    const path = this.#treePath(anchor.file);
    const handle = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw toSwarmError(error, "STORE_FAULT");
    });
    if (handle === undefined) return undefined;
    this.#noteUse(`${anchor.file}.tree`);
    try {
      return await use(await TreeFile.open(handle, anchor));
    } catch (error) {
      if (!(error instanceof SwarmError)) throw toSwarmError(error, "STORE_FAULT");
      // Damaged, cut short or of another version: gone, until it is built again.
      await rm(path, { force: true });
      return undefined;
    } finally {
      await handle.close();
    }
  }

  #log({ file, sizeBytes }: Anchor): Promise<ProofLog> {
    const anchor = { file, sizeBytes };
    const open = this.#logs.get(anchor.file) ?? ProofLog.open(this.#logPath(anchor.file), anchor, this.#hasher);
    this.#logs.set(anchor.file, open);
    open.catch(() => this.#logs.delete(anchor.file));
    return open;
  }

  #treePath(file: XetHash): string {
    return join(this.#folder, `${file}.tree`);
  }

  #logPath(file: XetHash): string {
    return join(this.#folder, `${file}.proofs`);
  }

  #noteUse(name: string): void {
    this.#turn += 1;
    this.#used.set(name, this.#turn);
  }

  async #noteGrowth(name: string, bytes: number): Promise<void> {
    this.#noteUse(name);
    this.#grownBytes += bytes;
    if (this.#grownBytes < this.#maxBytes * GROWTH_SHARE) return;
    this.#grownBytes = 0;
    await this.#makeRoom(name);
  }

  /** Removes what was used longest ago until the rest fits; never the file just written. */
  async #makeRoom(newest: string): Promise<void> {
    const names = (await readdir(this.#folder)).filter((name) => !name.endsWith(".tmp"));
    const found = await Promise.all(
      names.map(async (name) => {
        // It may be removed meanwhile: then it takes no room.
        const info = await stat(join(this.#folder, name)).catch(() => undefined);
        return info && { name, sizeBytes: info.size, turn: this.#used.get(name) ?? 0, mtimeMs: info.mtimeMs };
      }),
    );
    const files = found.filter((file) => file !== undefined);
    files.sort((a, b) => a.turn - b.turn || a.mtimeMs - b.mtimeMs);
    let excessBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) - this.#maxBytes;
    for (const { name, sizeBytes } of files) {
      if (excessBytes <= 0) return;
      if (name === newest) continue;
      await rm(join(this.#folder, name), { force: true });
      this.#used.delete(name);
      const [file, kind] = name.split(".") as [XetHash, string];
      if (kind === "proofs") this.#logs.delete(file);
      excessBytes -= sizeBytes;
    }
  }
}

function lacking({ file, startBytes, endBytes }: RangeRequest): SwarmError {
  return new SwarmError("PEER_LACKS", `no proof of bytes ${startBytes} to ${endBytes} of ${file}`);
}
