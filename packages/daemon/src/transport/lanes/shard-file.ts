/**
 * Puts a range into a staging file in place: gives out memory to receive into, hashes shard by shard what came, and writes it
 * beside the receiving. What is written is told in order. Where there is a proof, nothing is hashed or written before it is proven.
 */
import { close, fstat, open, read, writev } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { ShardClaims, SwarmError, shardAt, shardEnd, shardStart } from "@swarmd/protocol";
import type { ProofState, ShardChecks } from "./proof-inbox.js";
import type { ReceiveBuffers } from "./receive-buffers.js";

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
  /** The `ShardClaims` of the file: others may be writing to it too. */
  readonly claims: SharedArrayBuffer;
  readonly owner: number;
}

export interface ShardFileDeps {
  readonly buffers: ReceiveBuffers;
  readonly newHasher: () => ShardHasher;
  /** Everything below is in the file; `hash` as in `LaneReport`. */
  readonly onWritten: (positionBytes: number, hash: Uint8Array) => void;
  /** The disk has failed, or what came is wrong: nothing more can be taken. */
  readonly onFault: (error: SwarmError) => void;
  /** What shards are held against as they arrive; without it, they are taken as they come. */
  readonly checks?: ShardChecks | undefined;
}

/** Hashed at once: fits the second-level cache, and is no more calls than needed where bytes come in small pieces. */
const HASH_BYTES = 128 * 1024;
/** Written as soon as such a part of what may be pending has come and nothing else is being written … */
const WRITE_PART = 1 / 2;
/** … or so much time has passed. */
const LINGER_MS = 20;
/** Shards in progress are told not more often than this: a message per write would keep the main thread busy for nothing. */
const REPORT_GAP_MS = 15;

const NOWHERE = Buffer.alloc(0);

/** Another writer has the shard for one write: a millisecond or so. */
const CLAIM_RETRY_MS = 1;

/** A place in the file and the hash of its shard up to there. */
interface Mark {
  readonly positionBytes: number;
  readonly hash: Uint8Array;
}

const openFile = promisify(open);
const readFile = promisify(read);
const statFile = promisify(fstat);
const closeFile = promisify(close);

export class ShardFile {
  readonly #spec: ShardFileSpec;
  readonly #deps: ShardFileDeps;
  readonly #fd: number;
  readonly #claims: ShardClaims;
  #hasher: ShardHasher;
  #received: number;
  #written: number;
  /** Memory that is being filled; how far it is, and up to where of that it is proven, may count, is hashed and handed to the disk. */
  #buffer: Buffer;
  #largestRead = 0;
  #filled = 0;
  #proven = 0;
  #accepted = 0;
  #hashed = 0;
  #handed = 0;
  /** What is pending in buffers that are full. */
  #pending: Buffer[] = [];
  /** Accepted and not yet handed to the disk, in all. */
  #pendingBytes = 0;
  /** Ends of shards in what is pending. */
  #marks: Mark[] = [];
  /** Buffers with no more room, which go back once they are written. */
  #full: Buffer[] = [];
  #writing: Promise<void> | undefined;
  #fault: SwarmError | undefined;
  #linger: NodeJS.Timeout | undefined;
  #untold: Mark | undefined;
  #tellLater: NodeJS.Timeout | undefined;
  #toldAtMs = 0;
  #wakeSource: (() => void) | undefined;
  /** Waits for room that only a proof can make. */
  #wakeHeld: (() => void) | undefined;

  private constructor(spec: ShardFileSpec, deps: ShardFileDeps, fd: number) {
    this.#spec = spec;
    this.#deps = deps;
    this.#fd = fd;
    this.#claims = ShardClaims.join(spec.claims);
    this.#received = spec.startBytes;
    this.#written = spec.startBytes;
    this.#hasher = deps.newHasher();
    this.#buffer = deps.buffers.take();
    if (deps.checks !== undefined) deps.checks.onDecided = () => this.#goOn();
  }

