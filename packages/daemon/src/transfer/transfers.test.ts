import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { type BlobId, SwarmError } from "@swarmd/protocol";
import fc from "fast-check";
import type { ByteSink, Checked, FileLoan, RangeSource, ShardHasher, ShardJudge, ShardSink } from "./ports.js";
import { type TransferReport, Transfers } from "./transfers.js";

const BLOB = `sha256:${"a".repeat(64)}` as BlobId;

/** A staging file in memory that also remembers what the journal was told. */
class MemorySink implements ShardSink {
  readonly path = "";
  readonly bytes: Buffer;
  readonly notes: string[] = [];
  failAfter = Number.POSITIVE_INFINITY;

  constructor(
    readonly sizeBytes: number,
    readonly shardBytes: number,
  ) {
    this.bytes = Buffer.alloc(sizeBytes);
  }

  async write(positionBytes: number, chunks: readonly Uint8Array[]): Promise<void> {
    await Promise.resolve();
    let at = positionBytes;
    for (const chunk of chunks) {
      if (at + chunk.length > this.failAfter) throw new SwarmError("NO_SPACE", "the disk is full");
      this.bytes.set(chunk, at);
      at += chunk.length;
    }
  }

  async read(positionBytes: number, target: Uint8Array): Promise<void> {
    this.bytes.copy(target, 0, positionBytes);
  }

  lend(): FileLoan {
    return { claims: new SharedArrayBuffer(0), owner: 2, end: () => undefined };
  }

  noteFilled(): void {}

  noteWatermark(shard: number, watermarkBytes: number, hash: Uint8Array): void {
    this.notes.push(`${shard} ${watermarkBytes} ${Buffer.from(hash).toString("hex")}`);
  }

  filledUpTo(positionBytes: number): number {
    return positionBytes;
  }

  noteGuest(): void {}

  guests(): readonly [] {
    return [];
  }

  guestRange(): undefined {}

  isChecked(): boolean {
    return false;
  }

  async discard(): Promise<void> {}

  noteChecked({ shard, hash }: Checked): void {
    this.notes.push(`${shard} whole ${Buffer.from(hash).toString("hex")}`);
  }
}

/** What comes from the origin counts; who else comes is not asked for here. */
const judge: ShardJudge = {
  fromOrigin: ({ blob, shard }, hash) => ({ blob, shard, hash }),
  fromProof: () => {
    throw new Error("nobody but the origin is asked");
  },
  open: () => {
    throw new Error("nobody but the origin is asked");
  },
};

function newHasher(): ShardHasher {
  const hash = createHash("sha256");
  return {
    update: (chunk) => void hash.update(chunk),
    digest: () => hash.copy().digest(),
  };
}

/** Serves a blob in chunks of the given sizes, over and over; breaks off after `breakAfter` bytes. */
function sourceOf(content: Buffer, chunkSizes: readonly number[], breakAfter = Number.POSITIVE_INFINITY): RangeSource {
  return {
    async read(_blob: BlobId, startBytes: number, endBytes: number, sink: ByteSink): Promise<void> {
      let at = startBytes;
      for (let i = 0; at < endBytes; i += 1) {
        if (at - startBytes >= breakAfter) throw new SwarmError("ORIGIN_UNREACHABLE", "broke off");
        const size = Math.min(chunkSizes[i % chunkSizes.length] ?? 1, endBytes - at);
        await sink.write(content.subarray(at, at + size));
        at += size;
      }
    },
  };
}

function run(order: {
  sink: MemorySink;
  source: RangeSource;
  startBytes: number;
  endBytes: number;
}): Promise<TransferReport[]> {
  const reports: TransferReport[] = [];
  return new Promise((resolve) => {
    const transfers = new Transfers({
      newHasher,
      judge,
      report: (report) => {
        reports.push(report);
        if (report.type === "ended") resolve(reports);
      },
    });
    transfers.begin({ attempt: 1, blob: BLOB, from: { kind: "origin" }, ...order });
  });
}

function pattern(sizeBytes: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: sizeBytes }, (_, i) => (i * 31 + (i >> 8)) & 255));
}

