import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import fc from "fast-check";
import { type Claim, foldRecords, Journal, readJournal } from "./journal.js";
import { decodeRecords, encodeRecord, type JournalHeader, type JournalRecord } from "./journal-records.js";

const SHARDS = 5;
const SHARD_BYTES = 100;
const header: JournalHeader = {
  blob: `sha256:${"a".repeat(64)}`,
  sizeBytes: SHARDS * SHARD_BYTES - 50,
  shardBytes: SHARD_BYTES,
  path: "/x",
  inode: "1",
  repo: "org/name",
};

/** A hash that says what it stands for, so that a claim can be held against the truth. */
function hashFor(shard: number, bytes: number): Uint8Array {
  return Buffer.alloc(32, shard * 31 + bytes);
}

function checked(shard: number): JournalRecord {
  return { type: "checked", shard, hash: hashFor(shard, SHARD_BYTES) };
}

function watermark(shard: number, watermarkBytes: number): JournalRecord {
  return { type: "watermark", shard, watermarkBytes, hash: hashFor(shard, watermarkBytes) };
}

function fold(...records: JournalRecord[]): { durable: number[]; doubtful: number[] } | undefined {
  const claims = foldRecords([{ type: "header", header }, ...records]);
  return claims && { durable: [...claims.durable.keys()], doubtful: [...claims.doubtful.keys()] };
}

describe("folding records", () => {
  for (const { id, records, durable, doubtful } of [
    { id: "nothing noted", records: [], durable: [], doubtful: [] },
    { id: "a note without a mark is doubtful", records: [checked(0)], durable: [], doubtful: [0] },
    {
      id: "a note before the mark's count is durable, a later one is not",
      records: [checked(0), checked(1), { type: "durable", records: 2 }],
      durable: [0],
      doubtful: [1],
    },
    {
      id: "a mark that counts more than there is covers what is before it",
      records: [checked(0), { type: "durable", records: 99 }, checked(1)],
      durable: [0],
      doubtful: [1],
    },
    {
      id: "what was dropped is gone, durable or not",
      records: [checked(0), { type: "durable", records: 2 }, checked(1), { type: "dropped", shard: 0 }],
      durable: [],
      doubtful: [1],
    },
    {
      id: "a shard beyond the end, and watermarks of nothing or too much, are no claims",
      records: [checked(5), watermark(0, 0), watermark(1, 101), watermark(4, 51)],
      durable: [],
      doubtful: [],
    },
  ] as { id: string; records: JournalRecord[]; durable: number[]; doubtful: number[] }[]) {
    test(id, () => assert.deepEqual(fold(...records), { durable, doubtful }));
  }

  test("a later watermark is held beside the durable one", () => {
    const records: JournalRecord[] = [watermark(0, 10), { type: "durable", records: 2 }, watermark(0, 20)];
    const claims = foldRecords([{ type: "header", header }, ...records]);
    assert.equal(claims?.durable.get(0)?.bytes, 10);
    assert.equal(claims?.doubtful.get(0)?.bytes, 20);
  });

  test("without a header there is no journal", () => {
    assert.equal(foldRecords([]), undefined);
    assert.equal(foldRecords([checked(0)]), undefined);
  });
});

const shard = fc.nat({ max: SHARDS });
const record: fc.Arbitrary<JournalRecord> = fc.oneof(
  shard.map(checked),
  fc.tuple(shard, fc.nat({ max: SHARD_BYTES + 1 })).map(([at, bytes]) => watermark(at, bytes)),
  shard.map((at): JournalRecord => ({ type: "dropped", shard: at })),
  fc.nat({ max: 20 }).map((records): JournalRecord => ({ type: "durable", records })),
);

/** Every claim that the whole, unharmed log ever made, as `shard:bytes:hash`. */
function truths(records: readonly JournalRecord[]): Set<string> {
  const all = new Set<string>();
  for (const [index] of records.entries()) {
    const claims = foldRecords(records.slice(0, index + 1));
    for (const claim of [...(claims?.durable.values() ?? []), ...(claims?.doubtful.values() ?? [])])
      all.add(name(claim));
  }
  return all;
}

function name({ shard, bytes, hash }: Claim): string {
  return `${shard}:${bytes}:${Buffer.from(hash).toString("hex")}`;
}

