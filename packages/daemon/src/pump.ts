/**
 * The pump: one queue of inputs into the engine, and its effects out to the rooms that do.
 *
 * In: wants of pulls, answers of rooms, the clock. Out: orders to store, transfer and verify; answers to pulls.
 * Never: decides. What a room throws becomes an input.
 */
import { type BlobId, type Fault, fromFault, type NodeId, SwarmError, shardCount, toFault } from "@swarmd/protocol";
import type { Announcement } from "./core/catalog/announcement.js";
import type { Engine } from "./core/engine.js";
import type { AttemptId, BlobSpec, Effect, Input, Source, Verdict } from "./core/messages.js";
import type { Evidence } from "./evidence.js";
import type { EventLog } from "./observe/events.js";
import type { BlobSources, BlobView, BlobWants, WantRequest } from "./pull/ports.js";
import type { Admit, Asked } from "./serve/ports.js";
import type { BlobStore } from "./store/blob-store.js";
import type { Staging } from "./store/staging.js";
import type { FileSource, LaneOpener, RangeSource } from "./transfer/ports.js";
import type { Transfers } from "./transfer/transfers.js";
import type { FileDigest } from "./verify/file-digest.js";
import type { Verifier } from "./verify/verifier.js";

export interface PumpDeps {
  readonly engine: Engine;
  readonly store: BlobStore;
  readonly transfers: Transfers;
  readonly verifier: Verifier;
  readonly originSource: RangeSource;
  readonly evidence: Pick<Evidence, "inquire" | "watch" | "finished">;
  /** Absent on a node that goes without peers. */
  readonly swarm: SwarmFace | undefined;
  readonly events: EventLog;
  readonly clock: Clock;
}

/** Peers, as the pump deals with them. */
export interface SwarmFace extends LaneOpener {
  announce(record: Announcement): void;
  tell(peer: NodeId, record: Announcement): void;
  ban(peer: NodeId, why: string): void;
  stopServing(request: number): void;
}

/** Time, as the engine's. Tests run it faster. */
export interface Clock {
  /** Milliseconds; never goes back. */
  nowMs(): number;
  /** Calls back once; the returned function takes it back. */
  after(delayMs: number, callback: () => void): () => void;
}

/** A blob between `open` and the end of its life in the engine. */
interface OpenBlob {
  staging?: Staging;
  digest?: FileDigest;
  fromOriginBytes: number;
  readonly fromPeers: Map<string, { peer: string; link: string; bytes: number }>;
}

/** A pull that waits for a blob. */
interface Waiting {
  readonly pull: number;
  readonly blob: BlobId;
  readonly home: WantRequest["home"];
  readonly resolve: (sources: BlobSources) => void;
  readonly reject: (error: SwarmError) => void;
}

interface Attempt {
  readonly blob: BlobId;
  readonly source: Source;
  positionBytes: number;
}

export class Pump implements BlobWants, Admit {
  readonly name = "pump";
  readonly #deps: PumpDeps;
  readonly #queue: Input[] = [];
  readonly #blobs = new Map<BlobId, OpenBlob>();
  readonly #attempts = new Map<AttemptId, Attempt>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #asking = new Map<number, (verdict: Verdict) => void>();
  readonly #stopped = new AbortController();
  /** What rooms are doing for a blob, one thing after the other: a close has to end before the next open. */
  readonly #work = new Map<BlobId, Promise<void>>();
  #pumping = false;
  #cancelWake: () => void = () => {};

  constructor(deps: PumpDeps) {
    this.#deps = deps;
  }

