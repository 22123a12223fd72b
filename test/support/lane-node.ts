/** One end of a lane, made of the real rooms: a store, a serve room, transfers. The engine is a script. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Verdict } from "@swarmd/daemon/serve/ports";
import { Serve, type ServeOptions } from "@swarmd/daemon/serve/serve";
import { BlobStore } from "@swarmd/daemon/store/blob-store";
import type { Staging } from "@swarmd/daemon/store/staging";
import type { FileSource, RangeSource } from "@swarmd/daemon/transfer/ports";
import { type TransferReport, Transfers } from "@swarmd/daemon/transfer/transfers";
import type { RateLimit } from "@swarmd/daemon/transport/lanes/rate-limit";
import { loadBlake3 } from "@swarmd/daemon/verify/shard-hasher";
import { type BlobId, type Fault, shardAt, shardCount, shardEnd, shardStart } from "@swarmd/protocol";
import { originJudge } from "./origin-judge.js";

const { createShardHasher } = await loadBlake3();
/** A lane is about bytes, not about who vouches for them: what comes over it counts as the origin's. */
const ORIGIN_JUDGE = originJudge();

export interface Fetched {
  readonly positionBytes: number;
  readonly fault: Fault | undefined;
}

export interface FetchHandle {
  readonly done: Promise<Fetched>;
  /** Resolves when the file holds everything below this position, or the attempt is over. */
  reached(positionBytes: number): Promise<void>;
  cancel(): void;
}

interface Watch {
  positionBytes: number;
  isOver: boolean;
  readonly waiting: { readonly positionBytes: number; readonly resolve: () => void }[];
  readonly end: (fetched: Fetched) => void;
}

export class LaneNode {
  readonly serve: Serve;
  readonly store: BlobStore;
  readonly staging: Staging;
  /** What the engine says to whoever asks. */
  verdict: Verdict = { kind: "serve" };
  readonly asked: { readonly shard: number; readonly startBytes: number }[] = [];
  /** Whether askers wait until they are let in, or leave. */
  isParking = false;
  readonly #parked = new Map<number, (verdict: Verdict) => void>();
  servedCount = 0;
  lastRequest = 0;
  readonly #root: string;
  readonly #transfers: Transfers;
  readonly #watches = new Map<number, Watch>();
  #nextAttempt = 1;

