/**
 * The thread that hashes whole files. It reads each file itself, up to the prefix it has been told is written, in slices, so
 * that several files get their turn. Reads are synchronous: this thread has nothing else to do.
 *
 * In: `DigestOrder` messages. Out: `DigestReport` messages.
 */
import type { Hash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { type DigestAlgorithm, startFileHash } from "./file-hash.js";

export type DigestOrder =
  | {
      readonly type: "open";
      readonly id: number;
      readonly path: string;
      readonly sizeBytes: number;
      readonly algorithm: DigestAlgorithm;
    }
  /** The first `prefixBytes` may be read. */
  | { readonly type: "advance"; readonly id: number; readonly prefixBytes: number }
  | { readonly type: "close"; readonly id: number };

export type DigestReport =
  /** Sent now and then while a file is being hashed: a sign of life. */
  | { readonly type: "progress"; readonly id: number }
  /** All `sizeBytes` are hashed. */
  | { readonly type: "digest"; readonly id: number; readonly hex: string }
  | { readonly type: "failed"; readonly id: number; readonly message: string; readonly errno: string | undefined };

/**
 * Fits the second-level cache with room to spare, so that the buffer stays there: where it does not, the kernel's copying alone
 * was measured to cost four times as much (0.6 against 0.13 CPU-seconds per GB).
 */
const READ_BYTES = 128 * 1024;
/** One file's turn. */
const SLICE_BYTES = 4 * 1024 * 1024;
/** Signs of life are worth nothing more often. */
const PROGRESS_MS = 1_000;

class HashedFile {
  readonly #order: DigestOrder & { readonly type: "open" };
  readonly #fd: number;
  readonly #hash: Hash;
  #doneBytes = 0;
  #prefixBytes = 0;

  constructor(order: DigestOrder & { readonly type: "open" }) {
    this.#order = order;
    this.#fd = openSync(order.path, "r");
    this.#hash = startFileHash(order.algorithm, order.sizeBytes);
  }

  get hasWork(): boolean {
    return this.#doneBytes < this.#prefixBytes;
  }

  advance(prefixBytes: number): void {
    this.#prefixBytes = Math.max(this.#prefixBytes, prefixBytes);
  }

  /** Hashes up to one slice more. A file that is shorter than its prefix is an error. */
  hashSlice(buffer: Buffer): void {
    const endBytes = Math.min(this.#prefixBytes, this.#doneBytes + SLICE_BYTES);
    while (this.#doneBytes < endBytes) {
      const wanted = Math.min(buffer.length, endBytes - this.#doneBytes);
      const got = readSync(this.#fd, buffer, 0, wanted, this.#doneBytes);
      if (got === 0) throw new Error(`the file ends at byte ${this.#doneBytes}, before byte ${endBytes}`);
      this.#hash.update(got === buffer.length ? buffer : buffer.subarray(0, got));
      this.#doneBytes += got;
    }
  }

  /** The digest, once every byte is in. */
  findDigest(): string | undefined {
    return this.#doneBytes === this.#order.sizeBytes ? this.#hash.copy().digest("hex") : undefined;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

class DigestThread {
  readonly #files = new Map<number, HashedFile>();
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  readonly #report: (report: DigestReport) => void;
  #scheduled = false;
  #progressMs = 0;

  constructor(report: (report: DigestReport) => void) {
    this.#report = report;
  }

  take(order: DigestOrder): void {
    this.#guard(order.id, () => {
      if (order.type === "open") this.#files.set(order.id, new HashedFile(order));
      else if (order.type === "close") this.#close(order.id);
      else this.#advance(order.id, order.prefixBytes);
    });
    this.#schedule();
  }

  #advance(id: number, prefixBytes: number): void {
    const file = this.#files.get(id);
    if (file === undefined) return;
    file.advance(prefixBytes);
    if (!file.hasWork) this.#reportDigest(id, file);
  }

  /** One slice of every file that has work, then back to the message queue. */
  #schedule(): void {
    if (this.#scheduled || ![...this.#files.values()].some((file) => file.hasWork)) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      for (const [id, file] of this.#files) if (file.hasWork) this.#guard(id, () => this.#hashSlice(id, file));
      this.#schedule();
    });
  }

  #hashSlice(id: number, file: HashedFile): void {
    file.hashSlice(this.#buffer);
    const nowMs = performance.now();
    if (nowMs - this.#progressMs >= PROGRESS_MS) {
      this.#progressMs = nowMs;
      this.#report({ type: "progress", id });
    }
    if (!file.hasWork) this.#reportDigest(id, file);
  }

  #reportDigest(id: number, file: HashedFile): void {
    const hex = file.findDigest();
    if (hex !== undefined) this.#report({ type: "digest", id, hex });
  }

  #close(id: number): void {
    this.#files.get(id)?.close();
    this.#files.delete(id);
  }

  #guard(id: number, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#close(id);
      const { message, code } = error as NodeJS.ErrnoException;
      this.#report({ type: "failed", id, message, errno: code });
    }
  }
}

const port = parentPort;
if (port !== null) {
  const thread = new DigestThread((report) => port.postMessage(report));
  port.on("message", (order: DigestOrder) => thread.take(order));
}
