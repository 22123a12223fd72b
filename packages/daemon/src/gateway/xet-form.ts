/**
 * A file in the form in which Xet's clients fetch one: cut into xorbs, and these into chunks, each behind a head of its own and not
 * compressed. The cuts are ours, and every 16 MiB, since nobody stores these xorbs: they are read from the file. Pure.
 */
import { createHash } from "node:crypto";
import type { ByteRange } from "./byte-ranges.js";

/** The largest chunk that clients take. */
export const CHUNK_BYTES = 128 * 1024;
/** A client asks for one at a time: as much as a shard. */
export const XORB_BYTES = 16 * 1024 * 1024;
const HEAD_BYTES = 8;

/** What a client asks by: clients compare no content with it. */
function xorbHash(file: string, xorb: number): string {
  return createHash("sha256").update(`${file} ${xorb}`).digest("hex");
}

function xorbRange(sizeBytes: number, xorb: number): ByteRange {
  return { startBytes: xorb * XORB_BYTES, endBytes: Math.min(sizeBytes, (xorb + 1) * XORB_BYTES) };
}

/** How long a xorb is on the wire; `undefined` when the file has no such xorb. */
export function xorbWireBytes(sizeBytes: number, xorb: number): number | undefined {
  const { startBytes, endBytes } = xorbRange(sizeBytes, xorb);
  if (!(startBytes < endBytes)) return undefined;
  const bytes = endBytes - startBytes;
  return bytes + Math.ceil(bytes / CHUNK_BYTES) * HEAD_BYTES;
}

/** How to put a range of a file together. @param urlOf a xorb's address */
export function planReconstruction(
  file: { readonly id: string; readonly sizeBytes: number },
  range: ByteRange,
  urlOf: (xorb: number) => string,
): Record<string, unknown> {
  const terms: unknown[] = [];
  const fetches: Record<string, unknown> = {};
  const first = Math.floor(range.startBytes / XORB_BYTES);
  for (let xorb = first; xorb * XORB_BYTES < range.endBytes; xorb += 1) {
    const { startBytes, endBytes } = xorbRange(file.sizeBytes, xorb);
    // Only the chunks that the range touches.
    const from = Math.max(0, Math.floor((range.startBytes - startBytes) / CHUNK_BYTES));
    const to = Math.ceil((Math.min(range.endBytes, endBytes) - startBytes) / CHUNK_BYTES);
    const unpacked = Math.min(endBytes, startBytes + to * CHUNK_BYTES) - (startBytes + from * CHUNK_BYTES);
    const hash = xorbHash(file.id, xorb);
    const chunks = { start: from, end: to };
    const wireStart = from * (CHUNK_BYTES + HEAD_BYTES);
    const wireEnd = wireStart + unpacked + (to - from) * HEAD_BYTES;
    terms.push({ hash, unpacked_length: unpacked, range: chunks });
    fetches[hash] = [{ range: chunks, url: urlOf(xorb), url_range: { start: wireStart, end: wireEnd - 1 } }];
  }
  return {
    offset_into_first_range: range.startBytes % CHUNK_BYTES,
    terms,
    fetch_info: fetches,
  };
}

/** What a stretch of a xorb on the wire is made of, in order: bytes of heads, and stretches of the file. */
export function* layOut(sizeBytes: number, xorb: number, wire: ByteRange): Generator<Buffer | ByteRange> {
  const { startBytes, endBytes } = xorbRange(sizeBytes, xorb);
  const stride = CHUNK_BYTES + HEAD_BYTES;
  for (let at = wire.startBytes; at < wire.endBytes; ) {
    const chunk = Math.floor(at / stride);
    const chunkStart = startBytes + chunk * CHUNK_BYTES;
    const chunkBytes = Math.min(CHUNK_BYTES, endBytes - chunkStart);
    const offset = at - chunk * stride;
    if (offset < HEAD_BYTES) {
      const head = chunkHead(chunkBytes).subarray(offset, Math.min(HEAD_BYTES, offset + wire.endBytes - at));
      yield head;
      at += head.length;
      continue;
    }
    const from = chunkStart + offset - HEAD_BYTES;
    const to = Math.min(chunkStart + chunkBytes, from + wire.endBytes - at);
    yield { startBytes: from, endBytes: to };
    at += to - from;
  }
}

/** Version 0, the length as sent, no compression, the length as it is. */
function chunkHead(bytes: number): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUIntLE(bytes, 1, 3);
  head.writeUIntLE(bytes, 5, 3);
  return head;
}
