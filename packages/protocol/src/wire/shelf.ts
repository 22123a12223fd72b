/**
 * What a node says of the repos it has whole, by name: the answer to "who has org/model?". Only repos that are for everybody who can hear
 * it: those that the origin calls public, and those published here.
 *
 * ```
 * version u8 · full u8 · epoch u64 · sequence u64 · entries u16 × (repo u8+text · commit 20 bytes · files u32 · bytes u64 ·
 * publication u16+bytes) · gone u16 × (repo u8+text · commit 20 bytes)
 * ```
 */
import { type CommitId, formatRepo, parseCommitId, type RepoRef } from "../ids.js";
import { bytesToHex, hexToBytes } from "./blob-bytes.js";
import { FieldReader, FieldWriter } from "./byte-fields.js";
import { decodePublication, encodePublication, type Publication, readRepo } from "./publication.js";

/** One repo at one commit. */
export interface ShelfEntry {
  readonly repo: RepoRef;
  readonly commit: CommitId;
  readonly files: number;
  readonly bytes: number;
  /** Where it comes from, if no origin has it. Its signature has not been checked. */
  readonly publication: Publication | undefined;
}

export interface ShelfNews {
  /** Rises with every start of the node. */
  readonly epoch: number;
  /** Rises with every message of an epoch: an older one is out of date. */
  readonly sequence: number;
  /** All that there is, rather than what is new. */
  readonly isFull: boolean;
  readonly entries: readonly ShelfEntry[];
  readonly gone: readonly Pick<ShelfEntry, "repo" | "commit">[];
}

const VERSION = 1;
/** A message of entries at their longest stays below {@link SHELF_BYTES_MAX}. */
export const SHELF_ENTRIES_MAX = 128;
export const SHELF_BYTES_MAX = 256 * 1024;

/** @throws RangeError for more than a message holds */
export function encodeShelfNews({ epoch, sequence, isFull, entries, gone }: ShelfNews): Uint8Array {
  if (entries.length > SHELF_ENTRIES_MAX || gone.length > SHELF_ENTRIES_MAX) throw new RangeError("too many entries");
  const writer = new FieldWriter()
    .number(VERSION, 1)
    .number(isFull ? 1 : 0, 1)
    .number(epoch, 8)
    .number(sequence, 8);
  writer.number(entries.length, 2);
  for (const { repo, commit, files, bytes, publication } of entries) {
    const signed = publication === undefined ? new Uint8Array(0) : encodePublication(publication);
    writer.text(formatRepo(repo), 1).raw(hexToBytes(commit)).number(files, 4).number(bytes, 8);
    writer.number(signed.length, 2).raw(signed);
  }
  writer.number(gone.length, 2);
  for (const { repo, commit } of gone) writer.text(formatRepo(repo), 1).raw(hexToBytes(commit));
  return writer.finish();
}

/** @throws SwarmError PEER_FAULT */
export function decodeShelfNews(bytes: Uint8Array): ShelfNews {
  const reader = new FieldReader(bytes, "shelf news");
  if (bytes.length > SHELF_BYTES_MAX) throw reader.fault(`${bytes.length} bytes`);
  const version = reader.number(1);
  if (version !== VERSION) throw reader.fault(`version ${version}, which this program does not know`);
  const full = reader.number(1);
  if (full > 1) throw reader.fault("a switch that is neither on nor off");
  const [epoch, sequence] = [reader.number(8), reader.number(8)];
  const entries = readMany(reader, () => readEntry(reader));
  const gone = readMany(reader, () => ({ repo: readRepo(reader), commit: readCommit(reader) }));
  reader.end();
  return { epoch, sequence, isFull: full === 1, entries, gone };
}

function readMany<Value>(reader: FieldReader, read: () => Value): readonly Value[] {
  const count = reader.number(2);
  if (count > SHELF_ENTRIES_MAX) throw reader.fault(`${count} entries`);
  return Array.from({ length: count }, read);
}

function readEntry(reader: FieldReader): ShelfEntry {
  const repo = readRepo(reader);
  const commit = readCommit(reader);
  const [files, bytes] = [reader.number(4), reader.number(8)];
  const signed = reader.raw(reader.number(2));
  const publication = signed.length === 0 ? undefined : decodePublication(signed);
  const isSame = publication === undefined || isAbout(publication, repo, commit);
  if (!isSame) throw reader.fault("a publication of something else");
  return { repo, commit, files, bytes, publication };
}

function isAbout(publication: Publication, repo: RepoRef, commit: CommitId): boolean {
  return formatRepo(publication.repo) === formatRepo(repo) && publication.commit === commit;
}

function readCommit(reader: FieldReader): CommitId {
  return parseCommitId(bytesToHex(reader.raw(20)));
}