function sha(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

describe("Transfers", () => {
  it("puts any range in any chunks at its place, and notes every shard with its hash", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          size: fc.integer({ min: 1, max: 5000 }),
          shard: fc.integer({ min: 1, max: 900 }),
          from: fc.nat(5000),
          chunks: fc.array(fc.integer({ min: 1, max: 1500 }), { minLength: 1, maxLength: 6 }),
        }),
        async ({ size, shard, from, chunks }) => {
          const content = pattern(size);
          const sink = new MemorySink(size, shard);
          const startBytes = from % size;
          content.copy(sink.bytes, 0, 0, startBytes);
          const reports = await run({ sink, source: sourceOf(content, chunks), startBytes, endBytes: size });
          assert.deepEqual(sink.bytes, content);
          assert.deepEqual(reports.at(-1), { type: "ended", attempt: 1, positionBytes: size });
          const first = Math.floor(startBytes / shard);
          const expected = Array.from({ length: Math.ceil(size / shard) - first }, (_, i) => first + i);
          assert.deepEqual(
            sink.notes.filter((note) => note.includes("whole")),
            expected.map((i) => `${i} whole ${sha(content.subarray(i * shard, (i + 1) * shard))}`),
          );
          assert.deepEqual(
            reports.flatMap((report) => (report.type === "checked" ? [report.shard] : [])),
            expected,
          );
        },
      ),
      { numRuns: 200 },
    );
  });

  it("keeps what had arrived when the source breaks off", async () => {
    const content = pattern(3000);
    const sink = new MemorySink(3000, 1000);
    const reports = await run({ sink, source: sourceOf(content, [100], 1500), startBytes: 0, endBytes: 3000 });
    const end = reports.at(-1);
    assert.ok(end?.type === "ended");
    assert.equal(end.positionBytes, 1500);
    assert.equal(end.fault?.blame, "origin");
    assert.deepEqual(sink.bytes.subarray(0, 1500), content.subarray(0, 1500));
    assert.ok(sink.notes.includes(`1 500 ${sha(content.subarray(1000, 1500))}`));
  });

  it("says the disk is full, not that the source broke off", async () => {
    const sink = new MemorySink(3000, 1000);
    sink.failAfter = 1200;
    const reports = await run({ sink, source: sourceOf(pattern(3000), [100]), startBytes: 0, endBytes: 3000 });
    const end = reports.at(-1);
    assert.ok(end?.type === "ended");
    assert.equal(end.fault?.code, "NO_SPACE");
    assert.equal(end.positionBytes, 1000);
  });

  it("calls a source that ends early at fault", async () => {
    const sink = new MemorySink(3000, 1000);
    const short = sourceOf(pattern(3000), [100]);
    const source: RangeSource = {
      read: (blob, start, end, to, options) => short.read(blob, start, end - 1, to, options),
    };
    const end = (await run({ sink, source, startBytes: 0, endBytes: 3000 })).at(-1);
    assert.ok(end?.type === "ended");
    assert.equal(end.fault?.code, "ORIGIN_FAULT");
    assert.equal(end.positionBytes, 2999);
  });

  it("ends with INTERRUPTED when it is cancelled, once", async () => {
    const reports: TransferReport[] = [];
    const transfers = new Transfers({ newHasher, judge, report: (report) => reports.push(report) });
    const source: RangeSource = {
      read: (_blob, _start, _end, _sink, { signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(new SwarmError("INTERRUPTED", "stopped")), { once: true });
        }),
    };
    transfers.begin({
      attempt: 7,
      blob: BLOB,
      sink: new MemorySink(10, 10),
      source,
      from: { kind: "origin" },
      startBytes: 0,
      endBytes: 10,
    });
    transfers.cancel(7);
    transfers.cancel(8);
    await transfers.stop();
    assert.equal(reports.length, 1);
    assert.ok(reports[0]?.type === "ended" && reports[0].fault?.code === "INTERRUPTED");
  });

  for (const { id, bytes, reads } of [
    { id: "left without a byte of it", bytes: 0, reads: 0 },
    { id: "left a part of it", bytes: 100, reads: 1 },
  ]) {
    it(`reads a shard again to hash it only if a rival wrote to it: one that ${id}`, async () => {
      const content = pattern(1_000);
      const sink = new MemorySink(1_000, 1_000);
      let readsDone = 0;
      sink.read = async (positionBytes, target) => {
        readsDone += 1;
        sink.bytes.copy(target, 0, positionBytes);
      };
      const ended = new Map<number, () => void>();
      const over = (attempt: number) => new Promise<void>((resolve) => ended.set(attempt, resolve));
      const transfers = new Transfers({
        newHasher,
        judge,
        report: ({ type, attempt }) => {
          if (type === "ended") ended.get(attempt)?.();
        },
      });
      const order = { blob: BLOB, from: { kind: "origin" }, startBytes: 0, endBytes: 1_000, sink } as const;
      let goOn: () => void = () => undefined;
      const held = new Promise<void>((resolve) => {
        goOn = resolve;
      });
      const whole = sourceOf(content, [1_000]);
      const late: RangeSource = {
        read: async (...args) => {
          await held;
          await whole.read(...args);
        },
      };
      const [rivalIsOver, isOver] = [over(1), over(2)];
      transfers.begin({ ...order, attempt: 1, source: sourceOf(content, [100], bytes) });
      transfers.begin({ ...order, attempt: 2, source: late });
      await rivalIsOver;
      goOn();
      await isOver;
      assert.equal(readsDone, reads);
      assert.equal(sink.notes.at(-1), `0 whole ${sha(content)}`);
    });
  }
});
