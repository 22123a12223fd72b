/**
 * Builds the trees of finished files beside the main thread, one after the other: it is work for idle moments, and one thread is
 * as fast as most disks.
 */
import { Worker } from "node:worker_threads";
import { SwarmError, toSwarmError } from "@swarmd/protocol";
import type { ChunkRule } from "./chunker.js";
import type { Anchor } from "./proof-codec.js";
import type { TreeReport, TreeRequest } from "./tree-worker.js";

export interface TreeBuild extends Anchor {
  /** The finished file. */
  readonly path: string;
  /** Where its tree goes. */
  readonly target: string;
}

/** A disk that spins up takes ten seconds. */
const STALL_MS = 60_000;

interface Job {
  readonly id: number;
  readonly path: string;
  resolve(rule: ChunkRule | undefined): void;
  reject(error: SwarmError): void;
}

/** Its thread starts with the first file, and keeps no process alive that builds nothing. */
export class TreeBuilder {
  readonly #stallMs: number;
  #worker: Worker | undefined;
  #job: Job | undefined;
  #stallTimer: NodeJS.Timeout | undefined;
  #nextId = 1;
  #isStopped = false;
  #queue: Promise<unknown> = Promise.resolve();

  /** @param stallMs a thread that reports nothing for this long while it builds is given up. */
  constructor({ stallMs = STALL_MS }: { readonly stallMs?: number } = {}) {
    this.#stallMs = stallMs;
  }

  /**
   * Resolves with the rule by which the file was cut, once its tree is written, or with undefined when neither rule gives its hash.
   *
   * @throws SwarmError STORE_FAULT when the file can't be read, its tree not be written, or the disk hangs; INTERRUPTED on abort.
   */
  async build(order: TreeBuild, { signal }: { readonly signal: AbortSignal }): Promise<ChunkRule | undefined> {
    if (signal.aborted) throw toSwarmError(signal.reason, "INTERRUPTED");
    const turn = this.#queue.then(() => this.#run(order, signal));
    this.#queue = turn.catch(() => {});
    return untilAborted(turn, signal);
  }

  /** Ends the thread for good; builds in progress and in the queue fail. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#end(stopped());
  }

  async #run(order: TreeBuild, signal: AbortSignal): Promise<ChunkRule | undefined> {
    if (signal.aborted) throw toSwarmError(signal.reason, "INTERRUPTED");
    if (this.#isStopped) throw stopped();
    const id = this.#nextId++;
    const worker = this.#start();
    const onAbort = () => {
      worker.postMessage({ type: "cancel", id } satisfies TreeRequest);
      this.#job?.reject(toSwarmError(signal.reason, "INTERRUPTED"));
    };
    try {
      return await new Promise<ChunkRule | undefined>((resolve, reject) => {
        this.#job = { id, path: order.path, resolve, reject };
        const { path, sizeBytes, file, target } = order;
        worker.postMessage({ type: "build", id, path, sizeBytes, file, target } satisfies TreeRequest);
        signal.addEventListener("abort", onAbort, { once: true });
        // While somebody waits, the thread keeps the process alive and must show signs of life.
        worker.ref();
        this.#stallTimer = setTimeout(() => {
          void this.#end(fault(path, new Error(`the disk gave nothing for ${this.#stallMs / 1000} s`)));
        }, this.#stallMs);
      });
    } finally {
      signal.removeEventListener("abort", onAbort);
      clearTimeout(this.#stallTimer);
      this.#job = undefined;
      this.#worker?.unref();
    }
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = new Worker(new URL("./tree-worker.js", import.meta.url));
    worker.on("message", (report: TreeReport) => this.#take(report));
    const end = (cause: unknown) => {
      if (this.#worker === worker) void this.#end(fault("a file", cause));
    };
    worker.on("error", end);
    worker.on("exit", (code) => end(new Error(`the thread ended with code ${code}`)));
    this.#worker = worker;
    return worker;
  }

  #take(report: TreeReport): void {
    const job = this.#job;
    // A report on a file that was given up meanwhile.
    if (job?.id !== report.id) return;
    this.#stallTimer?.refresh();
    if (report.type === "done") job.resolve(report.rule);
    else if (report.type === "failed") {
      job.reject(fault(job.path, Object.assign(new Error(report.message), { code: report.errno })));
    }
  }

  async #end(error: SwarmError): Promise<void> {
    this.#job?.reject(error);
    const worker = this.#worker;
    this.#worker = undefined;
    // Whoever awaits the end must get to see it, so this much keeps the process alive.
    worker?.ref();
    await worker?.terminate();
  }
}

/** Who waits in the queue need not wait for its turn to be let go. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(toSwarmError(signal.reason, "INTERRUPTED"));
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function stopped(): SwarmError {
  return new SwarmError("INTERRUPTED", "the node stops");
}

function fault(path: string, cause: unknown): SwarmError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new SwarmError("STORE_FAULT", `could not build the hash tree of ${path}: ${reason}`, {
    cause,
    hint: "Check that the disk of the cache answers and that its files are readable, then try again.",
  });
}
