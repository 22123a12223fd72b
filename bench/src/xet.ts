import { createHash, randomFillSync } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readSync, rmSync, statSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadBlake3 } from "@swarmd/daemon/verify/shard-hasher";
import { proveRange } from "@swarmd/daemon/verify/xet/proof";
import { type Anchor, decodeProof, encodeProof } from "@swarmd/daemon/verify/xet/proof-codec";
import { loadRangeChecks, type OpenRangeCheck } from "@swarmd/daemon/verify/xet/range-check";
import { cutFile } from "@swarmd/daemon/verify/xet/tree-build";
import { TreeBuilder } from "@swarmd/daemon/verify/xet/tree-builder";
import { TreeFile } from "@swarmd/daemon/verify/xet/tree-file";
import { formatXetHash, XetHasher } from "@swarmd/daemon/verify/xet/xet-hash";
import { shardCount, shardEnd, shardStart } from "@swarmd/protocol";
import { type Bench, type Figure, median } from "./report.js";

const MIB = 1024 * 1024;
const FILE_BYTES = 512 * MIB;
const ROUNDS = 9;
/** As a lane hands them on. */
const PIECE_BYTES = 256 * 1024;
/** A connection that brings much at once gets buffers of 4 MiB, and the next when half of one is full. */
const LANE_BUFFER_BYTES = 2 * MIB;
const laneBuffer = Buffer.allocUnsafe(LANE_BUFFER_BYTES);

interface Sample {
  readonly path: string;
  readonly treePath: string;
  readonly fd: number;
  readonly anchor: Anchor;
}

function makeSample(folder: string, hasher: XetHasher): Sample {
  const path = join(folder, "file");
  const fd = openSync(path, "w+");
  const block = Buffer.allocUnsafe(16 * MIB);
  for (let at = 0; at < FILE_BYTES; at += block.length) writeSync(fd, randomFillSync(block), 0, block.length, at);
  const steps = cutFile({ fd, sizeBytes: FILE_BYTES }, hasher);
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  const root = step.value.records.finish() as Uint8Array;
  const file = formatXetHash(hasher.hashFile(root));
  return { path, treePath: join(folder, "tree"), fd, anchor: { file, sizeBytes: FILE_BYTES } };
}

