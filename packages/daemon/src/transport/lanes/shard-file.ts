/** Writes a range into a staging file in place, and hashes it shard by shard; for a thread that may block on the disk. */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { SwarmError, shardAt, shardEnd, shardStart } from "@swarmd/protocol";

/** BLAKE3 over one shard, fed in order; the verify room makes them. */
export interface ShardHasher {
  update(chunk: Uint8Array): void;
  /** Of all bytes so far; more may follow. */
  digest(): Uint8Array;
}

export interface ShardFileSpec {
  readonly path: string;
  readonly startBytes: number;
  readonly endBytes: number;
  readonly sizeBytes: number;
  readonly shardBytes: number;
}

/** Told of after this much … */
const REPORT_BYTES = 1024 * 1024;
/** … but not more often than this: on a fast link a message per MiB would keep the main thread busy for nothing. */
const REPORT_GAP_MS = 4;
const REREAD_BYTES = 256 * 1024;

export class ShardFile {
  readonly #spec: ShardFileSpec;
  readonly #newHasher: () => ShardHasher;
  readonly #onWritten: (positionBytes: number, hash: Uint8Array) => void;
  readonly #fd: number;
  #hasher: ShardHasher;
  #position: number;
  #reported: number;
  #reportedAtMs = 0;

  /** Opens the file; in the middle of a shard, what the file holds of that shard is hashed first. @throws SwarmError STORE_FAULT */
  constructor(
    spec: ShardFileSpec,
    deps: {
      readonly newHasher: () => ShardHasher;
      /** A thread's message; see `LaneReport`. */
      readonly onWritten: (positionBytes: number, hash: Uint8Array) => void;
    },
  ) {
    this.#spec = spec;
    this.#newHasher = deps.newHasher;
    this.#onWritten = deps.onWritten;
    this.#position = spec.startBytes;
    this.#reported = spec.startBytes;
    this.#hasher = deps.newHasher();
    this.#fd = this.#try("open", () => openSync(spec.path, "r+"));
    try {
      this.#rehash();
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  /** Everything below is in the file. */
  get positionBytes(): number {
    return this.#position;
  }

  get leftBytes(): number {
    return this.#spec.endBytes - this.#position;
  }

  /** Hashes and writes the next bytes, at most {@link leftBytes}. @throws SwarmError NO_SPACE, STORE_FAULT */
  write(chunk: Uint8Array): void {
    const { sizeBytes, shardBytes } = this.#spec;
    let rest = chunk;
    while (rest.length > 0) {
      const room = shardEnd(shardAt(this.#position, shardBytes), sizeBytes, shardBytes) - this.#position;
      const piece = rest.length <= room ? rest : rest.subarray(0, room);
      rest = rest.subarray(piece.length);
      this.#hasher.update(piece);
      this.#writeAll(piece);
      if (piece.length === room) {
        this.report();
        this.#hasher = this.#newHasher();
      }
    }
    if (this.#position - this.#reported >= REPORT_BYTES && performance.now() - this.#reportedAtMs >= REPORT_GAP_MS) {
      this.report();
    }
  }

  /** Tells how far the file is written, if that has not been told. */
  report(): void {
    if (this.#position === this.#reported) return;
    this.#reported = this.#position;
    this.#reportedAtMs = performance.now();
    this.#onWritten(this.#position, this.#hasher.digest());
  }

  close(): void {
    this.report();
    closeSync(this.#fd);
  }

  #writeAll(chunk: Uint8Array): void {
    let done = 0;
    while (done < chunk.length) {
      const written = this.#try("write", () => writeSync(this.#fd, chunk, done, chunk.length - done, this.#position));
      done += written;
      this.#position += written;
    }
  }

  #rehash(): void {
    const { startBytes, shardBytes, path } = this.#spec;
    let at = shardStart(shardAt(startBytes, shardBytes), shardBytes);
    const buffer = Buffer.allocUnsafe(Math.min(REREAD_BYTES, startBytes - at));
    while (at < startBytes) {
      const wanted = Math.min(buffer.length, startBytes - at);
      const got = this.#try("read", () => readSync(this.#fd, buffer, 0, wanted, at));
      if (got === 0) throw new SwarmError("STORE_FAULT", `${path} ends before byte ${startBytes}`);
      this.#hasher.update(buffer.subarray(0, got));
      at += got;
    }
  }

  #try<Result>(what: string, action: () => Result): Result {
    try {
      return action();
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      const isFull = code === "ENOSPC" || code === "EDQUOT";
      throw new SwarmError(
        isFull ? "NO_SPACE" : "STORE_FAULT",
        `could not ${what} ${this.#spec.path}: ${message}`,
        { cause, hint: isFull ? "Free some space there; what was fetched is kept." : "Check that the disk answers." },
      );
    }
  }
}
