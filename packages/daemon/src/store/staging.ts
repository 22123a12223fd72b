/**
 * A blob on its way: a sparse file beside its place in the cache, and a journal of what is in it. Writes go anywhere at any
 * time; a shard counts as far as its contiguous start is written.
 */
import type { FileHandle } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type BlobId,
  type NodeId,
  type RepoRef,
  ShardClaims,
  SwarmError,
  shardAt,
  shardCount,
  shardLength,
  shardStart,
} from "@swarmd/protocol";
import type { ShardHasher } from "../verify/shard-hasher.js";
import type { Checked, Ground } from "../verify/types.js";
import { toStoreError } from "./disk-faults.js";
import type { Claim, Journal } from "./journal.js";
import type { Limiter } from "./limiter.js";
import { recheckClaims } from "./recheck.js";
import { type GuestRange, type KnownGrounds, ShardGrounds, toGroundRecord } from "./shard-grounds.js";

export interface StagingSpec {
  readonly blob: BlobId;
  readonly sizeBytes: number;
  readonly shardBytes: number;
  /** `undefined` for the blob of a plain URL. */
  readonly repo: RepoRef | undefined;
}

export interface StagingDeps {
  readonly path: string;
  readonly file: FileHandle;
  readonly journal: Journal;
  readonly createShardHasher: () => ShardHasher;
  /** What is there already, and believed. */
  readonly claims: Iterable<Claim>;
  readonly known: KnownGrounds;
  /** Few syncs at a time for the whole node: each takes one of Node's four I/O threads for as long as the disk likes. */
  readonly syncs: Limiter;
  /** Gives up the lock; called once, when the staging file is closed or committed. */
  readonly release: () => Promise<void>;
}

/** The shape of `core/messages.ts`, which this room may not import. */
export interface ResumeState {
  readonly checked: readonly number[];
  readonly partial: readonly { readonly shard: number; readonly watermarkBytes: number }[];
}

/** Somebody who writes to the file by its path: another thread. */
export interface FileBorrower {
  /** Stops writing; resolves when it will not touch the file any more. Never rejects. */
  stop(): Promise<void>;
}

/** Hears that a shard is checked, or that what there was of it is worthless. */
export type ShardListener = (shard: number, fate: "checked" | "discarded") => void;

/** What a borrower needs to write without harm. */
export interface FileLoan {
  /** See `ShardClaims`. */
  readonly claims: SharedArrayBuffer;
  /** As whom it takes shards there. */
  readonly owner: number;
  /** It will not touch the file any more. */
  end(): void;
}

/** As whom this thread takes shards. */
const OWN_WRITES = 1;
/** A thread holds a shard for one write: a millisecond or so. */
const CLAIM_RETRY_MS = 1;

/** A sync at least this often in bytes: what a crash makes the next start re-check takes a fraction of a second. */
const SYNC_BYTES = 512 * 1024 * 1024;
/** … and in time, counted from the first note that is not durable yet. */
const SYNC_MS = 3_000;
/** A disk that takes longer to sync on close is not waited for; then the next start re-checks a little more. */
const CLOSE_SYNC_MS = 5_000;

export class Staging {
  readonly blob: BlobId;
  readonly sizeBytes: number;
  readonly shardBytes: number;
  readonly repo: RepoRef | undefined;
  readonly path: string;

  readonly #deps: StagingDeps;
  /** Per shard, how many bytes from its start are in the file. */
  readonly #filled: Float64Array;
  /** The BLAKE3 of every shard that is whole. */
  readonly #checked = new Map<number, Uint8Array>();
  readonly #watermarks = new Map<number, number>();
  readonly #grounds: ShardGrounds;
  readonly #judged = new Set<ShardListener>();
  #onPrefix: (prefixBytes: number) => void = () => undefined;
  #prefixShard = 0;
  #writtenBytes = 0;
  #unsyncedBytes = 0;
  #syncTimer: NodeJS.Timeout | undefined;
  #syncing: Promise<void> | undefined;
  /** The last write to each shard that has one in flight; never rejects. */
  readonly #writing = new Map<number, Promise<void>>();
  /** What counts, as threads that write to the file see it. */
  readonly #claims: ShardClaims;
  readonly #borrowers = new Map<number, FileBorrower>();
  #nextBorrower = OWN_WRITES + 1;
  /** Per shard that is not checked, from which byte on peers may write to it. */
  readonly #peersFrom = new Map<number, number>();
  readonly #risen = new Set<() => void>();
  #isClosed = false;
  #isSealed = false;
  #isKept = true;

