/**
 * Questions for evidence and their answers: bytes <-> domain types.
 *
 * What an item says is not looked into here: attestations and proofs are read by whoever checks them, and handed on as they came.
 */
import { SwarmError } from "../errors.js";
import type { BlobId } from "../ids.js";
import { decodeBlobId, encodeBlobId } from "./blob-bytes.js";
import { EvidenceAnswerMessage, EvidenceRequestMessage } from "./generated/evidence.js";
import { SHARDS_MAX } from "./limits.js";

/** A question names some shards of one blob. */
export const EVIDENCE_QUESTION_BYTES_MAX = 1024;
/** More are asked for in the next question: whoever fetches has fewer under way. */
export const EVIDENCE_SHARDS_MAX = 64;
/** As much as a proof may take; that of an ordinary shard takes 15 KiB. */
export const EVIDENCE_PAYLOAD_BYTES_MAX = 192 * 1024;
/** Two that agree say no more than one; two that differ say that somebody lies. */
export const EVIDENCE_ITEMS_MAX = 4;
export const EVIDENCE_ANSWER_BYTES_MAX = 200 * 1024;

const ROOT_BYTES = 32;
const NO_ROOT = new Uint8Array(0);

export const EVIDENCE_KINDS = ["attestation", "proof"] as const;
export type EvidenceKind = (typeof EVIDENCE_KINDS)[number];

/** One thing that speaks for a shard, as it travels. */
export interface EvidenceItem {
  readonly kind: EvidenceKind;
  readonly payload: Uint8Array;
}

export interface EvidenceRequest {
  readonly blob: BlobId;
  readonly sizeBytes: number;
  readonly shardBytes: number;
  readonly shards: readonly number[];
  /** 32 bytes: the root of the file's hash tree that the origin vouches for, where the asker knows it. Only proofs that lead there help it. */
  readonly root?: Uint8Array | undefined;
  /** Only proofs are asked for, and only those that are there now: nothing is waited for. */
  readonly proofsNow?: boolean | undefined;
}

/** Without items: there is nothing, and nothing is on its way. */
export interface EvidenceAnswer {
  readonly shard: number;
  readonly items: readonly EvidenceItem[];
  /** What the peer sent of the shard until now proved wrong. */
  readonly isTainted: boolean;
}

export function encodeEvidenceRequest(request: EvidenceRequest): Uint8Array {
  const { blob, sizeBytes, shardBytes, shards, root = NO_ROOT, proofsNow = false } = request;
  const message = { blob: encodeBlobId(blob), sizeBytes, shardBytes, shards: [...shards], root, proofsNow };
  return EvidenceRequestMessage.encode(message);
}

/** @throws SwarmError PEER_FAULT */
export function decodeEvidenceRequest(bytes: Uint8Array): EvidenceRequest {
  return guarded("a question for evidence", bytes, EVIDENCE_QUESTION_BYTES_MAX, () => {
    const message = EvidenceRequestMessage.decode(bytes, { limits: { shards: EVIDENCE_SHARDS_MAX } });
    const { sizeBytes, shardBytes, shards } = message;
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) throw new RangeError(`a size of ${sizeBytes}`);
    if (shardBytes === 0) throw new RangeError("shards of no bytes");
    for (const shard of shards) if (shard >= SHARDS_MAX) throw new RangeError(`shard ${shard}`);
    const { root, proofsNow } = message;
    if (root.length !== 0 && root.length !== ROOT_BYTES) throw new RangeError(`a root of ${root.length} bytes`);
    const proofs = root.length === 0 ? {} : { root: root.slice(), ...(proofsNow ? { proofsNow } : {}) };
    return { blob: decodeBlobId(message.blob), sizeBytes, shardBytes, shards, ...proofs };
  });
}

export function encodeEvidenceAnswer({ shard, items, isTainted }: EvidenceAnswer): Uint8Array {
  const coded = items.map(({ kind, payload }) => ({ kind: EVIDENCE_KINDS.indexOf(kind) + 1, payload }));
  return EvidenceAnswerMessage.encode({ shard, items: coded, isTainted });
}

/** Items of a kind that this version does not know are left out. @throws SwarmError PEER_FAULT */
export function decodeEvidenceAnswer(bytes: Uint8Array): EvidenceAnswer {
  return guarded("evidence", bytes, EVIDENCE_ANSWER_BYTES_MAX, () => {
    const { shard, items, isTainted } = EvidenceAnswerMessage.decode(bytes, { limits: { items: EVIDENCE_ITEMS_MAX } });
    if (shard >= SHARDS_MAX) throw new RangeError(`shard ${shard}`);
    return { shard, items: items.flatMap(({ kind, payload }) => toItem(kind, payload)), isTainted };
  });
}

function toItem(code: number, payload: Uint8Array): EvidenceItem[] {
  if (payload.length > EVIDENCE_PAYLOAD_BYTES_MAX) throw new RangeError(`a payload of ${payload.length} bytes`);
  const kind = EVIDENCE_KINDS[code - 1];
  return kind === undefined ? [] : [{ kind, payload: payload.slice() }];
}

function guarded<Value>(what: string, bytes: Uint8Array, maxBytes: number, decode: () => Value): Value {
  if (bytes.length > maxBytes) {
    throw new SwarmError("PEER_FAULT", `${what} of ${bytes.length} bytes; the most is ${maxBytes}`);
  }
  try {
    return decode();
  } catch (cause) {
    if (cause instanceof SwarmError && cause.code === "PEER_FAULT") throw cause;
    throw new SwarmError("PEER_FAULT", `what a peer sent as ${what} can't be read: ${(cause as Error).message}`, {
      cause,
    });
  }
}
