/** What all figures of the LAN share: how much is moved, where, and how a run is told. */
import { closeSync, existsSync, openSync, readFileSync, rmSync, statfsSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { DoneEvent } from "@swarmd/protocol/api";
import type { LanNode } from "@swarmd/test/lan/lan-node";
import { assertCacheIsSound } from "@swarmd/test/support/cache-checks";
import type { Figure } from "../report.js";

export interface Setting {
  /** Of the repo that is pulled. */
  readonly sizeBytes: number;
  /** Where the nodes' folders are made. */
  readonly parent: string;
  /** Of every cable where one seed feeds all. */
  readonly seedMbit: number;
  readonly log: (line: string) => void;
}

/** Figures that are measured in one run. */
export interface LanFigures {
  /** One letter for each figure, as `--only` takes them. */
  readonly letters: readonly string[];
  readonly about: string;
  run(setting: Setting): Promise<readonly Figure[]>;
}

/** Nothing that is measured here takes so long; what does has failed. */
export const PULL_MS = 15 * 60_000;
export const MEET_MS = 60_000;
const MEMORY_DISK = "/dev/shm";
const TOUCH_BYTES = 4 * 1024 ** 2;

/** Links are measured, not disks: in memory where there is room for it. */
export function findParent(neededBytes: number): string {
  if (!existsSync(MEMORY_DISK)) return tmpdir();
  const { bavail, bsize } = statfsSync(MEMORY_DISK);
  return bavail * bsize > neededBytes ? MEMORY_DISK : tmpdir();
}

/**
 * Uses so much memory once and gives it back. The host of a virtual machine hands memory out when it is first touched, which takes ten times
 * as long as writing to it: without this, the first figure would pay for that and the second would not.
 *
 * @param parent as found by {@link findParent}; a folder on a disk is left alone.
 */
export function touchMemory(parent: string, bytes: number): void {
  if (parent !== MEMORY_DISK) return;
  const path = join(parent, `swarmd-touch-${process.pid}`);
  const zeros = Buffer.alloc(TOUCH_BYTES);
  const file = openSync(path, "w");
  try {
    for (let done = 0; done < bytes; done += zeros.length) writeSync(file, zeros);
  } finally {
    closeSync(file);
    rmSync(path);
  }
}

export interface Timed<Value> {
  readonly value: Value;
  readonly elapsedMs: number;
  readonly cores: CoresUse;
}

export async function timed<Value>(work: () => Promise<Value>): Promise<Timed<Value>> {
  const cores = watchCores();
  const startMs = performance.now();
  const value = await work();
  return { value, elapsedMs: performance.now() - startMs, cores: cores() };
}

/** Node's own log when something goes wrong on the way is the first thing that one wants to read. */
export async function pullAll(nodes: readonly LanNode[], repo: string): Promise<readonly DoneEvent[]> {
  return await Promise.all(
    nodes.map((node) =>
      node.pull(repo, PULL_MS).catch((error: Error) => {
        throw new Error(`${node.host.name}: ${error.message}\n${node.log().slice(-2_000)}`);
      }),
    ),
  );
}

/** Reads back every file of every node. @throws AssertionError when one is wrong or missing */
export async function checkFiles(nodes: readonly LanNode[], expected: number): Promise<void> {
  for (const node of nodes) {
    const blobs = await assertCacheIsSound(node.cacheDir);
    if (blobs < expected) throw new Error(`${node.host.name} has ${blobs} of ${expected} files`);
  }
}

/** How the time of all cores was spent, each 0 to 1. */
export interface CoresUse {
  /** Whoever was busy. */
  readonly busy: number;
  /** Wanted, and given to somebody else by the host of this virtual machine: what was measured then is not ours alone. */
  readonly stolen: number;
}

/** The cores' time since the function was made. */
export function watchCores(): () => CoresUse {
  const read = () => {
    const [cores = ""] = readFileSync("/proc/stat", "utf8").split("\n");
    const fields = cores.trim().split(/\s+/).slice(1, 9).map(Number);
    const idle = (fields[3] ?? 0) + (fields[4] ?? 0);
    return { idle, stolen: fields[7] ?? 0, all: fields.reduce((sum, field) => sum + field, 0) };
  };
  const before = read();
  return () => {
    const now = read();
    const all = Math.max(1, now.all - before.all);
    return { busy: 1 - (now.idle - before.idle) / all, stolen: (now.stolen - before.stolen) / all };
  };
}

export function describeCores({ busy, stolen }: CoresUse): string {
  return `cores ${percent(busy)} busy, ${percent(stolen)} stolen`;
}

export function percent(part: number): string {
  return `${(100 * part).toFixed(part < 0.1 ? 1 : 0)} %`;
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** Until something holds. @throws Error when it does not, in time */
export async function until(holds: () => boolean | Promise<boolean>, what: string, deadlineMs: number): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`${what}: not within ${deadlineMs} ms`);
    await sleep(20);
  }
}
