/**
 * Digests of whole files, hashed in a worker thread while the files are still being written. The thread follows the
 * contiguous prefix of each file, so that little is left to hash when the last byte has arrived.
 */
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { SwarmError, toSwarmError } from "@swarmd/protocol";
import type { DigestOrder, DigestReport } from "./file-digest-worker.js";
import { type DigestAlgorithm, startFileHash } from "./file-hash.js";

/** The digest of one file in the making. */
export interface FileDigest {
  /** The first `prefixBytes` are written. Less than before means that they have changed: the hash starts over. */
  advance(prefixBytes: number): void;
  /**
   * Hashes the rest and resolves with the digest, in hex. All of the file must be written.
   *
   * @throws SwarmError STORE_FAULT when the file can't be read or the reading hangs, INTERRUPTED on abort.
   */
  finish(options: { readonly signal: AbortSignal }): Promise<string>;
  close(): void;
}

export interface FileDigestsOptions {
  /** How many files are hashed at the same time. */
  readonly threads?: number;
  /** A thread that reports nothing for this long while it has work is given up. */
  readonly stallMs?: number;
}

/** Below this a round trip to a thread costs more than the hash. */
const INLINE_BYTES = 1024 * 1024;
/** Not worth a message to a thread, unless it is the last: a millisecond's work. */
const STEP_BYTES = 1024 * 1024;
/** A disk that spins up takes ten seconds. */
const STALL_MS = 60_000;
/** Two files at a time, and half of the cores: one thread more than that takes the cores that receive bytes. */
const MAX_THREADS = 2;

/** All file digests of a node. Its threads start when they are first needed, or shortly before, and keep no process alive that has nothing to hash. */
export class FileDigests {
  readonly #threadLimit: number;
  readonly #stallMs: number;
  readonly #threads = new Set<DigestThread>();
  #isStopped = false;

  constructor({
    threads = Math.min(MAX_THREADS, Math.ceil(availableParallelism() / 2)),
    stallMs = STALL_MS,
  }: FileDigestsOptions = {}) {
    this.#threadLimit = threads;
    this.#stallMs = stallMs;
  }

