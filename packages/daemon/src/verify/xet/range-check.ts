/**
 * Checks bytes against a proof where they lie side by side in memory, as a lane receives them: each chunk in one piece, with one call.
 *
 * In: a proof as it came, and the bytes of its range from its start on. Out: how many of them are proven. Never: a byte of a chunk that is
 * not whole and right.
 */
import { SwarmError } from "@swarmd/protocol";
import type { ChunkRest } from "./blake3-tree.js";
import { findChunks, heldPart, isCut, type PlacedChunk, type RangeProof } from "./proof.js";
import { decodeProof, type Expected } from "./proof-codec.js";
import { parseXetHash, XetHasher } from "./xet-hash.js";

/** What a proof has to be of. */
export interface RangeToProve {
  /** 64 hex digits, from the origin. */
  readonly xetHash: string;
  readonly sizeBytes: number;
  readonly startBytes: number;
  readonly endBytes: number;
  /**
   * Whether the proof came from somebody else than the bytes. Of the chunks that the range cuts it says things that can't be checked before the
   * bytes are there, so a mismatch there is not held against who sent the bytes.
   */
  readonly isForeign: boolean;
}

export interface RangeCheck {
  /**
   * @param bytes what comes behind the bytes that are proven; the same again, and more, until they are
   * @returns how many of them are proven now
   * @throws SwarmError PEER_CORRUPT at the first wrong chunk, PEER_TAINTED where that may be the proof's fault
   */
  check(bytes: Uint8Array): number;
}

/** @throws SwarmError PEER_FAULT for what is no proof of this range: nothing is refuted by it */
export type OpenRangeCheck = (proof: Uint8Array, range: RangeToProve) => RangeCheck;

/** One per thread. The checks that it opens are independent of each other. */
export async function loadRangeChecks(): Promise<OpenRangeCheck> {
  const hasher = await XetHasher.load();
  return (proof, { xetHash, isForeign, ...range }) => {
    const expected = { file: parseXetHash(xetHash), ...range };
    return new ChunkByChunk(decode(proof, expected, hasher), hasher, isForeign);
  };
}

function decode(proof: Uint8Array, expected: Expected, hasher: XetHasher): RangeProof {
  try {
    return decodeProof(proof, expected, hasher);
  } catch (cause) {
    throw new SwarmError("PEER_FAULT", (cause as Error).message, { cause });
  }
}

class ChunkByChunk implements RangeCheck {
  readonly #proof: RangeProof;
  readonly #hasher: XetHasher;
  readonly #isForeign: boolean;
  readonly #chunks: readonly PlacedChunk[];
  #next = 0;

  constructor(proof: RangeProof, hasher: XetHasher, isForeign: boolean) {
    this.#proof = proof;
    this.#hasher = hasher;
    this.#isForeign = isForeign;
    this.#chunks = findChunks(proof, proof.startBytes, proof.endBytes) ?? [];
  }

  check(bytes: Uint8Array): number {
    let proven = 0;
    for (let chunk = this.#chunks[this.#next]; chunk !== undefined; chunk = this.#chunks[this.#next]) {
      const part = heldPart(chunk, this.#proof.startBytes, this.#proof.endBytes);
      const end = proven + part.heldEnd - part.heldStart;
      if (end > bytes.length) break;
      const held = bytes.subarray(proven, end);
      const cut = isCut(part);
      const hash = cut
        ? this.#hasher.chunkParts.hashWithRest(held, part, this.#restOf(this.#next))
        : this.#hasher.hashChunk(held);
      if (Buffer.compare(hash, chunk.hash) !== 0) throw this.#wrong(chunk, cut);
      proven = end;
      this.#next += 1;
    }
    return proven;
  }

  #restOf(index: number): ChunkRest {
    return (index === 0 ? this.#proof.headRest : this.#proof.tailRest) as ChunkRest;
  }

  #wrong({ startBytes, sizeBytes }: PlacedChunk, cut: boolean): SwarmError {
    const code = cut && this.#isForeign ? "PEER_TAINTED" : "PEER_CORRUPT";
    return new SwarmError(
      code,
      `bytes ${startBytes} to ${startBytes + sizeBytes} of ${this.#proof.file} are not what their proof says`,
    );
  }
}