  want(request: WantRequest): Promise<BlobSources> {
    if (this.#stopped.signal.aborted) return Promise.reject(new SwarmError("INTERRUPTED", "the node is stopping"));
    const {
      pull,
      blob: id,
      sizeBytes,
      home,
      origin,
      isPrivate,
      hasAccess,
      peers,
      fromOrigin,
      originRequests,
      order,
      headBytes,
    } = request;
    return new Promise((resolve, reject) => {
      this.#waiting.set(waitKey(pull, id), { pull, blob: id, home, resolve, reject });
      const blob = { id, sizeBytes, origin, isPrivate, hasAccess };
      this.push({ type: "want", pull, blob, options: { peers, origin: fromOrigin, originRequests, order, headBytes } });
    });
  }

  unwant(pull: number, blob: BlobId): void {
    const waiting = this.#take(pull, blob);
    if (waiting === undefined) return;
    this.push({ type: "unwant", pull, blob });
    waiting.reject(new SwarmError("INTERRUPTED", "the pull was stopped; what was fetched is kept"));
  }

  /** A peer asks for a shard: the engine answers at once, or within moments when it is to wait for its turn. */
  ask(asked: Asked): Promise<Verdict> {
    return new Promise((resolve) => {
      this.#asking.set(asked.request, resolve);
      this.push({ type: "asked", ...asked });
    });
  }

  /** A request that was to be served is over, or its asker left while it waited: the engine has no more to say about it. */
  served(request: number): void {
    this.push({ type: "served", request });
    this.#asking.get(request)?.({ kind: "refuse", code: "PEER_BUSY", redirect: [] });
    this.#asking.delete(request);
  }

  /** Bytes that were fetched from the origin only to compare with them count like any others. */
  compared(blob: BlobId, bytes: number): void {
    const open = this.#blobs.get(blob);
    if (open !== undefined) open.fromOriginBytes += bytes;
  }

  /** A node vouched for bytes of a blob that the origin does not have: whatever rests on its word goes. */
  exposed(blob: BlobId, signer: NodeId): void {
    this.#deps.swarm?.ban(signer, `vouched for bytes of ${blob} that the origin does not have`);
    const staging = this.#blobs.get(blob)?.staging;
    // While the whole file is being held against its digest, that will tell.
    if (staging === undefined || this.view(blob)?.phase === "checking") return;
    const shards = staging.restingOn(signer);
    this.#deps.events.emit({ type: "exposed", blob, signer, shards: shards.length });
    if (shards.length === 0) return;
    void staging.discard(shards);
    this.push({ type: "corrupt", blob, shards, culprits: [signer] });
  }

  /** A reader waits for these bytes: they go first. */
  focus(blob: BlobId, startBytes: number, endBytes: number): void {
    this.push({ type: "focus", blob, startBytes, endBytes });
  }

  /** Whether a blob is for members only; undefined for one that this node has nothing to do with. */
  isPrivate(blob: BlobId): boolean | undefined {
    return this.#deps.engine.isPrivate(blob);
  }

  view(blob: BlobId): BlobView | undefined {
    return this.#deps.engine.view(blob);
  }

  /** Puts one fact into the engine and carries out all that follows from it. */
  push(input: Input): void {
    this.#queue.push(input);
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        this.#account(next);
        for (const effect of this.#deps.engine.handle(next, this.#deps.clock.nowMs())) this.#carryOut(effect);
      }
    } finally {
      this.#pumping = false;
    }
  }