  /** Starts the digest of a file that exists and will have `sizeBytes` when it is whole. Must be closed. */
  open(path: string, sizeBytes: number, algorithm: DigestAlgorithm): FileDigest {
    if (sizeBytes <= INLINE_BYTES) return new InlineDigest(path, sizeBytes, algorithm);
    return new ThreadedDigest({ path, sizeBytes, algorithm }, () => this.#pickThread());
  }

  /** Starts the first thread, so that the first file need not wait for it. */
  prepare(): void {
    if (!this.#isStopped && this.#threads.size === 0) this.#pickThread();
  }

  /** Ends the threads; digests that are still open fail. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all([...this.#threads].map((thread) => thread.end(new SwarmError("INTERRUPTED", "the node stops"))));
  }

  #pickThread(): DigestThread {
    const idlest = [...this.#threads].sort((a, b) => a.load - b.load)[0];
    if (idlest !== undefined && (idlest.load === 0 || this.#threads.size >= this.#threadLimit)) return idlest;
    const thread = new DigestThread(this.#stallMs, () => this.#threads.delete(thread));
    this.#threads.add(thread);
    return thread;
  }
}

interface HashedFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly algorithm: DigestAlgorithm;
}

class InlineDigest implements FileDigest {
  readonly #file: HashedFile;

  constructor(path: string, sizeBytes: number, algorithm: DigestAlgorithm) {
    this.#file = { path, sizeBytes, algorithm };
  }

  advance(): void {}

  async finish({ signal }: { readonly signal: AbortSignal }): Promise<string> {
    const { path, sizeBytes, algorithm } = this.#file;
    try {
      const bytes = await readFile(path, { signal });
      if (bytes.length !== sizeBytes) throw new Error(`it has ${bytes.length} bytes instead of ${sizeBytes}`);
      return startFileHash(algorithm, sizeBytes).update(bytes).digest("hex");
    } catch (error) {
      throwIfAborted(signal);
      throw hashingFault(path, error);
    }
  }

  close(): void {}
}

type Outcome =
  | { readonly state: "hashing" }
  | { readonly state: "done"; readonly hex: string }
  | { readonly state: "failed"; readonly error: SwarmError };

class ThreadedDigest implements FileDigest {
  readonly #file: HashedFile;
  readonly #pickThread: () => DigestThread;
  #job: DigestJob | undefined;
  #sentBytes = 0;

  constructor(file: HashedFile, pickThread: () => DigestThread) {
    this.#file = file;
    this.#pickThread = pickThread;
  }

  advance(prefixBytes: number): void {
    if (prefixBytes < this.#sentBytes) this.close();
    const isAll = prefixBytes === this.#file.sizeBytes;
    if (prefixBytes === this.#sentBytes || (!isAll && prefixBytes - this.#sentBytes < STEP_BYTES)) return;
    this.#sentBytes = prefixBytes;
    this.#job ??= this.#pickThread().open(this.#file);
    this.#job.advance(prefixBytes);
  }

  finish({ signal }: { readonly signal: AbortSignal }): Promise<string> {
    this.advance(this.#file.sizeBytes);
    return (this.#job as DigestJob).finish(signal);
  }

  close(): void {
    this.#job?.close();
    this.#job = undefined;
    this.#sentBytes = 0;
  }
}

type SendOrder = (
  order: { readonly type: "advance"; readonly prefixBytes: number } | { readonly type: "close" },
) => void;

/** One file in one thread. */
class DigestJob {
  readonly path: string;
  readonly #send: SendOrder;
  readonly #setWaiting: (isWaiting: boolean) => void;
  #outcome: Outcome = { state: "hashing" };
  #settle: (() => void) | undefined;

  constructor(path: string, send: SendOrder, setWaiting: (isWaiting: boolean) => void) {
    this.path = path;
    this.#send = send;
    this.#setWaiting = setWaiting;
  }

  advance(prefixBytes: number): void {
    if (this.#outcome.state === "hashing") this.#send({ type: "advance", prefixBytes });
  }

  close(): void {
    this.end({ state: "failed", error: new SwarmError("INTERRUPTED", `hashing of ${this.path} was given up`) });
    this.#send({ type: "close" });
  }

  /** hashing -> done | failed. */
  end(outcome: Outcome): void {
    if (this.#outcome.state === "hashing") this.#outcome = outcome;
    this.#settle?.();
  }

  async finish(signal: AbortSignal): Promise<string> {
    throwIfAborted(signal);
    if (this.#outcome.state === "hashing") {
      this.#setWaiting(true);
      const onAbort = () => this.#settle?.();
      signal.addEventListener("abort", onAbort, { once: true });
      await new Promise<void>((resolve) => {
        this.#settle = resolve;
      });
      signal.removeEventListener("abort", onAbort);
      this.#setWaiting(false);
    }
    throwIfAborted(signal);
    const outcome = this.#outcome;
    if (outcome.state === "done") return outcome.hex;
    throw outcome.state === "failed" ? outcome.error : new SwarmError("INTERNAL", `no digest of ${this.path}`);
  }
}

class DigestThread {
  readonly #worker = new Worker(new URL("./file-digest-worker.js", import.meta.url));
  readonly #jobs = new Map<number, DigestJob>();
  readonly #stallMs: number;
  readonly #onEnd: () => void;
  #nextId = 1;
  #waiting = 0;
  #ended = false;
  #stallTimer: NodeJS.Timeout | undefined;

  constructor(stallMs: number, onEnd: () => void) {
    this.#stallMs = stallMs;
    this.#onEnd = onEnd;
    this.#worker.unref();
    this.#worker.on("message", (report: DigestReport) => this.#take(report));
    this.#worker.on("error", (cause) => this.end(hashingFault("files", cause)));
    this.#worker.on("exit", (code) => this.end(hashingFault("files", new Error(`the thread ended with code ${code}`))));
  }

  get load(): number {
    return this.#jobs.size;
  }

  open(file: HashedFile): DigestJob {
    const id = this.#nextId++;
    const post = (order: DigestOrder) => this.#worker.postMessage(order);
    const job = new DigestJob(
      file.path,
      (order) => {
        if (order.type === "close") this.#jobs.delete(id);
        post({ ...order, id });
      },
      (isWaiting) => this.#countWaiting(isWaiting ? 1 : -1),
    );
    this.#jobs.set(id, job);
    post({ type: "open", id, ...file });
    return job;
  }

  /** Fails every open job with this error and ends the thread; the next file gets a new one. */
  async end(error: SwarmError): Promise<void> {
    this.#onEnd();
    clearTimeout(this.#stallTimer);
    for (const job of this.#jobs.values()) job.end({ state: "failed", error });
    this.#jobs.clear();
    // Whoever awaits the end must get to see it, so this much keeps the process alive.
    this.#ended = true;
    this.#worker.ref();
    await this.#worker.terminate();
  }

  #take(report: DigestReport): void {
    this.#stallTimer?.refresh();
    const job = this.#jobs.get(report.id);
    if (job === undefined || report.type === "progress") return;
    this.#jobs.delete(report.id);
    if (report.type === "digest") job.end({ state: "done", hex: report.hex });
    else {
      const cause = Object.assign(new Error(report.message), { code: report.errno });
      job.end({ state: "failed", error: hashingFault(job.path, cause) });
    }
  }

  /** While somebody waits, the thread keeps the process alive and must show signs of life. */
  #countWaiting(change: 1 | -1): void {
    this.#waiting += change;
    if (this.#ended) return;
    clearTimeout(this.#stallTimer);
    this.#stallTimer = undefined;
    if (this.#waiting === 0) return void this.#worker.unref();
    this.#worker.ref();
    this.#stallTimer = setTimeout(() => {
      void this.end(hashingFault("files", new Error(`the disk gave nothing for ${this.#stallMs / 1000} s`)));
    }, this.#stallMs);
  }
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw toSwarmError(signal.reason, "INTERRUPTED");
}

function hashingFault(path: string, cause: unknown): SwarmError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new SwarmError("STORE_FAULT", `could not hash ${path}: ${reason}`, {
    cause,
    hint: "Check that the disk of the cache answers and that its files are readable, then try again.",
  });
}
