/**
 * An attestation: a node's signature under "this shard of this blob has this hash". It travels unchanged with the shard.
 *
 * What is signed is {@link ATTESTATION_DOMAIN}, then the body. The body has one form only, so that it can be written down again
 * byte by byte: numbers are big-endian, nothing is optional, nothing may follow.
 *
 * ```
 * basis u8 · time u64 (ms) · size u64 · shard bytes u32 · shard u32 · blob id u8+bytes · signer u8+ASCII · BLAKE3 32 bytes
 * ```
 *
 * Repo, commit and path are not in it: a blob is named by its content, so they would prove nothing to who checks, and would tell
 * everybody where the signer has it from.
 */
import { SwarmError } from "../errors.js";
import { type BlobId, type NodeId, parseNodeId } from "../ids.js";
import { decodeBlobId, encodeBlobId } from "./blob-bytes.js";

/**
 * How the signer knows. `origin`: fetched it from there. `verified`: holds the whole file, and it matches its digest. `held`: a file of
 * this name lies in its cache, whole as far as it knows; put there by another program. `proven`: holds a proof of the shard that leads to a
 * hash which the origin vouches for, and has checked it.
 */
export const ATTESTATION_BASES = ["origin", "verified", "held", "proven"] as const;
export type AttestationBasis = (typeof ATTESTATION_BASES)[number];

export interface AttestationBody {
  readonly basis: AttestationBasis;
  /** By the signer's clock, in ms since 1970. For people: nothing is decided by it. */
  readonly timeMs: number;
  readonly blob: BlobId;
  readonly sizeBytes: number;
  /** With size and shard it says which range is meant. */
  readonly shardBytes: number;
  readonly shard: number;
  /** BLAKE3, 32 bytes. */
  readonly hash: Uint8Array;
  readonly signer: NodeId;
}

export interface Attestation extends AttestationBody {
  /** Ed25519, 64 bytes. */
  readonly signature: Uint8Array;
}

/** Nothing else that a node key ever signs begins like this. */
export const ATTESTATION_DOMAIN = "swarmd shard attestation 1\n";

const HASH_BYTES = 32;
const SIGNATURE_BYTES = 64;
const SIGNER_LENGTH_MAX = 128;
const NUMBERS_BYTES = 25;
const UINT32_MAX = 0xffff_ffff;
/** Every field at its longest. */
export const ATTESTATION_BYTES_MAX = NUMBERS_BYTES + 1 + 49 + 1 + SIGNER_LENGTH_MAX + HASH_BYTES + SIGNATURE_BYTES;

/** What the signature is made of. @throws RangeError for what no attestation can say */
export function attestedBytes(body: AttestationBody): Uint8Array {
  const domain = asciiBytes(ATTESTATION_DOMAIN);
  const rest = encodeBody(body);
  const bytes = new Uint8Array(domain.length + rest.length);
  bytes.set(domain);
  bytes.set(rest, domain.length);
  return bytes;
}

/** @throws RangeError for what no attestation can say */
export function encodeAttestation(attestation: Attestation): Uint8Array {
  const body = encodeBody(attestation);
  if (attestation.signature.length !== SIGNATURE_BYTES) throw new RangeError("a signature has 64 bytes");
  const bytes = new Uint8Array(body.length + SIGNATURE_BYTES);
  bytes.set(body);
  bytes.set(attestation.signature, body.length);
  return bytes;
}

/** Checks the form, not the signature. @throws SwarmError PEER_FAULT */
export function decodeAttestation(bytes: Uint8Array): Attestation {
  if (bytes.length > ATTESTATION_BYTES_MAX) throw fault(`an attestation of ${bytes.length} bytes`);
  const reader = new Reader(bytes);
  const basis = ATTESTATION_BASES[reader.uint8() - 1];
  if (basis === undefined) throw fault("an attestation on a basis that this version does not know");
  const attestation = {
    basis,
    timeMs: reader.uint64(),
    sizeBytes: reader.uint64(),
    shardBytes: reader.uint32(),
    shard: reader.uint32(),
    blob: toBlobId(reader.take(reader.uint8())),
    signer: toSigner(reader.take(reader.uint8())),
    hash: reader.take(HASH_BYTES),
    signature: reader.take(SIGNATURE_BYTES),
  };
  reader.expectEnd();
  return attestation;
}

function encodeBody(body: AttestationBody): Uint8Array {
  const { basis, timeMs, sizeBytes, shardBytes, shard, hash } = body;
  const blob = encodeBlobId(body.blob);
  const signer = asciiBytes(body.signer);
  if (![timeMs, sizeBytes].every((value) => Number.isSafeInteger(value) && value >= 0)) throw new RangeError("no size");
  if (![shardBytes, shard].every((value) => Number.isInteger(value) && value >= 0 && value <= UINT32_MAX)) {
    throw new RangeError("no shard");
  }
  if (hash.length !== HASH_BYTES || signer.length > SIGNER_LENGTH_MAX) throw new RangeError("no hash, or no signer");
  const bytes = new Uint8Array(NUMBERS_BYTES + 1 + blob.length + 1 + signer.length + HASH_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, ATTESTATION_BASES.indexOf(basis) + 1);
  view.setBigUint64(1, BigInt(timeMs));
  view.setBigUint64(9, BigInt(sizeBytes));
  view.setUint32(17, shardBytes);
  view.setUint32(21, shard);
  let at = NUMBERS_BYTES;
  for (const field of [blob, signer]) {
    view.setUint8(at, field.length);
    bytes.set(field, at + 1);
    at += 1 + field.length;
  }
  bytes.set(hash, at);
  return bytes;
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  uint8(): number {
    return this.#view.getUint8(this.#skip(1));
  }

  uint32(): number {
    return this.#view.getUint32(this.#skip(4));
  }

  uint64(): number {
    const value = this.#view.getBigUint64(this.#skip(8));
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw fault(`an attestation with ${value} in it`);
    return Number(value);
  }

  /** A copy: what it came in is not kept alive. */
  take(length: number): Uint8Array {
    const at = this.#skip(length);
    return this.#bytes.slice(at, at + length);
  }

  expectEnd(): void {
    if (this.#at !== this.#bytes.length) throw fault("an attestation with something behind it");
  }

  #skip(length: number): number {
    const at = this.#at;
    if (at + length > this.#bytes.length) throw fault("half an attestation");
    this.#at += length;
    return at;
  }
}

function toBlobId(bytes: Uint8Array): BlobId {
  const blob = decodeBlobId(bytes);
  // A digest has one form; a provisional id carries a number that could be written in more than one.
  if (encodeBlobId(blob).some((byte, index) => byte !== bytes[index])) throw fault("a blob id in another form");
  return blob;
}

function toSigner(bytes: Uint8Array): NodeId {
  try {
    return parseNodeId(String.fromCharCode(...bytes));
  } catch {
    throw fault("an attestation without a signer");
  }
}

function asciiBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function fault(what: string): SwarmError {
  return new SwarmError("PEER_FAULT", `a peer sent ${what}`);
}