  /** Must be closed. In the middle of a shard, what the file holds of that shard is hashed first. @throws SwarmError STORE_FAULT */
  static async open(spec: ShardFileSpec, deps: ShardFileDeps): Promise<ShardFile> {
    const fd = await openFile(spec.path, "r+").catch((error) => Promise.reject(toFileError("open", spec.path, error)));
    const file = new ShardFile(spec, deps, fd);
    try {
      await file.#rehash();
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Position of the next byte to come. */
  get receivedBytes(): number {
    return this.#received;
  }

  /** Everything below is in the file. */
  get writtenBytes(): number {
    return this.#written;
  }

  /** Where the next bytes are to be put; good until the next call of `take`. Empty while it is held up by a proof. */
  target(): Buffer {
    return this.#wakeHeld === undefined ? this.#buffer.subarray(this.#filled) : NOWHERE;
  }

  /**
   * Takes the first `bytes` of the last `target`. A promise means: nothing more until it resolves, which it does after a fault too.
   *
   * @throws SwarmError PEER_CORRUPT, PEER_TAINTED when they are not what their proof says; what was proven is written all the same
   */
  take(bytes: number): Promise<void> | undefined {
    this.#filled += bytes;
    this.#received += bytes;
    if (bytes > this.#largestRead) this.#largestRead = bytes;
    this.#accept();
    if (this.#accepted - this.#hashed >= HASH_BYTES) this.#hash();
    const hasRoom = this.#hasRoom();
    this.#writeIfWorthIt();
    if (!hasRoom) {
      return new Promise((resolve) => {
        this.#wakeHeld = resolve;
      });
    }
    if (this.#pendingBytes < this.#mostPendingBytes || this.#writing === undefined) return undefined;
    return new Promise((resolve) => {
      this.#wakeSource = resolve;
    });
  }

  /** Writes what has come and may count; all that is written is told then. @throws SwarmError NO_SPACE, STORE_FAULT, PEER_CORRUPT, PEER_TAINTED */
  async flush(): Promise<void> {
    await this.#awaitProofs();
    while (this.#fault === undefined && (this.#writing !== undefined || this.#pendingBytes > 0)) {
      this.#startWriting();
      await this.#writing;
    }
    this.#tell(true);
    if (this.#fault !== undefined) throw this.#fault;
  }

  /** Where proofs are still on their way, what has come waits for them. */
  async #awaitProofs(): Promise<void> {
    const { checks } = this.#deps;
    while (checks !== undefined && this.#fault === undefined && this.#proven < this.#filled) {
      const shard = shardAt(this.#provenBytes, this.#spec.shardBytes);
      if (this.#findCheck(shard) !== undefined) return;
      await checks.decided(shard);
      if (this.#findCheck(shard) === undefined) return;
    }
  }

  /** A proof that is none is a fault like any other. */
  #findCheck(shard: number): ProofState | "fault" {
    try {
      return this.#deps.checks?.find(shard);
    } catch {
      return "fault";
    }
  }

  /** Ends it; what was not flushed is lost. */
  async close(): Promise<void> {
    if (this.#deps.checks !== undefined) this.#deps.checks.onDecided = () => undefined;
    this.#wakeHeld?.();
    clearTimeout(this.#linger);
    await this.#writing;
    clearTimeout(this.#tellLater);
    for (const buffer of [...this.#full, this.#buffer]) this.#deps.buffers.give(buffer);
    await closeFile(this.#fd);
  }

  /** So much may wait for the disk; beyond it, the sender has to wait. */
  get #mostPendingBytes(): number {
    return this.#deps.buffers.mostPendingBytes(this.#buffer);
  }

  /** Position of the first byte that is not proven. */
  get #provenBytes(): number {
    return this.#received - this.#filled + this.#proven;
  }

  /** Position of the first byte that does not count yet. */
  get #acceptedBytes(): number {
    return this.#received - this.#filled + this.#accepted;
  }

  /** Lets count what may. @throws SwarmError PEER_CORRUPT, PEER_TAINTED */
  #accept(): void {
    try {
      if (this.#deps.checks === undefined) this.#proven = this.#filled;
      else while (this.#proven < this.#filled && this.#prove(this.#deps.checks));
    } finally {
      const accepted = Math.max(this.#accepted, this.#proven);
      this.#pendingBytes += accepted - this.#accepted;
      this.#accepted = accepted;
    }
  }

  /** @returns whether there was progress */
  #prove(checks: ShardChecks): boolean {
    const { sizeBytes, shardBytes, startBytes } = this.#spec;
    const at = this.#provenBytes;
    const shard = shardAt(at, shardBytes);
    const end = Math.min(this.#filled, this.#proven + shardEnd(shard, sizeBytes, shardBytes) - at);
    const check = checks.find(shard);
    if (check === undefined) return false;
    const bytes = check === "none" ? end - this.#proven : this.#check(check, end, at < startBytes);
    this.#proven += bytes;
    return bytes > 0;
  }

  /** Who sends now is not to blame for bytes that were there before. */
  #check(check: Exclude<ProofState, "none" | undefined>, end: number, isOld: boolean): number {
    try {
      return check.check(this.#buffer.subarray(this.#proven, end));
    } catch (error) {
      if (!isOld || !(error instanceof SwarmError) || error.code !== "PEER_CORRUPT") throw error;
      throw new SwarmError("PEER_TAINTED", `what was there before: ${error.message}`);
    }
  }

  /** A proof came, or it is known that none will. Somebody may be filling the target: it is changed only where he was told to wait. */
  #goOn(): void {
    if (this.#fault !== undefined) return;
    try {
      this.#accept();
    } catch (error) {
      this.#fault = error as SwarmError;
      this.#deps.onFault(this.#fault);
    }
    if (this.#wakeHeld !== undefined && (this.#fault !== undefined || this.#hasRoom())) {
      this.#wakeHeld();
      this.#wakeHeld = undefined;
    }
    if (this.#fault === undefined && this.#pendingBytes > 0) this.#writeIfWorthIt();
  }

  /** Takes a new buffer where this one is spent. */
  #hasRoom(): boolean {
    return !this.#deps.buffers.isSpent(this.#buffer, this.#filled) || this.#turn();
  }

  /** Hashes what of the buffer counts and is not hashed yet. */
  #hash(): void {
    const { sizeBytes, shardBytes } = this.#spec;
    let rest = this.#buffer.subarray(this.#hashed, this.#accepted);
    let position = this.#acceptedBytes - rest.length;
    this.#hashed = this.#accepted;
    while (rest.length > 0) {
      const room = shardEnd(shardAt(position, shardBytes), sizeBytes, shardBytes) - position;
      const piece = rest.length <= room ? rest : rest.subarray(0, room);
      rest = rest.subarray(piece.length);
      this.#hasher.update(piece);
      position += piece.length;
      if (piece.length < room) continue;
      this.#marks.push({ positionBytes: position, hash: this.#hasher.digest() });
      this.#hasher = this.#deps.newHasher();
    }
  }

  /** Hashes what counts and puts it with what the disk is to have next. */
  #hand(): void {
    this.#hash();
    if (this.#accepted > this.#handed) this.#pending.push(this.#buffer.subarray(this.#handed, this.#accepted));
    this.#handed = this.#accepted;
  }

  /**
   * The next buffer; this one goes back once what is in it is written. A chunk that is not whole goes along: it is proven in one piece.
   *
   * @returns false when there is too much to take along: nothing more can come before a proof has
   */
  #turn(): boolean {
    const rest = this.#buffer.subarray(this.#proven, this.#filled);
    const next = this.#deps.buffers.take(this.#largestRead);
    if (rest.length > next.length / 2) {
      this.#deps.buffers.give(next);
      return false;
    }
    this.#hand();
    next.set(rest);
    this.#full.push(this.#buffer);
    this.#buffer = next;
    this.#largestRead = 0;
    this.#filled = rest.length;
    // Of a chunk that began before this order, the first part is in the file already.
    this.#accepted -= this.#proven;
    this.#hashed = this.#accepted;
    this.#handed = this.#accepted;
    this.#proven = 0;
    return true;
  }

  #writeIfWorthIt(): void {
    if (this.#writing !== undefined) return;
    if (this.#pendingBytes >= this.#mostPendingBytes * WRITE_PART || this.#acceptedBytes === this.#spec.endBytes)
      this.#startWriting();
    else this.#linger ??= setTimeout(() => this.#startWriting(), LINGER_MS);
  }

  #startWriting(): void {
    clearTimeout(this.#linger);
    this.#linger = undefined;
    if (this.#writing !== undefined || this.#pendingBytes === 0 || this.#fault !== undefined) return;
    this.#hand();
    const [chunks, bytes, marks, full] = [this.#pending, this.#pendingBytes, this.#marks, this.#full];
    if (marks.at(-1)?.positionBytes !== this.#acceptedBytes) {
      marks.push({ positionBytes: this.#acceptedBytes, hash: this.#hasher.digest() });
    }
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#marks = [];
    this.#full = [];
    this.#writing = this.#writeAll(chunks, bytes)
      .then(() => this.#noteWritten(bytes, marks))
      .catch((error) => this.#fail(error))
      .finally(() => {
        for (const buffer of full) this.#deps.buffers.give(buffer);
        this.#writing = undefined;
        this.#wakeSource?.();
        this.#wakeSource = undefined;
        if (this.#pendingBytes > 0) this.#writeIfWorthIt();
      });
  }

  async #writeAll(chunks: readonly Buffer[], bytes: number): Promise<void> {
    const { sizeBytes, shardBytes } = this.#spec;
    let rest = chunks;
    for (let done = 0; done < bytes; ) {
      const at = this.#written + done;
      const shard = shardAt(at, shardBytes);
      const length = Math.min(bytes - done, shardEnd(shard, sizeBytes, shardBytes) - at);
      await this.#writeInShard(shard, at, length < bytes - done ? firstBytes(rest, length) : rest, length);
      done += length;
      if (done < bytes) rest = skipBytes(rest, length);
    }
  }

  /** What counts already, because another source was faster, stays as it is: somebody may have read it. */
  async #writeInShard(shard: number, positionBytes: number, chunks: readonly Buffer[], bytes: number): Promise<void> {
    const { owner, shardBytes } = this.#spec;
    while (!this.#claims.tryTake(shard, owner)) await sleep(CLAIM_RETRY_MS);
    try {
      const offset = positionBytes - shardStart(shard, shardBytes);
      let done = Math.max(0, this.#claims.countedBytes(shard) - offset);
      for (let rest = skipBytes(chunks, done); done < bytes; ) {
        const written = await writeSome(this.#fd, rest, positionBytes + done);
        this.#claims.count(shard, offset + done, offset + done + written);
        done += written;
        if (done < bytes) rest = skipBytes(rest, written);
      }
    } finally {
      this.#claims.release(shard, owner);
    }
  }

  #noteWritten(bytes: number, marks: readonly Mark[]): void {
    this.#written += bytes;
    for (const mark of marks) {
      this.#untold = mark;
      this.#tell(this.#isShardEnd(mark.positionBytes));
    }
  }

  /** What is not due yet is told a moment later, if nothing newer comes before. */
  #tell(isDue: boolean): void {
    const mark = this.#untold;
    if (mark === undefined) return;
    const gapMs = this.#toldAtMs + REPORT_GAP_MS - performance.now();
    if (!isDue && gapMs > 0) {
      this.#tellLater ??= setTimeout(() => this.#tell(true), gapMs);
      return;
    }
    clearTimeout(this.#tellLater);
    this.#tellLater = undefined;
    this.#untold = undefined;
    this.#toldAtMs = performance.now();
    this.#deps.onWritten(mark.positionBytes, mark.hash);
  }

  #isShardEnd(positionBytes: number): boolean {
    const { sizeBytes, shardBytes } = this.#spec;
    return positionBytes === sizeBytes || positionBytes % shardBytes === 0;
  }

  #fail(error: unknown): void {
    this.#fault = toFileError("write", this.#spec.path, error);
    this.#deps.onFault(this.#fault);
  }

  /** What is there of the first shard comes into its hash; and is held against its proof, like what will come. */
  async #rehash(): Promise<void> {
    const { startBytes, shardBytes, path } = this.#spec;
    const shard = shardAt(startBytes, shardBytes);
    let at = shardStart(shard, shardBytes);
    if (at === startBytes) return;
    const { size } = await statFile(this.#fd);
    if (size < startBytes) throw new SwarmError("STORE_FAULT", `${path} ends at byte ${size}, before ${startBytes}`);
    await this.#deps.checks?.decided(shard);
    const check = this.#deps.checks?.find(shard);
    let keptBytes = 0;
    while (at < startBytes) {
      const wanted = Math.min(this.#buffer.length - keptBytes, startBytes - at);
      const { bytesRead } = await readFile(this.#fd, this.#buffer, keptBytes, wanted, at).catch((error) =>
        Promise.reject(toFileError("read", path, error)),
      );
      if (bytesRead === 0) throw new SwarmError("STORE_FAULT", `${path} was cut short at byte ${at}`);
      this.#hasher.update(this.#buffer.subarray(keptBytes, keptBytes + bytesRead));
      at += bytesRead;
      if (check === undefined || check === "none") continue;
      const proven = this.#check(check, keptBytes + bytesRead, true);
      this.#buffer.copyWithin(0, proven, keptBytes + bytesRead);
      keptBytes += bytesRead - proven;
    }
    this.#filled = keptBytes;
    this.#accepted = keptBytes;
    this.#hashed = keptBytes;
    this.#handed = keptBytes;
  }
}

function writeSome(fd: number, chunks: readonly Buffer[], positionBytes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    writev(fd, chunks as Buffer[], positionBytes, (error, written) => (error ? reject(error) : resolve(written)));
  });
}

function firstBytes(chunks: readonly Buffer[], bytes: number): Buffer[] {
  let left = bytes;
  const first: Buffer[] = [];
  for (const chunk of chunks) {
    if (left > 0) first.push(chunk.length <= left ? chunk : chunk.subarray(0, left));
    left -= chunk.length;
  }
  return first;
}

function skipBytes(chunks: readonly Buffer[], bytes: number): Buffer[] {
  let left = bytes;
  const rest: Buffer[] = [];
  for (const chunk of chunks) {
    if (left >= chunk.length) left -= chunk.length;
    else {
      rest.push(left === 0 ? chunk : chunk.subarray(left));
      left = 0;
    }
  }
  return rest;
}

function toFileError(what: string, path: string, cause: unknown): SwarmError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const isFull = code === "ENOSPC" || code === "EDQUOT";
  return new SwarmError(isFull ? "NO_SPACE" : "STORE_FAULT", `could not ${what} ${path}: ${message}`, {
    cause,
    hint: isFull ? "Free some space there; what was fetched is kept." : "Check that the disk of the cache answers.",
  });
}
