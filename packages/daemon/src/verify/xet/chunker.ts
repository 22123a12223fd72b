/**
 * Where a file is cut into chunks, by its content: a rolling hash over the last 64 bytes decides, so that equal content is cut
 * equally wherever it stands.
 *
 * In: the bytes of a file in order, in pieces of any size. Out: the ends of its chunks. Never: a hash of a chunk.
 *
 * Two rules are in use. Both start the rolling hash 65 bytes before the least size; *legacy* takes a cut there at once, the
 * specification only from the least size on. Files uploaded before September 2025 were cut by the legacy rule.
 */
import { BYTES_AT, createXetWasm, GEAR_STATE } from "./xet-wasm.js";

export type ChunkRule = "spec" | "legacy";

/** Bytes. The last chunk of a file may be shorter than the least. */
export const CHUNK_BYTES_MIN = 8192;
export const CHUNK_BYTES_MAX = 131_072;
/** Bytes of a chunk that no rule looks at. */
const BLIND_BYTES = CHUNK_BYTES_MIN - 64 - 1;

/** Finds cuts in bytes that lie in its window. Fill the window, then call `find` until it gives nothing more. */
export class CutFinder {
  /** Fill it from its start. */
  readonly window: Uint8Array;
  readonly #wasm;
  readonly #state: DataView;
  readonly #rule: ChunkRule;
  #sizeBytes = 0;
  #earlyCutBytes = 0;

  constructor({ rule, windowBytes }: { readonly rule: ChunkRule; readonly windowBytes: number }) {
    this.#wasm = createXetWasm(windowBytes);
    this.window = this.#wasm.memory.subarray(BYTES_AT, BYTES_AT + windowBytes);
    this.#state = new DataView(this.#wasm.memory.buffer, GEAR_STATE, 8);
    this.#rule = rule;
  }

  /** Size so far of the chunk in progress. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Where the legacy rule would have cut the chunk in progress and the specification did not: its size there, or 0. */
  get earlyCutBytes(): number {
    return this.#earlyCutBytes;
  }

  /** Starts a chunk: after each cut, and to start over. */
  startChunk(): void {
    this.#sizeBytes = 0;
    this.#earlyCutBytes = 0;
    this.#state.setBigUint64(0, 0n, true);
  }

  /** Takes the bytes of the window from `start` up to the first cut, which it returns, or up to `end`. */
  find(start: number, end: number): number | undefined {
    const blind = Math.max(0, Math.min(BLIND_BYTES - this.#sizeBytes, end - start));
    this.#sizeBytes += blind;
    let at = start + blind;
    while (at < end) {
      const isEarly = this.#sizeBytes < CHUNK_BYTES_MIN - 1;
      const limitBytes = isEarly ? CHUNK_BYTES_MIN - 1 : CHUNK_BYTES_MAX;
      const stop = Math.min(end, at + limitBytes - this.#sizeBytes);
      const hit = this.#scan(at, stop);
      this.#sizeBytes += (hit ?? stop) - at;
      at = hit ?? stop;
      if (this.#sizeBytes === CHUNK_BYTES_MAX) return at;
      if (hit === undefined) continue;
      if (!isEarly || this.#rule === "legacy") return at;
      if (this.#earlyCutBytes === 0) this.#earlyCutBytes = this.#sizeBytes;
    }
    return undefined;
  }

  #scan(start: number, end: number): number | undefined {
    const hit = this.#wasm.scan(BYTES_AT + start, BYTES_AT + end);
    return hit === 0 ? undefined : hit - BYTES_AT;
  }
}

const PIECE_BYTES = 256 * 1024;

/** The chunk ends of a stream. Who hashes as well uses a {@link CutFinder} and saves a copy. */
export class Chunker {
  readonly #finder: CutFinder;
  #positionBytes = 0;

  constructor(rule: ChunkRule) {
    this.#finder = new CutFinder({ rule, windowBytes: PIECE_BYTES });
  }

  /** The chunks that end in these bytes, each by its end in the stream. */
  push(bytes: Uint8Array): number[] {
    const ends: number[] = [];
    for (let from = 0; from < bytes.length; from += PIECE_BYTES) {
      const piece = bytes.subarray(from, from + PIECE_BYTES);
      this.#finder.window.set(piece);
      let at = 0;
      while (at < piece.length) {
        const cut = this.#finder.find(at, piece.length);
        if (cut === undefined) break;
        ends.push(this.#positionBytes + cut);
        this.#finder.startChunk();
        at = cut;
      }
      this.#positionBytes += piece.length;
    }
    return ends;
  }

  /** The end of the last chunk, unless the last cut was there, or nothing came. */
  finish(): number[] {
    return this.#finder.sizeBytes === 0 ? [] : [this.#positionBytes];
  }
}
