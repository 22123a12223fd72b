/**
 * The journal's bytes: records one after the other, each `type u8 · length u32 · payload · crc32 u32`. Reading stops at the
 * first record that is torn or wrong: nothing after it counts. Pure.
 */
import { crc32 } from "node:zlib";

/** Says what the journal is about. Always the first record, and only there. */
export interface JournalHeader {
  readonly blob: string;
  readonly sizeBytes: number;
  readonly shardBytes: number;
  /** Absolute path of the staging file. */
  readonly path: string;
  /** Its inode, as decimal digits: a file of the same name that somebody else made is not ours. */
  readonly inode: string;
  /** As `formatRepo` has it; empty for a blob of a plain URL. */
  readonly repo: string;
}

export type JournalRecord =
  | { readonly type: "header"; readonly header: JournalHeader }
  /** A shard is whole and its BLAKE3 is `hash`. */
  | { readonly type: "checked"; readonly shard: number; readonly hash: Uint8Array }
  /** The first `watermarkBytes` of a shard are written, and their BLAKE3 is `hash`. */
  | { readonly type: "watermark"; readonly shard: number; readonly watermarkBytes: number; readonly hash: Uint8Array }
  /** What a shard that is whole rests on: the kind of ground, and what it says, as it travels. */
  | { readonly type: "ground"; readonly shard: number; readonly ground: GroundRecord }
  /** Bytes of a peer are in a shard that is not whole. */
  | { readonly type: "guest"; readonly shard: number; readonly peer: string }
  /** Nothing is known of a shard any more. */
  | { readonly type: "dropped"; readonly shard: number }
  /** What the first `records` records claim is on the disk itself, not only in memory. */
  | { readonly type: "durable"; readonly records: number };

/** `payload` is empty for `origin` and `digest`. */
export interface GroundRecord {
  readonly kind: "origin" | "digest" | "attestation" | "proof";
  readonly payload: Uint8Array;
}

const GROUNDS = ["origin", "digest", "attestation", "proof"] as const;
const CODES = { header: 1, checked: 2, watermark: 3, dropped: 4, durable: 5, ground: 6, guest: 7 } as const;
const HASH_BYTES = 32;
const FRAME_BYTES = 9;
/** No header and no proof is longer; guards against reading a length out of damaged bytes. */
const MAX_PAYLOAD_BYTES = 200 * 1024;

export function encodeRecord(record: JournalRecord): Buffer {
  const payload = encodePayload(record);
  const frame = Buffer.allocUnsafe(payload.length + FRAME_BYTES);
  frame.writeUInt8(CODES[record.type], 0);
  frame.writeUInt32LE(payload.length, 1);
  payload.copy(frame, 5);
  frame.writeUInt32LE(crc32(frame.subarray(0, 5 + payload.length)), 5 + payload.length);
  return frame;
}

function encodePayload(record: JournalRecord): Buffer {
  switch (record.type) {
    case "header":
      return Buffer.from(JSON.stringify(record.header));
    case "checked":
      return Buffer.concat([uint32(record.shard), record.hash]);
    case "watermark":
      return Buffer.concat([uint32(record.shard), uint32(record.watermarkBytes), record.hash]);
    case "ground":
      return Buffer.concat([
        uint32(record.shard),
        Buffer.of(GROUNDS.indexOf(record.ground.kind) + 1),
        record.ground.payload,
      ]);
    case "guest":
      return Buffer.concat([uint32(record.shard), Buffer.from(record.peer, "latin1")]);
    case "dropped":
      return uint32(record.shard);
    case "durable":
      return uint32(record.records);
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** The records up to the first damage, in order. Empty if the first is no header. */
export function decodeRecords(bytes: Buffer): JournalRecord[] {
  const records: JournalRecord[] = [];
  let at = 0;
  while (at + FRAME_BYTES <= bytes.length) {
    const length = bytes.readUInt32LE(at + 1);
    const end = at + FRAME_BYTES + length;
    if (length > MAX_PAYLOAD_BYTES || end > bytes.length) break;
    if (crc32(bytes.subarray(at, end - 4)) !== bytes.readUInt32LE(end - 4)) break;
    const record = decodePayload(bytes.readUInt8(at), bytes.subarray(at + 5, end - 4));
    if (record === undefined || (record.type === "header") !== (records.length === 0)) break;
    records.push(record);
    at = end;
  }
  return records;
}

function decodePayload(code: number, payload: Buffer): JournalRecord | undefined {
  if (code === CODES.header) return decodeHeader(payload);
  if (code === CODES.checked && payload.length === 4 + HASH_BYTES) {
    return { type: "checked", shard: payload.readUInt32LE(0), hash: payload.subarray(4) };
  }
  if (code === CODES.watermark && payload.length === 8 + HASH_BYTES) {
    const [shard, watermarkBytes] = [payload.readUInt32LE(0), payload.readUInt32LE(4)];
    return { type: "watermark", shard, watermarkBytes, hash: payload.subarray(8) };
  }
  if (code === CODES.ground && payload.length > 4) return decodeGround(payload);
  if (code === CODES.guest && payload.length > 4) {
    return { type: "guest", shard: payload.readUInt32LE(0), peer: payload.toString("latin1", 4) };
  }
  if (code === CODES.dropped && payload.length === 4) return { type: "dropped", shard: payload.readUInt32LE(0) };
  if (code === CODES.durable && payload.length === 4) return { type: "durable", records: payload.readUInt32LE(0) };
  return undefined;
}

function decodeGround(payload: Buffer): JournalRecord | undefined {
  const kind = GROUNDS[payload.readUInt8(4) - 1];
  if (kind === undefined) return undefined;
  return {
    type: "ground",
    shard: payload.readUInt32LE(0),
    ground: { kind, payload: Buffer.from(payload.subarray(5)) },
  };
}

function decodeHeader(payload: Buffer): JournalRecord | undefined {
  try {
    const header = JSON.parse(payload.toString()) as JournalHeader;
    const { blob, path, inode, repo, sizeBytes, shardBytes } = header;
    const isWhole =
      [blob, path, inode, repo].every((text) => typeof text === "string") &&
      [sizeBytes, shardBytes].every((count) => Number.isSafeInteger(count) && count >= 0) &&
      shardBytes > 0;
    return isWhole ? { type: "header", header } : undefined;
  } catch {
    return undefined;
  }
}
