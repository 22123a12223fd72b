/** The near end of the thread that reads folders of repos. It starts with the first order, and ends when nobody has any for a while. */
import { Worker } from "node:worker_threads";
import { SwarmError, toSwarmError } from "@swarmd/protocol";
import { throwIfAborted } from "./disk-faults.js";
import type { BlobsFound } from "./read-repo.js";
import type { BlobsLook, RepoLook, RepoSeen, ScanOrder, ScanReport } from "./scan-worker.js";

interface Cancellable {
  readonly signal: AbortSignal;
}

/** A thread takes some MB, and 50 ms to start: a pull asks a few times within a second, then nobody for hours. */
const IDLE_MS = 10_000;
/** Orders that the thread has at a time: it never waits for the next, and what is given up is given up soon. */
const MOST_AHEAD = 4;

interface Job {
  readonly order: ScanOrder;
  readonly resolve: (report: ScanReport) => void;
  readonly reject: (error: unknown) => void;
}

export class ScanThread {
  #worker: Worker | undefined;
  readonly #waiting: Job[] = [];
  readonly #posted = new Map<number, Job>();
  #lastId = 0;
  #idle: NodeJS.Timeout | undefined;

  /** One repo. @throws SwarmError STORE_FAULT when the thread dies, INTERRUPTED on abort */
  async readRepo(look: RepoLook, options: Cancellable): Promise<RepoSeen> {
    return (await this.#order({ id: this.#nextId(), kind: "repo", look }, options)).seen as RepoSeen;
  }

  /** One folder of blobs. @throws SwarmError STORE_FAULT when the thread dies, INTERRUPTED on abort */
  async readBlobs(look: BlobsLook, options: Cancellable): Promise<BlobsFound> {
    return (await this.#order({ id: this.#nextId(), kind: "blobs", look }, options)).seen as BlobsFound;
  }

  #nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  async #order(order: ScanOrder, { signal }: Cancellable): Promise<ScanReport> {
    throwIfAborted(signal);
    let onAbort = () => {};
    try {
      return await new Promise<ScanReport>((resolve, reject) => {
        const job = { order, resolve, reject };
        onAbort = () => {
          const at = this.#waiting.indexOf(job);
          if (at >= 0) this.#waiting.splice(at, 1);
          reject(toSwarmError(signal.reason, "INTERRUPTED"));
        };
        signal.addEventListener("abort", onAbort, { once: true });
        this.#waiting.push(job);
        this.#post();
      });
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  #post(): void {
    while (this.#posted.size < MOST_AHEAD) {
      // Who looks at repos has a pull that waits; who learns what blobs there are is in no hurry.
      const urgent = this.#waiting.findIndex(({ order }) => order.kind === "repo");
      const [job] = this.#waiting.splice(Math.max(0, urgent), 1);
      if (job === undefined) return;
      this.#posted.set(job.order.id, job);
      this.#getWorker().postMessage(job.order);
    }
  }

  #getWorker(): Worker {
    clearTimeout(this.#idle);
    if (this.#worker !== undefined) {
      this.#worker.ref();
      return this.#worker;
    }
    const worker = new Worker(new URL("./scan-worker.js", import.meta.url));
    this.#worker = worker;
    worker.on("message", (report: ScanReport) => this.#take(report));
    worker.on("error", (error) => this.#end(worker, error));
    worker.on("exit", (code) => this.#end(worker, new Error(`the thread ended with code ${code}`)));
    return worker;
  }

  #take(report: ScanReport): void {
    this.#posted.get(report.id)?.resolve(report);
    this.#posted.delete(report.id);
    this.#post();
    if (this.#posted.size > 0) return;
    const worker = this.#worker;
    // It keeps no process alive that has nothing else to do.
    worker?.unref();
    this.#idle = setTimeout(() => {
      this.#worker = undefined;
      void worker?.terminate();
    }, IDLE_MS).unref();
  }

  #end(worker: Worker, cause: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    const jobs = [...this.#posted.values(), ...this.#waiting.splice(0)];
    this.#posted.clear();
    for (const { order, reject } of jobs) {
      const hint = "Try again; if it stays so, check the disk and the memory of this machine.";
      reject(
        new SwarmError("STORE_FAULT", `could not look through ${order.look.folder}: ${cause.message}`, { cause, hint }),
      );
    }
  }
}

/** One for the process, however many rooms look at the cache: it keeps nothing from one order to the next. */
export const scanThread = new ScanThread();
