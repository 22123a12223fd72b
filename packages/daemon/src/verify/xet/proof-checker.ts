/**
 * Checks the bytes of a range against its proof while they arrive, chunk by chunk.
 *
 * In: a proof that was decoded, and the bytes of its range in order, in pieces of any size. Out: up to where they are proven. Never: a
 * byte accepted before its whole chunk was there and right, so a liar is caught within 128 KiB.
 */
import { SwarmError } from "@swarmd/protocol";
import type { ChunkRest, HeldPart } from "./blake3-tree.js";
import type { KeyedHasher } from "./keyed-blake3.js";
import { findChunks, heldPart, isCut, type PlacedChunk, type RangeProof } from "./proof.js";
import type { XetHasher } from "./xet-hash.js";

/** One range, from its start or from a point between two chunks. */
export class ProofChecker {
  readonly #proof: RangeProof;
  readonly #hasher: XetHasher;
  readonly #chunkHasher: KeyedHasher;
  readonly #chunks: readonly PlacedChunk[];
  #next: number;
  #acceptedUpTo: number;
  /** Bytes of the chunk in progress that are in. */
  #pending = 0;
  /** Those bytes themselves, when the chunk is cut: their rest comes into the hash first. */
  #collected: Uint8Array | undefined;
  #failure: SwarmError | undefined;

  /**
   * @param fromBytes where the bytes begin: at the start of the range, or at what {@link findResume} gave.
   * @throws SwarmError INTERNAL for any other point.
   */
  constructor(proof: RangeProof, hasher: XetHasher, fromBytes: number = proof.startBytes) {
    this.#proof = proof;
    this.#hasher = hasher;
    this.#chunkHasher = hasher.createChunkHasher();
    this.#chunks = findChunks(proof, proof.startBytes, proof.endBytes) ?? [];
    this.#next =
      fromBytes === proof.startBytes ? 0 : this.#chunks.findIndex(({ startBytes }) => startBytes === fromBytes);
    if (this.#next === -1) throw new SwarmError("INTERNAL", `byte ${fromBytes} is not between two chunks`);
    this.#acceptedUpTo = fromBytes;
  }

  /** Everything of the range below this is proven. */
  get acceptedUpTo(): number {
    return this.#acceptedUpTo;
  }

  get isComplete(): boolean {
    return this.#acceptedUpTo === this.#proof.endBytes;
  }

  /**
   * Takes the next bytes and gives {@link acceptedUpTo}. The bytes may be used again after the call.
   *
   * @throws SwarmError PEER_CORRUPT at the first chunk that is wrong, and ever after; what was accepted before stays good.
   *   PEER_FAULT for bytes behind the range.
   */
  push(bytes: Uint8Array): number {
    if (this.#failure !== undefined) throw this.#failure;
    for (let at = 0; at < bytes.length; ) {
      const chunk = this.#chunks[this.#next];
      if (chunk === undefined) throw this.#fail(new SwarmError("PEER_FAULT", "bytes came behind the end of the range"));
      const part = heldPart(chunk, this.#proof.startBytes, this.#proof.endBytes);
      const length = part.heldEnd - part.heldStart;
      const piece = bytes.subarray(at, at + length - this.#pending);
      this.#take(piece, part);
      at += piece.length;
      if (this.#pending === length) this.#endChunk(chunk, part);
    }
    return this.#acceptedUpTo;
  }

  #take(piece: Uint8Array, part: HeldPart): void {
    if (isCut(part)) {
      this.#collected ??= new Uint8Array(part.heldEnd - part.heldStart);
      this.#collected.set(piece, this.#pending);
    } else {
      this.#chunkHasher.update(piece);
    }
    this.#pending += piece.length;
  }

  #endChunk(chunk: PlacedChunk, part: HeldPart): void {
    const hash = this.#hashChunk(part);
    if (Buffer.compare(hash, chunk.hash) !== 0) {
      const { startBytes, sizeBytes } = chunk;
      const where = `bytes ${startBytes} to ${startBytes + sizeBytes} of ${this.#proof.file}`;
      throw this.#fail(new SwarmError("PEER_CORRUPT", `${where} are not what their proof says`));
    }
    this.#acceptedUpTo = chunk.startBytes + part.heldEnd;
    this.#pending = 0;
    this.#next += 1;
  }

  #hashChunk(part: HeldPart): Uint8Array {
    const held = this.#collected;
    if (held === undefined) return this.#chunkHasher.digest();
    this.#collected = undefined;
    const rest = this.#next === 0 ? this.#proof.headRest : this.#proof.tailRest;
    return this.#hasher.chunkParts.hashWithRest(held, part, rest as ChunkRest);
  }

  #fail(error: SwarmError): SwarmError {
    this.#failure = error;
    return error;
  }
}

/** The last point at or below `positionBytes` from which a {@link ProofChecker} of this proof can go on. */
export function findResume(proof: RangeProof, positionBytes: number): number {
  const chunks = findChunks(proof, proof.startBytes, proof.endBytes) ?? [];
  const last = chunks.findLast(({ startBytes }) => startBytes <= positionBytes && startBytes > proof.startBytes);
  return last?.startBytes ?? proof.startBytes;
}
