/** Reads little-endian values one after the other from the first bytes of something longer. */
import { invalid } from "./tensor-file.js";

/** What was asked for lies beyond the bytes at hand, but within what the file has. */
export class NeedsMore extends Error {
  readonly bytes: number;

  /** @param bytes from the start, at least */
  constructor(bytes: number) {
    super(`needs ${bytes} bytes`);
    this.bytes = bytes;
  }
}

export class ByteCursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #mostBytes: number;
  readonly #text = new TextDecoder("utf-8");
  at = 0;

  /** @param mostBytes nothing beyond may be read, however much there is */
  constructor(bytes: Uint8Array, mostBytes: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#mostBytes = mostBytes;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  i8(): number {
    return this.#view.getInt8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  i16(): number {
    return this.#view.getInt16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  f32(): number {
    return this.#view.getFloat32(this.#take(4), true);
  }

  f64(): number {
    return this.#view.getFloat64(this.#take(8), true);
  }

  /** A value that counts or places something. @throws SwarmError CONTENT_INVALID above what numbers hold exactly */
  count(): number {
    const value = this.#view.getBigUint64(this.#take(8), true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw invalid(`a count of ${value}`);
    return Number(value);
  }

  /** A value that is shown only. */
  u64(): number {
    return Number(this.#view.getBigUint64(this.#take(8), true));
  }

  i64(): number {
    return Number(this.#view.getBigInt64(this.#take(8), true));
  }

  text(bytes: number): string {
    const from = this.#take(bytes);
    return this.#text.decode(this.#bytes.subarray(from, from + bytes));
  }

  skip(bytes: number): void {
    this.#take(bytes);
  }

  #take(bytes: number): number {
    const from = this.at;
    const end = from + bytes;
    if (end > this.#mostBytes) throw invalid(`it ends at byte ${this.#mostBytes}, in the middle of a value`);
    if (end > this.#bytes.length) throw new NeedsMore(end);
    this.at = end;
    return from;
  }
}