  /** Stops all fetching, writes the journals and closes the files. Every open want rejects with INTERRUPTED. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#cancelWake();
    for (const { pull, blob } of [...this.#waiting.values()]) this.unwant(pull, blob);
    await this.#deps.transfers.stop();
    while (this.#work.size > 0) await Promise.all(this.#work.values());
  }

  #carryOut(effect: Effect): void {
    switch (effect.type) {
      case "open":
        this.#do(effect.blob.id, () => this.#open(effect.blob));
        break;
      case "fetch":
        this.#fetch(effect);
        break;
      case "cancel":
        this.#deps.transfers.cancel(effect.attempt);
        break;
      case "finish":
        this.#do(effect.blob, () => this.#finish(effect.blob));
        break;
      case "close":
        this.#do(effect.blob, () => this.#close(effect.blob));
        break;
      case "settled":
        this.#settle(effect.pull, effect.blob, effect.fault);
        break;
      case "wake":
        this.#setWake(effect.atMs);
        break;
      case "decision":
        this.#deps.events.emit({ ...effect });
        break;
      case "answer":
        this.#asking.get(effect.request)?.(effect.verdict);
        this.#asking.delete(effect.request);
        break;
      case "announce":
        this.#deps.swarm?.announce(effect.record);
        break;
      case "tell":
        this.#deps.swarm?.tell(effect.peer, effect.record);
        break;
      case "ban":
        this.#deps.swarm?.ban(effect.peer, effect.why);
        break;
      case "stop-serving":
        this.#deps.swarm?.stopServing(effect.request);
        break;
    }
  }

  /** Runs what a room does for a blob; a failure goes back into the engine. */
  #do(blob: BlobId, action: () => Promise<void>): void {
    const before = this.#work.get(blob) ?? Promise.resolve();
    const work = before
      .then(action)
      .catch((error: unknown) => this.push({ type: "store-failed", blob, fault: toFault(error) }))
      .finally(() => {
        if (this.#work.get(blob) === work) this.#work.delete(blob);
      });
    this.#work.set(blob, work);
  }