describe("a log that was harmed", () => {
  test("records survive their encoding", () => {
    fc.assert(
      fc.property(fc.array(record), (records) => {
        const all: JournalRecord[] = [{ type: "header", header }, ...records];
        const decoded = decodeRecords(Buffer.concat(all.map(encodeRecord)));
        assert.deepEqual(JSON.parse(JSON.stringify(decoded)), JSON.parse(JSON.stringify(all.map(withBuffer))));
      }),
    );
  });

  test("cut anywhere, it says what the log said at some moment before", () => {
    fc.assert(
      fc.property(fc.array(record), fc.double({ min: 0, max: 1, noNaN: true }), (records, where) => {
        const all: JournalRecord[] = [{ type: "header", header }, ...records];
        const bytes = Buffer.concat(all.map(encodeRecord));
        const decoded = decodeRecords(bytes.subarray(0, Math.floor(bytes.length * where)));
        assert.ok(decoded.length <= all.length);
        assert.deepEqual(
          foldRecords(decoded),
          foldRecords(decoded.length === 0 ? [] : withBuffers(all).slice(0, decoded.length)),
        );
      }),
    );
  });

  test("with any bytes changed, it never claims what was never claimed", () => {
    const harm = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.array(record), harm, (records, changes) => {
        const all: JournalRecord[] = [{ type: "header", header }, ...records];
        const bytes = Buffer.concat(all.map(encodeRecord));
        for (const [at, change] of changes) bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ change;
        const claims = foldRecords(decodeRecords(bytes));
        const true_ = truths(all);
        for (const claim of [...(claims?.durable.values() ?? []), ...(claims?.doubtful.values() ?? [])]) {
          assert.ok(true_.has(name(claim)), `claims ${name(claim)}`);
        }
      }),
    );
  });

  test("of any bytes at all, nothing is thrown", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => void foldRecords(decodeRecords(Buffer.from(bytes)))),
    );
  });
});

function withBuffer(record: JournalRecord): JournalRecord {
  return "hash" in record ? { ...record, hash: Buffer.from(record.hash) } : record;
}

function withBuffers(records: readonly JournalRecord[]): JournalRecord[] {
  return records.map(withBuffer);
}

describe("a journal on disk", () => {
  let folder: string;
  let path: string;
  let faults: unknown[];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "swarmd-journal-"));
    path = join(folder, "deep", "a.journal");
    faults = [];
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  function openJournal(durable: Iterable<Claim> = [], doubtful: Iterable<Claim> = []): Promise<Journal> {
    return Journal.open({ path, header, durable, doubtful, onFault: (error) => faults.push(error) });
  }
  const claim = (at: number, bytes = SHARD_BYTES): Claim => ({ shard: at, bytes, hash: hashFor(at, bytes) });

  test("keeps what it is opened with, as durable as it was", async () => {
    const journal = await openJournal([claim(0), claim(4, 50)], [claim(2, 10)]);
    await journal.close();
    const claims = await readJournal(path);
    assert.deepEqual([...(claims?.durable.keys() ?? [])], [0, 4]);
    assert.deepEqual([...(claims?.doubtful.keys() ?? [])], [2]);
    assert.deepEqual(claims?.header, header);
  });

  test("writes only the last note of a burst per shard", async () => {
    const journal = await openJournal();
    for (let bytes = 1; bytes < SHARD_BYTES; bytes++) journal.note(claim(0, bytes));
    assert.equal(await journal.flush(), 3, "header, mark, and one note");
    await journal.close();
    assert.equal((await readJournal(path))?.doubtful.get(0)?.bytes, SHARD_BYTES - 1);
  });

  test("writes a whole shard without waiting for a burst to end", async () => {
    const journal = await openJournal();
    journal.note(claim(0));
    while ((await readJournal(path))?.doubtful.size === 0) await new Promise(setImmediate);
    await journal.close();
  });

  test("notes between a flush and its mark stay doubtful", async () => {
    const journal = await openJournal();
    journal.note(claim(0));
    const records = await journal.flush();
    journal.note(claim(1));
    await journal.flush();
    await journal.markDurable(records);
    await journal.close();
    const claims = await readJournal(path);
    assert.deepEqual([...(claims?.durable.keys() ?? [])], [0]);
    assert.deepEqual([...(claims?.doubtful.keys() ?? [])], [1]);
  });

  test("is gone after its removal, and no late note brings it back", async () => {
    const journal = await openJournal();
    journal.note(claim(0));
    await journal.remove();
    journal.note(claim(1));
    await journal.flush();
    await assert.rejects(readFile(path), { code: "ENOENT" });
    assert.deepEqual(faults, []);
  });

  test("one that makes no sense counts as none", async () => {
    const journal = await openJournal([claim(0)]);
    await journal.close();
    await writeFile(path, "not a journal");
    assert.equal(await readJournal(path), undefined);
    assert.equal(await readJournal(join(folder, "none")), undefined);
  });
});