  constructor(spec: StagingSpec, deps: StagingDeps) {
    this.blob = spec.blob;
    this.sizeBytes = spec.sizeBytes;
    this.shardBytes = spec.shardBytes;
    this.repo = spec.repo;
    this.path = deps.path;
    this.#deps = deps;
    this.#filled = new Float64Array(shardCount(spec.sizeBytes, spec.shardBytes));
    this.#claims = ShardClaims.of(this.#filled.length);
    for (const claim of deps.claims) this.#adopt(claim);
    this.#grounds = new ShardGrounds(deps.known, (shard) => {
      const startBytes = shardStart(shard, this.shardBytes);
      return { startBytes, endBytes: startBytes + (this.#filled[shard] as number) };
    });
    this.#movePrefix();
  }

  #adopt({ shard, bytes, hash }: Claim): void {
    this.#fill(shard, bytes);
    if (bytes === this.#lengthOf(shard)) this.#checked.set(shard, hash);
    else this.#watermarks.set(shard, bytes);
  }

  /** How many bytes from the start of the file are written without a gap. */
  get prefixBytes(): number {
    if (this.#prefixShard === this.#filled.length) return this.sizeBytes;
    return shardStart(this.#prefixShard, this.shardBytes) + (this.#filled[this.#prefixShard] as number);
  }

  /** How many bytes are in the file and count. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  /** Tells the prefix now and whenever it changes; suits `FileDigest.advance`. */
  onPrefix(listener: (prefixBytes: number) => void): void {
    this.#onPrefix = listener;
    listener(this.prefixBytes);
  }

  /** Whether a later run can take the file up; `false` after {@link finish}. */
  get isKept(): boolean {
    return this.#isKept;
  }

  get isSealed(): boolean {
    return this.#isSealed;
  }

  /**
   * Ends the writing: what is verified after this is what is committed, whatever a late writer still has in hand. Must come
   * before the file is verified; {@link discard} opens it again.
   */
  async seal(): Promise<void> {
    this.#isSealed = true;
    await this.#endWriting();
  }

  /**
   * Lets somebody write to the file by its path, who takes each shard before and tells with {@link noteFilled} how far he is. He is
   * stopped before the file is sealed or closed.
   *
   * @throws SwarmError INTERRUPTED when the file is sealed
   */
  lend(borrower: FileBorrower): FileLoan {
    this.#assertOpen();
    this.#assertUnsealed();
    const owner = this.#nextBorrower++;
    this.#borrowers.set(owner, borrower);
    return {
      claims: this.#claims.shared,
      owner,
      end: () => {
        this.#borrowers.delete(owner);
        this.#claims.releaseAll(owner);
      },
    };
  }

  /** Takes note that these bytes are in the file, written by a borrower: other readers see them. */
  noteFilled(positionBytes: number, bytes: number): void {
    if (this.#isClosed || this.#isSealed) return;
    const endBytes = positionBytes + bytes;
    for (let at = positionBytes; at < endBytes; ) {
      const shard = shardAt(at, this.shardBytes);
      const end = Math.min(endBytes, shardStart(shard + 1, this.shardBytes));
      this.#noteWritten(shard, at, end - at);
      at = end;
    }
  }

  /** Everything from `positionBytes` up to the returned position is in the file; `positionBytes` when nothing is. */
  filledUpTo(positionBytes: number): number {
    for (let shard = shardAt(positionBytes, this.shardBytes); shard < this.#filled.length; shard += 1) {
      const filled = this.#filled[shard] as number;
      if (filled === this.#lengthOf(shard)) continue;
      return Math.max(positionBytes, shardStart(shard, this.shardBytes) + filled);
    }
    return this.sizeBytes;
  }

  /** Calls back whenever more is in the file; the returned function takes it back. */
  onFilled(callback: () => void): () => void {
    this.#risen.add(callback);
    return () => this.#risen.delete(callback);
  }

  /** What is known of the shards now. */
  resumeState(): ResumeState {
    return {
      checked: [...this.#checked.keys()].sort((a, b) => a - b),
      partial: [...this.#watermarks].map(([shard, watermarkBytes]) => ({ shard, watermarkBytes })),
    };
  }

  /**
   * Writes the chunks one after the other at `positionBytes`; resolves when other readers of the file see them.
   *
   * Bytes that count already stay as they are until {@link discard}: a second, slower source does not write over them. So what
   * a running digest has read is what is in the file.
   *
   * @throws SwarmError NO_SPACE when the disk is full, STORE_FAULT when it fails.
   */
  async write(positionBytes: number, chunks: readonly Uint8Array[]): Promise<void> {
    const endBytes = positionBytes + bytesIn(chunks);
    if (positionBytes < 0 || endBytes > this.sizeBytes) {
      throw new SwarmError("INTERNAL", `bytes ${positionBytes} to ${endBytes} are outside of ${this.blob}`);
    }
    for (let at = positionBytes; at < endBytes; ) {
      this.#assertOpen();
      this.#assertUnsealed();
      const shard = shardAt(at, this.shardBytes);
      const end = Math.min(endBytes, shardStart(shard + 1, this.shardBytes));
      await this.#inTurn(shard, at, takeBytes(chunks, at - positionBytes, end - positionBytes));
      at = end;
    }
  }

  /** One write per shard at a time, so that each sees what the one before has made count. */
  async #inTurn(shard: number, positionBytes: number, chunks: readonly Uint8Array[]): Promise<void> {
    const before = this.#writing.get(shard);
    const writing =
      before === undefined
        ? this.#writeInShard(shard, positionBytes, chunks)
        : before.then(() => this.#writeInShard(shard, positionBytes, chunks));
    const settled = writing.catch(() => undefined);
    this.#writing.set(shard, settled);
    try {
      await writing;
    } finally {
      if (this.#writing.get(shard) === settled) this.#writing.delete(shard);
    }
  }

  async #writeInShard(shard: number, positionBytes: number, chunks: readonly Uint8Array[]): Promise<void> {
    while (!this.#claims.tryTake(shard, OWN_WRITES)) await sleep(CLAIM_RETRY_MS);
    try {
      const offset = positionBytes - shardStart(shard, this.shardBytes);
      const known = Math.max(0, this.#claims.countedBytes(shard) - offset);
      const bytes = bytesIn(chunks);
      if (known >= bytes) return;
      await this.#writeAll(positionBytes + known, takeBytes(chunks, known, bytes), bytes - known);
      this.#claims.count(shard, offset + known, offset + bytes);
      this.#noteWritten(shard, positionBytes + known, bytes - known);
    } finally {
      this.#claims.release(shard, OWN_WRITES);
    }
  }

  async #writeAll(positionBytes: number, chunks: readonly Uint8Array[], bytes: number): Promise<void> {
    try {
      for (let done = 0; done < bytes; ) {
        const rest = takeBytes(chunks, done, bytes) as Uint8Array[];
        const { bytesWritten } = await this.#deps.file.writev(rest, positionBytes + done);
        done += bytesWritten;
      }
    } catch (error) {
      throw toStoreError(error, "write", this.path, this.sizeBytes - this.#writtenBytes);
    }
  }

  /** Reads what was written before, into all of `target`. */
  async read(positionBytes: number, target: Uint8Array): Promise<void> {
    this.#assertOpen();
    let done = 0;
    while (done < target.length) {
      const { bytesRead } = await this.#deps.file
        .read(target, done, target.length - done, positionBytes + done)
        .catch((error) => Promise.reject(toStoreError(error, "read", this.path)));
      if (bytesRead === 0) {
        throw new SwarmError("STORE_FAULT", `${this.path} ends before byte ${positionBytes + target.length}`, {
          hint: "Something else has cut the file short; pull again.",
        });
      }
      done += bytesRead;
    }
  }

  /** Notes that the first `watermarkBytes` of a shard are written and hash to `hash` (BLAKE3). */
  noteWatermark(shard: number, watermarkBytes: number, hash: Uint8Array): void {
    if (this.#isClosed || this.#checked.has(shard)) return;
    this.#watermarks.set(shard, watermarkBytes);
    this.#note({ shard, bytes: watermarkBytes, hash });
  }

  /** Notes that a shard is whole, its hash, and what it rests on. */
  noteChecked({ blob, shard, hash, ground }: Checked): void {
    if (blob !== this.blob) throw new SwarmError("INTERNAL", `a certificate for ${blob} does not fit ${this.blob}`);
    if (this.#isClosed) return;
    this.#watermarks.delete(shard);
    this.#checked.set(shard, hash);
    this.#peersFrom.delete(shard);
    this.#grounds.set(shard, ground);
    this.#deps.journal.noteGround(shard, toGroundRecord(ground));
    this.#note({ shard, bytes: this.#lengthOf(shard), hash });
    for (const listener of [...this.#judged]) listener(shard, "checked");
  }

  isChecked(shard: number): boolean {
    return this.#checked.has(shard);
  }

  /** Hash and ground of a shard that is checked; no ground when an earlier version wrote it down. */
  findChecked(shard: number): { readonly hash: Uint8Array; readonly ground: Ground | undefined } | undefined {
    const hash = this.#checked.get(shard);
    return hash && { hash, ground: this.#grounds.find(shard) };
  }

  /** Shards that count because of one node's word. */
  restingOn(signer: NodeId): number[] {
    return [...this.#checked.keys()].filter((shard) => {
      const ground = this.#grounds.find(shard);
      return ground?.kind === "attestation" && ground.signer === signer;
    });
  }

  /** Notes that these bytes of a shard that is not checked yet are a peer's. */
  noteGuest(shard: number, peer: NodeId, startBytes: number, endBytes: number): void {
    if (this.#isClosed || this.#checked.has(shard)) return;
    if (!this.#grounds.addGuest(shard, peer, { startBytes, endBytes })) return;
    this.#deps.journal.noteGuest(shard, peer);
  }

  /** Peers whose bytes are in a shard that is not checked yet. */
  guests(shard: number): readonly NodeId[] {
    return this.#grounds.guests(shard);
  }

  /** All bytes of peers in such a shard lie in this range. */
  guestRange(shard: number): GuestRange | undefined {
    return this.#grounds.guestRange(shard);
  }

  /** A peer is asked for these bytes: from now on what comes there may be its, until the shards are checked. */
  expectGuest(startBytes: number, endBytes: number): void {
    for (let at = startBytes; at < endBytes; ) {
      const shard = shardAt(at, this.shardBytes);
      if (!this.#checked.has(shard)) this.#peersFrom.set(shard, Math.min(at, this.#peersFrom.get(shard) ?? at));
      at = shardStart(shard + 1, this.shardBytes);
    }
  }

  /** The first byte of a shard that is not checked which may be a peer's; beyond its end if all there is came from the origin. */
  guestsFrom(shard: number): number {
    const none = Number.POSITIVE_INFINITY;
    return Math.min(this.#peersFrom.get(shard) ?? none, this.#grounds.guestRange(shard)?.startBytes ?? none);
  }

  /** Calls back for every shard that is checked or discarded; the returned function takes it back. */
  onJudged(listener: ShardListener): () => void {
    this.#judged.add(listener);
    return () => this.#judged.delete(listener);
  }

  #note(claim: Claim): void {
    this.#deps.journal.note(claim);
    this.#syncTimer ??= setTimeout(() => void this.#syncInBackground(), SYNC_MS).unref();
  }

  /** Forgets shards that turned out to be worthless. Resolves when the journal has forgotten them too. */
  async discard(shards: Iterable<number>): Promise<void> {
    this.#assertOpen();
    this.#isSealed = false;
    for (const shard of shards) {
      this.#checked.delete(shard);
      this.#watermarks.delete(shard);
      this.#writtenBytes -= this.#filled[shard] as number;
      this.#filled[shard] = 0;
      this.#claims.forget(shard);
      this.#grounds.forget(shard);
      this.#peersFrom.delete(shard);
      this.#prefixShard = Math.min(this.#prefixShard, shard);
      this.#deps.journal.noteDropped(shard);
      for (const listener of [...this.#judged]) listener(shard, "discarded");
    }
    this.#onPrefix(this.prefixBytes);
    await this.#deps.journal.flush();
  }

  /**
   * Which shards to fetch anew when the whole file is wrong: those that no longer match what was noted of them were damaged on
   * this disk. If every one matches, somebody sent wrong bytes, and nobody can tell which: all of them.
   *
   * @throws SwarmError INTERRUPTED on abort
   */
  async findDamaged({ signal }: { readonly signal: AbortSignal }): Promise<number[]> {
    const { shardBytes } = this;
    const claims = [...this.#checked].map(([shard, hash]) => ({ shard, bytes: this.#lengthOf(shard), hash }));
    const { file, createShardHasher } = this.#deps;
    const kept = await recheckClaims(file, claims, { shardBytes, createShardHasher, signal });
    const good = new Set(kept.map((claim) => claim.shard));
    const all = [...this.#filled.keys()];
    return good.size === all.length ? all : all.filter((shard) => !good.has(shard));
  }

  /** Brings the bytes to the disk itself. @throws SwarmError as {@link write} does. */
  async sync(): Promise<void> {
    this.#assertOpen();
    await Promise.all(this.#writing.values());
    try {
      await this.#deps.syncs.run(() => this.#deps.file.datasync());
    } catch (error) {
      throw toStoreError(error, "write", this.path);
    }
  }

  /** Ends the use of the file, keeps it and its journal for the next try, and gives up the lock. May be called twice. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#end();
    await this.#endWriting();
    await this.#deps.journal.flush();
    await this.#syncWithin(CLOSE_SYNC_MS);
    await this.#deps.journal.close();
    await this.#deps.release();
  }

  /** As {@link close}, when there is nothing to be kept: after a commit, or for a file that goes away. */
  async finish(): Promise<void> {
    if (this.#isClosed) return;
    this.#isKept = false;
    this.#end();
    await this.#endWriting();
    await this.#syncing?.catch(() => undefined);
    await this.#deps.file.close();
    await this.#deps.journal.remove();
    await this.#deps.release();
  }

  #end(): void {
    this.#isClosed = true;
    clearTimeout(this.#syncTimer);
    this.#syncTimer = undefined;
  }

  /** Syncs and closes the file; goes on alone with that when the disk takes too long. */
  async #syncWithin(deadlineMs: number): Promise<void> {
    const ended = this.#syncOnce().finally(() => this.#deps.file.close());
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, deadlineMs);
    });
    await Promise.race([ended.catch(() => undefined), deadline]);
    clearTimeout(timer);
  }

  async #syncInBackground(): Promise<void> {
    clearTimeout(this.#syncTimer);
    this.#syncTimer = undefined;
    if (this.#isClosed) return;
    // A sync that fails says nothing new: writes fail too, or the commit's own sync will.
    await this.#syncOnce().catch(() => undefined);
  }

  /** One at a time; whoever comes later waits for the next. What was noted before it is durable after it. */
  async #syncOnce(): Promise<void> {
    while (this.#syncing !== undefined) await this.#syncing.catch(() => undefined);
    this.#unsyncedBytes = 0;
    this.#syncing = this.#syncAndMark().finally(() => {
      this.#syncing = undefined;
    });
    await this.#syncing;
  }

  async #syncAndMark(): Promise<void> {
    const records = await this.#deps.journal.flush();
    await this.#deps.syncs.run(() => this.#deps.file.datasync());
    await this.#deps.journal.markDurable(records);
  }

  #noteWritten(shard: number, positionBytes: number, bytes: number): void {
    const offset = positionBytes - shardStart(shard, this.shardBytes);
    // Behind a gap, bytes are in the file but do not count.
    if (offset <= (this.#filled[shard] as number)) this.#fill(shard, offset + bytes);
    this.#unsyncedBytes += bytes;
    if (this.#unsyncedBytes >= SYNC_BYTES && this.#syncing === undefined) void this.#syncInBackground();
    this.#movePrefix();
    for (const callback of [...this.#risen]) callback();
  }

  /** Borrowers are stopped, our own writes waited for. */
  async #endWriting(): Promise<void> {
    const borrowers = [...this.#borrowers.values()].map((borrower) => borrower.stop());
    await Promise.all([...this.#writing.values(), ...borrowers]);
  }

  #fill(shard: number, bytes: number): void {
    const before = this.#filled[shard] as number;
    if (bytes <= before) return;
    this.#filled[shard] = bytes;
    this.#claims.count(shard, 0, bytes);
    this.#writtenBytes += bytes - before;
  }

  #movePrefix(): void {
    while (
      this.#prefixShard < this.#filled.length &&
      this.#filled[this.#prefixShard] === this.#lengthOf(this.#prefixShard)
    ) {
      this.#prefixShard += 1;
    }
    this.#onPrefix(this.prefixBytes);
  }

  #lengthOf(shard: number): number {
    return shardLength(shard, this.sizeBytes, this.shardBytes);
  }

  #assertUnsealed(): void {
    if (this.#isSealed) throw new SwarmError("INTERRUPTED", `${this.blob} is whole: nothing more is written to it`);
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new SwarmError("INTERNAL", `the staging file of ${this.blob} is closed`);
  }
}

function bytesIn(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}

/** The part of the chunks from byte `start` to byte `end`, without copying. */
function takeBytes(chunks: readonly Uint8Array[], start: number, end: number): readonly Uint8Array[] {
  if (start === 0 && end >= bytesIn(chunks)) return chunks;
  const taken: Uint8Array[] = [];
  let at = 0;
  for (const chunk of chunks) {
    const [from, to] = [Math.max(0, start - at), Math.min(chunk.length, end - at)];
    if (from < to) taken.push(chunk.subarray(from, to));
    at += chunk.length;
  }
  return taken;
}
