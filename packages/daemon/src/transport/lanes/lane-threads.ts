/** The receiving threads of a node, seen from the main thread. They start when they are first needed, or shortly before. */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { SwarmError, shardAt, toFault } from "@swarmd/protocol";
import type { FetchOrder, LaneOrder, LaneReport, LaneThreadData } from "./lane-orders.js";
import type { ShardProof } from "./proof-inbox.js";

/** One thread fills a 10 Gbit/s link; with more, several fast links use several cores. Never more than half of the cores. */
const MOST_THREADS = 2;

export type FetchOutcome = Omit<Extract<LaneReport, { readonly type: "ended" }>, "type" | "id">;

/** Proofs of the shards of an order. The transfer room's port of the same name. */
export interface ShardProofs {
  readonly xetHash: string;
  of(shard: number): Promise<ShardProof | undefined>;
}

/** What an order is run with. */
export interface RunOptions {
  readonly signal: AbortSignal;
  readonly onWritten: (positionBytes: number, hash: Uint8Array) => void;
  readonly proofs: ShardProofs | undefined;
}

type RunOrder = Omit<FetchOrder, "type" | "id" | "xetHash">;

interface Running {
  readonly startBytes: number;
  readonly onWritten: (positionBytes: number, hash: Uint8Array) => void;
  readonly resolve: (outcome: FetchOutcome) => void;
  positionBytes: number;
}

export class LaneThreads {
  readonly #data: LaneThreadData;
  readonly #onDead: (host: string) => void;
  readonly #threads = new Set<LaneThread>();
  readonly #limit: number;
  #isStopped = false;

  /** @param onDead told of hosts to which packets vanish */
  constructor(opts: { readonly threads?: number }, data: LaneThreadData, onDead: (host: string) => void) {
    this.#onDead = onDead;
    this.#limit = opts.threads ?? Math.min(MOST_THREADS, Math.ceil(availableParallelism() / 2));
    this.#data = data;
  }

  /**
   * Runs one order in a thread; never rejects. After an abort it resolves once the thread has let go of the file.
   *
   * @param order its `addresses` decide the thread, so that connections are found again
   */
  run(order: RunOrder, options: RunOptions): Promise<FetchOutcome> {
    if (this.#isStopped) {
      const fault = toFault(new SwarmError("INTERRUPTED", "the node is stopping"));
      return Promise.resolve({ positionBytes: order.startBytes, link: undefined, fault });
    }
    return this.#pick(order).run(order, options);
  }

  /** Starts the first thread, so that the first order need not wait for it. */
  prepare(): void {
    if (!this.#isStopped && this.#threads.size === 0) this.#start();
  }

  /** These addresses are not there any more, here or at peers. */
  addressesGone(hosts: readonly string[]): void {
    for (const thread of this.#threads) thread.addressesGone(hosts);
  }

  /** Ends the threads; what runs ends with INTERRUPTED. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all([...this.#threads].map((thread) => thread.end("the node is stopping")));
  }

  /** The thread that talks to this address already, unless another one is idle while it is busy. */
  #pick({ addresses }: RunOrder): LaneThread {
    const key = `${addresses[0]?.host} ${addresses[0]?.port}`;
    const known = [...this.#threads].filter((thread) => thread.addresses.has(key)).sort((a, b) => a.load - b.load)[0];
    const idlest = [...this.#threads].sort((a, b) => a.load - b.load)[0];
    const isFull = this.#threads.size >= this.#limit;
    const best =
      known !== undefined && (known.load === 0 || (isFull && known.load <= (idlest?.load ?? 0))) ? known : idlest;
    const thread = best !== undefined && (best.load === 0 || isFull) ? best : this.#start();
    thread.addresses.add(key);
    return thread;
  }

  #start(): LaneThread {
    const thread = new LaneThread(this.#data, {
      onEnd: () => this.#threads.delete(thread),
      onDead: this.#onDead,
    });
    this.#threads.add(thread);
    return thread;
  }
}

class LaneThread {
  readonly addresses = new Set<string>();
  readonly #worker: Worker;
  readonly #running = new Map<number, Running>();
  readonly #onEnd: () => void;
  readonly #onDead: (host: string) => void;
  #nextId = 1;

  constructor(
    data: LaneThreadData,
    { onEnd, onDead }: { readonly onEnd: () => void; readonly onDead: (host: string) => void },
  ) {
    this.#onEnd = onEnd;
    this.#onDead = onDead;
    this.#worker = new Worker(new URL("./lane-worker.js", import.meta.url), { workerData: data });
    this.#worker.unref();
    this.#worker.on("message", (report: LaneReport) => this.#take(report));
    this.#worker.on("error", (error) => void this.end(error.message));
    this.#worker.on("exit", (code) => void this.end(`its thread ended with code ${code}`));
  }

  get load(): number {
    return this.#running.size;
  }

  run(order: RunOrder, { signal, onWritten, proofs }: RunOptions): Promise<FetchOutcome> {
    const id = this.#nextId++;
    const { startBytes } = order;
    const cancel = () => this.#post({ type: "cancel", id });
    return new Promise((resolve) => {
      const settle = (outcome: FetchOutcome) => {
        signal.removeEventListener("abort", cancel);
        resolve(outcome);
      };
      this.#running.set(id, { startBytes, positionBytes: startBytes, onWritten, resolve: settle });
      // While it has work, the process must not end under it.
      this.#worker.ref();
      this.#post({ ...order, type: "fetch", id, xetHash: proofs?.xetHash });
      if (proofs !== undefined) void this.#handProofs(id, order, proofs);
      signal.addEventListener("abort", cancel, { once: true });
      if (signal.aborted) cancel();
    });
  }

  /** In order, for in order they are needed. */
  async #handProofs(id: number, { startBytes, endBytes, shardBytes }: RunOrder, proofs: ShardProofs): Promise<void> {
    for (let shard = shardAt(startBytes, shardBytes); shard <= shardAt(endBytes - 1, shardBytes); shard += 1) {
      const proof = await proofs.of(shard);
      if (!this.#running.has(id)) return;
      this.#post({ type: "proof", id, shard, proof });
    }
  }

  addressesGone(hosts: readonly string[]): void {
    this.#post({ type: "gone", hosts });
  }

  /** Ends the thread; what runs ends with a fault. */
  async end(why: string): Promise<void> {
    this.#onEnd();
    // The thread writes to files until it has ended, so nobody is told before.
    this.#worker.ref();
    await this.#worker.terminate();
    const fault = toFault(new SwarmError("INTERRUPTED", `a transfer was stopped: ${why}`));
    for (const { resolve, positionBytes } of this.#running.values()) resolve({ positionBytes, link: undefined, fault });
    this.#running.clear();
  }

  #post(order: LaneOrder): void {
    this.#worker.postMessage(order);
  }

  #take(report: LaneReport): void {
    if (report.type === "dead") {
      this.#onDead(report.host);
      return;
    }
    const running = this.#running.get(report.id);
    if (running === undefined) return;
    if (report.type === "written") {
      running.positionBytes = report.positionBytes;
      running.onWritten(report.positionBytes, report.hash);
      return;
    }
    this.#running.delete(report.id);
    if (this.#running.size === 0) this.#worker.unref();
    const { type: _, id: __, ...outcome } = report;
    running.resolve(outcome);
  }
}