  async #open({ id, sizeBytes }: BlobSpec): Promise<void> {
    const { store, verifier } = this.#deps;
    const waiting = [...this.#waiting.values()].find(({ blob }) => blob === id);
    if (waiting === undefined) throw new SwarmError("INTERRUPTED", `nobody wants ${id} any more`);
    const open: OpenBlob = { fromOriginBytes: 0, fromPeers: new Map() };
    this.#blobs.set(id, open);
    const opened = await store.openStaging({ blob: id, sizeBytes, repo: waiting.home, signal: this.#stopped.signal });
    if (opened.kind === "present") {
      this.push({ type: "present", blob: id });
      return this.#forget(id, open);
    }
    const { staging } = opened;
    const digest = verifier.openDigest(staging.path, sizeBytes, id);
    this.#deps.evidence.watch(staging);
    staging.onPrefix((prefixBytes) => digest.advance(prefixBytes));
    digest.advance(staging.prefixBytes);
    Object.assign(open, { staging, digest });
    this.push({ type: "opened", blob: id, state: staging.resumeState() });
  }

  #fetch({ attempt, blob, startBytes, endBytes, source }: Extract<Effect, { type: "fetch" }>): void {
    const staging = this.#blobs.get(blob)?.staging;
    if (staging === undefined) throw new SwarmError("INTERNAL", `a fetch for ${blob}, which is not open`);
    this.#attempts.set(attempt, { blob, source, positionBytes: startBytes });
    if (source.kind === "peer") staging.expectGuest(startBytes, endBytes);
    try {
      this.#deps.transfers.begin({
        attempt,
        blob,
        startBytes,
        endBytes,
        source: this.#wayTo(source),
        from: source,
        sink: staging,
      });
    } catch (error) {
      this.push({ type: "ended", attempt, positionBytes: startBytes, fault: toFault(error) });
    }
  }

  #wayTo(source: Source): RangeSource | FileSource {
    const { originSource, swarm } = this.#deps;
    if (source.kind === "origin") return originSource;
    if (swarm !== undefined) return swarm.open(source.peer, source.link);
    throw new SwarmError("PEER_UNREACHABLE", "this node goes without peers");
  }

  async #finish(blob: BlobId): Promise<void> {
    const open = this.#opened(blob);
    const { staging, digest } = open;
    const { path, sizeBytes } = staging;
    const signal = this.#stopped.signal;
    await staging.seal();
    try {
      const verified = await this.#deps.verifier.verifyFile({ path, sizeBytes, blob, digest, signal });
      await this.#deps.store.commit(staging, verified);
    } catch (error) {
      if (!(error instanceof SwarmError) || error.code !== "INTEGRITY") throw error;
      return this.#reject(blob, staging, error);
    }
    this.push({ type: "verified", blob });
    this.#forget(blob, open);
    this.#deps.evidence.finished(blob);
  }

  /** The file is not what it should be: what the disk damaged goes; if nothing did, whatever rests on the word of who lied. */
  async #reject(blob: BlobId, staging: Staging, error: SwarmError): Promise<void> {
    const { signal } = this.#stopped;
    const damaged = await staging.findDamaged({ signal });
    const isOwnFault = damaged.length < shardCount(staging.sizeBytes, staging.shardBytes);
    const none: readonly NodeId[] = [];
    const { shards, culprits, doubted } = isOwnFault
      ? { shards: damaged, culprits: none, doubted: none }
      : await this.#deps.evidence.inquire(staging, { signal });
    await this.#deps.store.discard(staging, shards);
    this.#deps.events.emit({ type: "corrupt", blob, shards: shards.length, message: error.message, culprits, doubted });
    // Also one who is not here any more, and whom the engine has forgotten.
    for (const culprit of culprits) this.#deps.swarm?.ban(culprit, `vouched for wrong bytes of ${blob}`);
    this.push({ type: "corrupt", blob, shards, culprits });
  }

  /** The blob is in the cache. Meanwhile another pull may have opened it anew: that is not ours to forget. */
  #forget(blob: BlobId, open: OpenBlob): void {
    open.digest?.close();
    if (this.#blobs.get(blob) === open) this.#blobs.delete(blob);
  }

  async #close(blob: BlobId): Promise<void> {
    const open = this.#blobs.get(blob);
    this.#blobs.delete(blob);
    open?.digest?.close();
    await open?.staging?.close();
  }

  #opened(blob: BlobId): OpenBlob & { staging: Staging; digest: FileDigest } {
    const open = this.#blobs.get(blob);
    if (open?.staging === undefined || open.digest === undefined) {
      throw new SwarmError("INTERNAL", `${blob} is not open`);
    }
    return open as OpenBlob & { staging: Staging; digest: FileDigest };
  }

  #settle(pull: number, blob: BlobId, fault: Fault | undefined): void {
    const waiting = this.#take(pull, blob);
    if (fault !== undefined) {
      waiting?.reject(fromFault(fault));
      return;
    }
    const open = this.#blobs.get(blob);
    waiting?.resolve({
      fromOriginBytes: open?.fromOriginBytes ?? 0,
      fromPeers: [...(open?.fromPeers.values() ?? [])],
    });
  }

  #take(pull: number, blob: BlobId) {
    const key = waitKey(pull, blob);
    const waiting = this.#waiting.get(key);
    this.#waiting.delete(key);
    return waiting;
  }

  #setWake(atMs: number): void {
    this.#cancelWake();
    if (atMs === Number.POSITIVE_INFINITY || this.#stopped.signal.aborted) return;
    const { clock } = this.#deps;
    this.#cancelWake = clock.after(Math.max(0, atMs - clock.nowMs()), () => this.push({ type: "wake" }));
  }

  /** Counts whose bytes these are, before the engine hears of them. */
  #account(input: Input): void {
    if (input.type !== "progress" && input.type !== "ended") return;
    const attempt = this.#attempts.get(input.attempt);
    const open = attempt === undefined ? undefined : this.#blobs.get(attempt.blob);
    if (attempt === undefined || open === undefined) return;
    const bytes = input.positionBytes - attempt.positionBytes;
    attempt.positionBytes = input.positionBytes;
    if (attempt.source.kind === "origin") open.fromOriginBytes += bytes;
    else {
      const { peer, link } = attempt.source;
      const tally = open.fromPeers.get(`${peer} ${link}`) ?? { peer, link, bytes: 0 };
      tally.bytes += bytes;
      open.fromPeers.set(`${peer} ${link}`, tally);
    }
    if (input.type !== "ended") return;
    this.#attempts.delete(input.attempt);
    if (input.fault !== undefined && input.fault.code !== "INTERRUPTED") {
      const { blob, source, positionBytes } = attempt;
      this.#deps.events.emit({ type: "attempt-failed", blob, source, positionBytes, ...input.fault });
    }
  }
}

function waitKey(pull: number, blob: BlobId): string {
  return `${pull} ${blob}`;
}
