/**
 * What a file of the embedded Hub holds: bytes in memory, a file on disk, several contents in a row, or a synthetic body
 * of any size that costs no memory. A reader hands out big slices, so that sending is as fast as the socket.
 */
import { createCipheriv, createHash } from "node:crypto";
import { statSync } from "node:fs";
import { open } from "node:fs/promises";

/** Largest slice a reader hands out at once: big enough that the cost of a write does not show. */
export const MAX_SLICE_BYTES = 1024 * 1024;

/** The bytes of one file. Immutable: the same `key` means the same bytes, so digests can be remembered by it. */
export interface Content {
  readonly sizeBytes: number;
  readonly key: string;
  open(): Promise<ContentReader>;
}

/** Random access to one content. One read at a time. */
export interface ContentReader {
  /**
   * At least 1 and at most `maxBytes` bytes from `offset`, which must lie inside the content.
   * The slice stays valid until the read *after* the next one: one may be on its way out while the next is read.
   */
  read(offset: number, maxBytes: number): Uint8Array | Promise<Uint8Array>;
  close(): Promise<void>;
}

/** What callers may give where a content is wanted: text becomes UTF-8. */
export type ContentInput = string | Uint8Array | Content;

export function toContent(input: ContentInput): Content {
  if (typeof input === "string") return bytesContent(Buffer.from(input));
  return input instanceof Uint8Array ? bytesContent(input) : input;
}

/** Content held in memory. */
export function bytesContent(bytes: Uint8Array): Content {
  return {
    sizeBytes: bytes.length,
    key: `bytes:${createHash("sha1").update(bytes).digest("hex")}:${bytes.length}`,
    open: async () => ({
      read: (offset, maxBytes) => bytes.subarray(offset, offset + Math.min(maxBytes, MAX_SLICE_BYTES)),
      close: async () => {},
    }),
  };
}

/** A prime just under 4 MiB: repeated with this period, no two power-of-two shards of a file are equal. */
const PERIOD_BYTES = 4_194_301;
const blocks = new Map<string, WeakRef<Buffer>>();

/** One period of noise for a seed, plus a slice's length of the next, so that every slice is contiguous. */
function blockOf(seed: string): Buffer {
  const known = blocks.get(seed)?.deref();
  if (known) return known;
  const key = createHash("sha256").update(`swarmd synthetic content ${seed}`).digest().subarray(0, 16);
  const noise = createCipheriv("aes-128-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(PERIOD_BYTES));
  const block = Buffer.concat([noise, noise.subarray(0, MAX_SLICE_BYTES)]);
  blocks.set(seed, new WeakRef(block));
  return block;
}

/** Deterministic noise of any size: the same seed and size give the same bytes in every process. */
export function syntheticContent(options: { readonly seed: number | string; readonly sizeBytes: number }): Content {
  const seed = String(options.seed);
  return {
    sizeBytes: options.sizeBytes,
    key: `synthetic:${seed}:${options.sizeBytes}`,
    open: async () => {
      const block = blockOf(seed);
      return {
        read: (offset, maxBytes) => {
          const phase = offset % PERIOD_BYTES;
          const length = Math.min(maxBytes, MAX_SLICE_BYTES, options.sizeBytes - offset);
          return block.subarray(phase, phase + length);
        },
        close: async () => {},
      };
    },
  };
}

/** A file on disk, as it is now: it must not change while the Hub serves it. */
export function diskContent(path: string): Content {
  const { size, mtimeMs } = statSync(path);
  return {
    sizeBytes: size,
    key: `disk:${path}:${size}:${mtimeMs}`,
    open: async () => {
      const handle = await open(path, "r");
      // Two buffers in turn, see ContentReader.read.
      const buffers = [Buffer.allocUnsafeSlow(MAX_SLICE_BYTES), Buffer.allocUnsafeSlow(MAX_SLICE_BYTES)] as const;
      let turn: 0 | 1 = 0;
      return {
        read: async (offset, maxBytes) => {
          turn = turn === 0 ? 1 : 0;
          const buffer = buffers[turn];
          const { bytesRead } = await handle.read(buffer, 0, Math.min(maxBytes, MAX_SLICE_BYTES), offset);
          if (bytesRead === 0) throw new Error(`${path} became shorter than ${size} bytes while it was served`);
          return buffer.subarray(0, bytesRead);
        },
        close: () => handle.close(),
      };
    },
  };
}

/** Several contents in a row, for example a true header before synthetic data. */
export function concatContent(parts: readonly Content[]): Content {
  const starts: number[] = [];
  let sizeBytes = 0;
  for (const part of parts) {
    starts.push(sizeBytes);
    sizeBytes += part.sizeBytes;
  }
  return {
    sizeBytes,
    key: `concat:${parts.map((part) => part.key).join("+")}`,
    open: async () => {
      const readers = await Promise.all(parts.map((part) => part.open()));
      return {
        read: (offset, maxBytes) => {
          const index = starts.findLastIndex((start, i) => start <= offset && (parts[i] as Content).sizeBytes > 0);
          const inside = offset - (starts[index] as number);
          const left = (parts[index] as Content).sizeBytes - inside;
          return (readers[index] as ContentReader).read(inside, Math.min(maxBytes, left));
        },
        close: async () => {
          await Promise.all(readers.map((reader) => reader.close()));
        },
      };
    },
  };
}

/** Calls `take` with the bytes from `start` up to `end`, in order, in slices that are only valid during the call. */
export async function forEachSlice(
  content: Content,
  take: (slice: Uint8Array) => void | Promise<void>,
  start = 0,
  end = content.sizeBytes,
): Promise<void> {
  const reader = await content.open();
  try {
    for (let at = start; at < end; ) {
      const slice = await reader.read(at, end - at);
      await take(slice);
      at += slice.length;
    }
  } finally {
    await reader.close();
  }
}

/** The bytes from `start` up to `end`, copied. For small files and for checks. */
export async function readContent(content: Content, start = 0, end = content.sizeBytes): Promise<Buffer> {
  const slices: Buffer[] = [];
  await forEachSlice(content, (slice) => void slices.push(Buffer.from(slice)), start, end);
  return Buffer.concat(slices);
}
