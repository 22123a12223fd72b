/**
 * What is known of a blob on its way, so that a crash loses next to nothing. An append-only file per blob in the state folder.
 *
 * A claim ("this shard is whole, its BLAKE3 is …") is *durable* once the staging file was synced after it; durable claims are
 * believed after a crash, the others are held against the bytes on disk first (`recheck.ts`). The journal is a help, not a
 * truth: when it can't be written the pull goes on, and only its resume is lost. What is wrong in it the final check finds.
 */
import { type FileHandle, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { shardCount, shardLength } from "@swarmd/protocol";
import {
  decodeRecords,
  encodeRecord,
  type GroundRecord,
  type JournalHeader,
  type JournalRecord,
} from "./journal-records.js";

/** The first `bytes` of a shard hash to `hash`. All of a shard's bytes: it is *checked*. */
export interface Claim {
  readonly shard: number;
  readonly bytes: number;
  readonly hash: Uint8Array;
}

/** What a journal says, sorted by how far it can be believed. Per shard at most one claim in each. */
export interface JournalClaims {
  readonly header: JournalHeader;
  readonly durable: ReadonlyMap<number, Claim>;
  /** Later than the durable claim of the same shard, and to be re-checked. */
  readonly doubtful: ReadonlyMap<number, Claim>;
  /** What whole shards rest on. Not of all: a journal of an earlier version says nothing. */
  readonly grounds: ReadonlyMap<number, GroundRecord>;
  /** Peers whose bytes are in shards that are not whole. */
  readonly guests: ReadonlyMap<number, ReadonlySet<string>>;
}

/** Reads a journal; `undefined` when there is none, or none that makes sense. */
export async function readJournal(path: string): Promise<JournalClaims | undefined> {
  try {
    return foldRecords(decodeRecords(await readFile(path)));
  } catch {
    return undefined;
  }
}

/** Pure. Claims that can't be (a shard beyond the end, a watermark beyond its shard) are left out. */
export function foldRecords(records: readonly JournalRecord[]): JournalClaims | undefined {
  const [first, ...rest] = records;
  if (first?.type !== "header") return undefined;
  const durable = new Map<number, Claim>();
  const doubtful = new Map<number, Claim>();
  const grounds = new Map<number, GroundRecord>();
  const guests = new Map<number, Set<string>>();
  const durableCount = countDurable(records);
  for (const [index, record] of rest.entries()) {
    if (record.type === "dropped") for (const known of [durable, doubtful, grounds, guests]) known.delete(record.shard);
    if (record.type === "ground") grounds.set(record.shard, record.ground);
    if (record.type === "guest") guests.set(record.shard, (guests.get(record.shard) ?? new Set()).add(record.peer));
    const claim = toClaim(record, first.header);
    if (claim === undefined) continue;
    (index + 1 < durableCount ? durable : doubtful).set(claim.shard, claim);
  }
  return { header: first.header, durable, doubtful, grounds, guests };
}

/** How many records, from the first, are durable. A mark can only speak for records before it. */
function countDurable(records: readonly JournalRecord[]): number {
  let count = 0;
  for (const [index, record] of records.entries()) {
    if (record.type === "durable") count = Math.max(count, Math.min(record.records, index));
  }
  return count;
}

function toClaim(record: JournalRecord, header: JournalHeader): Claim | undefined {
  if (record.type !== "checked" && record.type !== "watermark") return undefined;
  const { shard, hash } = record;
  if (shard >= shardCount(header.sizeBytes, header.shardBytes)) return undefined;
  const wholeBytes = shardLength(shard, header.sizeBytes, header.shardBytes);
  const bytes = record.type === "checked" ? wholeBytes : record.watermarkBytes;
  return bytes > 0 && bytes <= wholeBytes ? { shard, bytes, hash } : undefined;
}

function toRecord(claim: Claim, header: JournalHeader): JournalRecord {
  const { shard, bytes, hash } = claim;
  return bytes === shardLength(shard, header.sizeBytes, header.shardBytes)
    ? { type: "checked", shard, hash }
    : { type: "watermark", shard, watermarkBytes: bytes, hash };
}

export interface JournalOptions {
  readonly path: string;
  readonly header: JournalHeader;
  /** What an earlier journal knew and is still believed. */
  readonly durable: Iterable<Claim>;
  readonly doubtful: Iterable<Claim>;
  readonly grounds?: ReadonlyMap<number, GroundRecord>;
  readonly guests?: ReadonlyMap<number, ReadonlySet<string>>;
  /** Called once, when the journal can't be written any more. */
  readonly onFault: (error: unknown) => void;
}

/** Watermarks of one burst go out in one write; what a kill loses of them is what arrives in this time. */
const FLUSH_MS = 20;

/** Writes one blob's journal. A whole shard is noted at once, watermarks within {@link FLUSH_MS}. */
export class Journal {
  readonly path: string;
  readonly #header: JournalHeader;
  readonly #onFault: (error: unknown) => void;
  #handle: FileHandle | undefined;
  /** Waiting to be written: of what is said of a shard's bytes only the latest counts. In this order. */
  readonly #pending = new Map<string, JournalRecord>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #writtenRecords: number;

  private constructor(options: JournalOptions, handle: FileHandle, writtenRecords: number) {
    this.path = options.path;
    this.#header = options.header;
    this.#onFault = options.onFault;
    this.#handle = handle;
    this.#writtenRecords = writtenRecords;
  }

  /** Starts a journal afresh, with what is known already. The old one is replaced in one step. */
  static async open(options: JournalOptions): Promise<Journal> {
    const { path, header } = options;
    const durable = [...options.durable].map((claim) => toRecord(claim, header));
    const doubtful = [...options.doubtful].map((claim) => toRecord(claim, header));
    const records: JournalRecord[] = [
      { type: "header", header },
      ...durable,
      { type: "durable", records: durable.length + 1 },
      ...[...(options.grounds ?? [])].map(([shard, ground]): JournalRecord => ({ type: "ground", shard, ground })),
      ...[...(options.guests ?? [])].flatMap(([shard, peers]) =>
        [...peers].map((peer): JournalRecord => ({ type: "guest", shard, peer })),
      ),
      ...doubtful,
    ];
    await mkdir(dirname(path), { recursive: true });
    const temporary = `${path}.new`;
    const handle = await open(temporary, "w");
    try {
      await handle.writeFile(Buffer.concat(records.map(encodeRecord)));
      await rename(temporary, path);
    } catch (error) {
      await handle.close();
      throw error;
    }
    return new Journal(options, handle, records.length);
  }

  note(claim: Claim): void {
    const record = toRecord(claim, this.#header);
    this.#pend(`${claim.shard}`, record);
    if (record.type === "checked") void this.flush();
  }

  /** To be noted before the shard that rests on it. */
  noteGround(shard: number, ground: GroundRecord): void {
    this.#pend(`ground ${shard}`, { type: "ground", shard, ground });
  }

  /** To be noted before the watermark that it is about. */
  noteGuest(shard: number, peer: string): void {
    this.#pend(`guest ${shard} ${peer}`, { type: "guest", shard, peer });
  }

  noteDropped(shard: number): void {
    for (const [key, record] of this.#pending)
      if ("shard" in record && record.shard === shard) this.#pending.delete(key);
    this.#pend(`${shard}`, { type: "dropped", shard });
  }

  #pend(key: string, record: JournalRecord): void {
    // The latest word on a shard goes behind what else was said of it.
    this.#pending.delete(key);
    this.#pending.set(key, record);
    this.#timer ??= setTimeout(() => void this.flush(), FLUSH_MS).unref();
  }

  /** Writes what has been noted so far, and resolves with the number of records written in all. Never throws. */
  async flush(): Promise<number> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const records = [...this.#pending.values()];
    this.#pending.clear();
    await this.#append(records);
    return this.#writtenRecords;
  }

  /** Notes that the staging file was synced after the first `records` records were written. Never throws. */
  async markDurable(records: number): Promise<void> {
    await this.#append([{ type: "durable", records }]);
    await this.#handle?.datasync().catch((error) => this.#fail(error));
  }

  /** In order, one write at a time. */
  #append(records: readonly JournalRecord[]): Promise<void> {
    if (records.length > 0) this.#writing = this.#writing.then(() => this.#write(records));
    return this.#writing;
  }

  async #write(records: readonly JournalRecord[]): Promise<void> {
    try {
      await this.#handle?.appendFile(Buffer.concat(records.map(encodeRecord)));
      this.#writtenRecords += records.length;
    } catch (error) {
      await this.#fail(error);
    }
  }

  /** A record may be torn now, and nothing after it would be read: stop writing. */
  async #fail(error: unknown): Promise<void> {
    const handle = this.#handle;
    if (handle === undefined) return;
    this.#handle = undefined;
    this.#onFault(error);
    await handle.close().catch(() => undefined);
  }

  async close(): Promise<void> {
    await this.flush();
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  /** The blob is finished or given up: the journal goes. */
  async remove(): Promise<void> {
    clearTimeout(this.#timer);
    this.#pending.clear();
    await this.close();
    await rm(this.path, { force: true });
  }
}