  private constructor(
    root: string,
    store: BlobStore,
    staging: Staging,
    options: ServeOptions,
    uploadLimit: RateLimit | undefined,
  ) {
    this.#root = root;
    this.store = store;
    this.staging = staging;
    this.#transfers = new Transfers({
      newHasher: createShardHasher,
      judge: ORIGIN_JUDGE,
      report: (report) => this.#take(report),
    });
    this.serve = new Serve(options, {
      admit: {
        ask: async ({ request, shard, startBytes }) => {
          this.lastRequest = request;
          this.asked.push({ shard, startBytes });
          if (!this.isParking) return this.verdict;
          return new Promise<Verdict>((resolve) => this.#parked.set(request, resolve));
        },
        served: (request) => {
          this.servedCount += 1;
          this.#parked.get(request)?.({ kind: "refuse", code: "PEER_BUSY", redirect: [] });
          this.#parked.delete(request);
        },
      },
      reader: { open: (blob) => store.openBlob(blob) },
      ...(uploadLimit === undefined ? {} : { limit: uploadLimit }),
    });
  }

  /** With an empty staging file. */
  static async start(
    blob: { readonly id: BlobId; readonly sizeBytes: number; readonly shardBytes: number },
    options: ServeOptions = {},
    uploadLimit?: RateLimit,
  ): Promise<LaneNode> {
    const root = await mkdtemp(join(tmpdir(), "swarmd-lane-"));
    const dirs = { cacheDir: join(root, "cache"), stateDir: join(root, "state") };
    const store = new BlobStore({ ...dirs, marginBytes: 0 }, { createShardHasher, events: { emit: () => undefined } });
    await store.start();
    const { id, sizeBytes, shardBytes } = blob;
    const signal = new AbortController().signal;
    const opened = await store.openStaging({ blob: id, sizeBytes, shardBytes, repo: undefined, signal });
    assert.ok(opened.kind === "staging");
    return new LaneNode(root, store, opened.staging, options, uploadLimit);
  }

  /** How many askers wait for their turn. */
  get parkedCount(): number {
    return this.#parked.size;
  }

  /** Those that wait have their turn. */
  letIn(): void {
    for (const resolve of this.#parked.values()) resolve(this.verdict);
    this.#parked.clear();
  }

  /** Puts bytes into the staging file, as a transfer of its own would: from then on they may be served. */
  async put(content: Uint8Array, startBytes: number, endBytes: number): Promise<void> {
    await this.staging.write(startBytes, [content.subarray(startBytes, endBytes)]);
  }

  fetch(source: RangeSource | FileSource, startBytes: number, endBytes: number): FetchHandle {
    const attempt = this.#nextAttempt++;
    const { blob } = this.staging;
    let watch: Watch | undefined;
    const done = new Promise<Fetched>((resolve) => {
      watch = { positionBytes: startBytes, isOver: false, waiting: [], end: resolve };
      this.#watches.set(attempt, watch);
    });
    this.#transfers.begin({
      attempt,
      blob,
      startBytes,
      endBytes,
      source,
      from: { kind: "origin" },
      sink: this.staging,
    });
    return {
      done,
      cancel: () => this.#transfers.cancel(attempt),
      reached: (positionBytes) =>
        new Promise((resolve) => {
          if (watch === undefined || watch.isOver || watch.positionBytes >= positionBytes) resolve();
          else watch.waiting.push({ positionBytes, resolve });
        }),
    };
  }

  /** What is in the staging file up to a position. */
  async bytes(endBytes: number): Promise<Buffer> {
    return (await readFile(this.staging.path)).subarray(0, endBytes);
  }

  /** That these bytes are in the file, that exactly their whole shards are noted, and with the right hashes. */
  async assertHolds(content: Uint8Array, startBytes: number, endBytes: number): Promise<void> {
    const file = await readFile(this.staging.path);
    assert.ok(file.subarray(startBytes, endBytes).equals(content.subarray(startBytes, endBytes)), "the bytes differ");
    const damaged = await this.staging.findDamaged({ signal: new AbortController().signal });
    const { sizeBytes, shardBytes } = this.staging;
    const whole = new Set<number>();
    for (let shard = 0; shard < shardCount(sizeBytes, shardBytes); shard += 1) {
      const [start, end] = [shardStart(shard, shardBytes), shardEnd(shard, sizeBytes, shardBytes)];
      if (start >= shardStart(shardAt(startBytes, shardBytes), shardBytes) && end <= endBytes) whole.add(shard);
    }
    const checked = this.staging.resumeState().checked;
    for (const shard of whole) assert.ok(checked.includes(shard), `shard ${shard} is not checked`);
    if (whole.size === shardCount(sizeBytes, shardBytes)) {
      // Every shard is noted: `findDamaged` names them all only when every noted hash is right.
      assert.equal(damaged.length, whole.size);
    } else for (const shard of checked) assert.ok(!damaged.includes(shard), `shard ${shard} has a wrong hash`);
  }

  async stop(): Promise<void> {
    this.serve.stop();
    await this.#transfers.stop();
    await this.store.stop();
    await rm(this.#root, { recursive: true, force: true });
  }

  #take(report: TransferReport): void {
    const watch = this.#watches.get(report.attempt);
    if (watch === undefined || report.type === "checked") return;
    watch.positionBytes = report.positionBytes;
    watch.isOver = report.type === "ended";
    for (const { positionBytes, resolve } of watch.waiting) {
      if (watch.isOver || watch.positionBytes >= positionBytes) resolve();
    }
    if (report.type !== "ended") return;
    this.#watches.delete(report.attempt);
    watch.end({ positionBytes: report.positionBytes, fault: report.fault });
  }
}
