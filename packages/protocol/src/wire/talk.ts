/**
 * Questions and answers of two nodes, all on one stream that stays open: to open one for each costs ten messages. A frame is the number of the
 * question (4 bytes, the highest first), its kind (1 byte) and what is said.
 */
import { SwarmError } from "../errors.js";
import { EVIDENCE_ANSWER_BYTES_MAX } from "./evidence.js";
import { CONTROL_BYTES_MAX } from "./limits.js";

/**
 * `ticket`, `evidence`: a question about that. `answer`: one of its answers. `end`: from who asked, that no answer is wanted any more; from who
 * was asked, that none will come.
 */
export const TALK_KINDS = ["ticket", "evidence", "answer", "end"] as const;
export type TalkKind = (typeof TALK_KINDS)[number];

export interface TalkFrame {
  /** 32 bits, chosen by who asks; not used again while it may be answered. */
  readonly id: number;
  readonly kind: TalkKind;
  readonly payload: Uint8Array;
}

const HEAD_BYTES = 5;
export const TALK_QUESTION_BYTES_MAX = HEAD_BYTES + CONTROL_BYTES_MAX;
export const TALK_ANSWER_BYTES_MAX = HEAD_BYTES + EVIDENCE_ANSWER_BYTES_MAX;

export function encodeTalkFrame({ id, kind, payload }: TalkFrame): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES + payload.length);
  new DataView(bytes.buffer).setUint32(0, id);
  bytes[HEAD_BYTES - 1] = TALK_KINDS.indexOf(kind) + 1;
  bytes.set(payload, HEAD_BYTES);
  return bytes;
}

/** @returns a frame whose payload is a view of `bytes`. @throws SwarmError PEER_FAULT */
export function decodeTalkFrame(bytes: Uint8Array): TalkFrame {
  const kind = TALK_KINDS[(bytes[HEAD_BYTES - 1] ?? 0) - 1];
  if (kind === undefined) throw new SwarmError("PEER_FAULT", `a peer sent ${bytes.length} bytes that are no question`);
  if (kind === "end" && bytes.length > HEAD_BYTES)
    throw new SwarmError("PEER_FAULT", "a peer sent an end that goes on");
  const id = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  return { id, kind, payload: bytes.subarray(HEAD_BYTES) };
}