function timed(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

/** Processor time, in milliseconds: what the work costs, however busy the machine is with other things. */
function cost(work: () => void): number {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

function readShard(fd: number, shard: number): Buffer {
  const bytes = Buffer.allocUnsafe(shardEnd(shard, FILE_BYTES) - shardStart(shard));
  readSync(fd, bytes, 0, bytes.length, shardStart(shard));
  return bytes;
}

/** As a thread of the direct lane: chunks lie in one piece, and the one that a buffer cuts goes along into the next. */
function checkShard(content: Buffer, open: () => ReturnType<OpenRangeCheck>): void {
  const check = open();
  let [filled, proven] = [0, 0];
  for (let at = 0; at < content.length; at += PIECE_BYTES) {
    filled = Math.min(at + PIECE_BYTES, content.length);
    proven += check.check(content.subarray(proven, filled));
    if (filled % LANE_BUFFER_BYTES === 0) laneBuffer.set(content.subarray(proven, filled));
  }
  if (proven !== content.length) throw new Error("a shard was not proven");
}

function sha256(bytes: Buffer): void {
  const hash = createHash("sha256");
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) hash.update(bytes.subarray(at, at + PIECE_BYTES));
  hash.digest();
}

/** Speed of one worker from the order to the written tree, in GB/s; the file lies in memory, as one that was just received. */
async function treeSpeed({ path, treePath, fd, anchor }: Sample): Promise<Figure> {
  const builder = new TreeBuilder();
  const { signal } = new AbortController();
  const [ours, costs, theirs]: [number[], number[], number[]] = [[], [], []];
  const block = Buffer.allocUnsafe(PIECE_BYTES);
  try {
    for (let round = 0; round <= ROUNDS; round += 1) {
      const [start, before] = [performance.now(), process.cpuUsage()];
      const rule = await builder.build({ ...anchor, path, target: treePath }, { signal });
      if (rule !== "spec") throw new Error(`the tree was not found: ${rule}`);
      ours.push(FILE_BYTES / 1e6 / (performance.now() - start));
      const { user, system } = process.cpuUsage(before);
      costs.push((user + system) / 1000 / (FILE_BYTES / 1e6));
      const hash = createHash("sha256");
      const ms = timed(() => {
        for (let at = 0; at < FILE_BYTES; at += block.length) {
          readSync(fd, block, 0, block.length, at);
          hash.update(block);
        }
      });
      theirs.push(FILE_BYTES / 1e6 / ms);
    }
  } finally {
    await builder.stop();
  }
  // The first round starts the thread and compiles.
  const speed = median(ours.slice(1));
  return {
    what: `xet tree of a finished file of ${FILE_BYTES / MIB} MiB, one worker`,
    measured: `${speed.toFixed(2)} GB/s (best ${Math.max(...ours).toFixed(2)}; ${median(costs.slice(1)).toFixed(2)} CPU-s per GB)`,
    against: `sha256 of it: ${median(theirs.slice(1)).toFixed(2)} GB/s`,
    target: "≥ 1 GB/s",
    reached: speed >= 1,
  };
}

async function makeProofs({ treePath, fd, anchor }: Sample, hasher: XetHasher): Promise<Uint8Array[]> {
  const handle = await open(treePath);
  try {
    const tree = await TreeFile.open(handle, anchor);
    const proofs: Uint8Array[] = [];
    for (let shard = 0; shard < shardCount(FILE_BYTES); shard += 1) {
      const [start, end] = [shardStart(shard), shardEnd(shard, FILE_BYTES)];
      const known = await tree.read(start, end, hasher);
      const proof = await proveRange(known, start, end, async (chunk, part) => {
        const bytes = Buffer.allocUnsafe(chunk.sizeBytes);
        readSync(fd, bytes, 0, bytes.length, chunk.startBytes);
        return hasher.chunkParts.restOf(bytes, part);
      });
      proofs.push(encodeProof(proof));
    }
    return proofs;
  } finally {
    await handle.close();
  }
}

async function proofFigures(
  { fd, anchor }: Sample,
  proofs: readonly Uint8Array[],
  hasher: XetHasher,
): Promise<Figure[]> {
  const openCheck = await loadRangeChecks();
  const { createShardHasher } = await loadBlake3();
  const both: number[] = [];
  const checks: number[] = [];
  const costs: number[] = [];
  for (const [shard, bytes] of proofs.entries()) {
    const content = readShard(fd, shard);
    const [check, proven, hashed, plain]: [number[], number[], number[], number[]] = [[], [], [], []];
    const { file: xetHash, sizeBytes } = anchor;
    const range = { xetHash, sizeBytes, startBytes: shardStart(shard), endBytes: shardEnd(shard, FILE_BYTES) };
    const open = () => openCheck(bytes, { ...range, isForeign: false });
    for (let round = 0; round < ROUNDS; round += 1) {
      check.push(timed(() => decodeProof(bytes, anchor, hasher)));
      proven.push(cost(() => checkShard(content, open)));
      plain.push(
        cost(() => {
          const shardHasher = createShardHasher();
          for (let at = 0; at < content.length; at += PIECE_BYTES)
            shardHasher.update(content.subarray(at, at + PIECE_BYTES));
          shardHasher.digest();
        }),
      );
      hashed.push(cost(() => sha256(content)));
    }
    // Other work on the machine only ever adds: the least of the rounds is what the work itself takes.
    checks.push(Math.min(...check));
    costs.push(Math.min(...proven) / Math.min(...hashed));
    both.push((Math.min(...proven) + Math.min(...plain)) / Math.min(...hashed));
  }
  const sizes = proofs.map(({ length }) => length);
  const [largest, slowest, share] = [Math.max(...sizes), Math.max(...checks), median(costs)];
  const many = `${proofs.length} shards`;
  return [
    {
      what: `proof of a 16 MiB shard, size (${many})`,
      measured: `median ${(median(sizes) / 1000).toFixed(1)} KB, largest ${(largest / 1000).toFixed(1)} KB`,
      target: "≤ 15 KB",
      reached: largest <= 15_000,
    },
    {
      what: `the same, decoded and checked (${many})`,
      measured: `median ${median(checks).toFixed(2)} ms, slowest ${slowest.toFixed(2)} ms`,
      target: "≤ 2 ms",
      reached: slowest <= 2,
    },
    {
      what: "processor time to prove a shard chunk by chunk, its proof included, against its sha256",
      measured: `${share.toFixed(2)} ×`,
      against: `sha256 in the same pieces; with the shard's own BLAKE3, which the journal needs, ${median(both).toFixed(2)} ×`,
      target: "≤ 0.6 ×",
      reached: share <= 0.6,
    },
  ];
}

/** The tree and the proofs of one file of random bytes, which are cut like any other. */
export const xet: Bench = {
  name: "xet",
  about: "the hash tree of a finished file, and the proofs of its shards",
  async run(log) {
    const hasher = await XetHasher.load();
    log(`  BLAKE3: ${hasher.implementation}`);
    const folder = mkdtempSync(join(tmpdir(), "swarmd-bench-xet-"));
    const sample = makeSample(folder, hasher);
    try {
      const speed = await treeSpeed(sample);
      const perGib = (statSync(sample.treePath).size / FILE_BYTES) * 1024;
      log(`  the stored tree has ${perGib.toFixed(2)} MiB per GiB`);
      return [speed, ...(await proofFigures(sample, await makeProofs(sample, hasher), hasher))];
    } finally {
      closeSync(sample.fd);
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
