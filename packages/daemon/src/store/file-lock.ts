/**
 * Locks between processes. Where the file system has `flock`, they exclude huggingface_hub too; elsewhere a file beside the
 * lock file, made by whoever is first, keeps at least several swarmd apart.
 */
import { type FileHandle, mkdir, open, readFile, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { EventLog } from "../observe/events.js";
import { errnoOf, throwIfAborted, toStoreError } from "./disk-faults.js";
import { type Flock, loadFlock } from "./flock.js";

export interface FileLock {
  /** May be called twice. */
  release(): Promise<void>;
}

/** A blocking flock can't be called off, so the lock is tried again and again; a download that holds it takes seconds at least. */
const POLL_MS = 100;
/** As huggingface_hub makes its lock files. */
const LOCK_MODE = 0o664;

export class FileLocks {
  readonly #events: EventLog;
  readonly #loadFlock: () => Promise<Flock | undefined>;
  #hasWarned = false;

  constructor(deps: { readonly events: EventLog; readonly loadFlock?: () => Promise<Flock | undefined> }) {
    this.#events = deps.events;
    this.#loadFlock = deps.loadFlock ?? loadFlock;
  }

  /** Waits for the lock. @throws SwarmError INTERRUPTED on abort, STORE_FAULT when the lock file can't be made. */
  async lock(path: string, { signal }: { readonly signal: AbortSignal }): Promise<FileLock> {
    for (let tries = 0; ; tries++) {
      throwIfAborted(signal);
      const lock = await this.tryLock(path);
      if (lock !== undefined) return lock;
      if (tries === 0) this.#events.emit({ type: "store.lock-wait", path });
      await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** `undefined` when somebody else holds it. */
  async tryLock(path: string): Promise<FileLock | undefined> {
    try {
      await mkdir(dirname(path), { recursive: true });
      return await this.#tryFlock(path);
    } catch (error) {
      throw toStoreError(error, "lock", path);
    }
  }

  async #tryFlock(path: string): Promise<FileLock | undefined> {
    const flock = await this.#loadFlock();
    if (flock === undefined) return this.#trySoftLock(path, "no flock on this platform");
    // Like "a+": made if missing, never cut short.
    const file = await open(path, "a+", LOCK_MODE);
    let isOurs = false;
    try {
      isOurs = flock.tryLock(file.fd) && (await isStillThere(file, path));
    } catch (error) {
      await file.close();
      return this.#trySoftLock(path, String(error));
    }
    if (isOurs) return toLock(() => file.close());
    await file.close();
    return undefined;
  }

  async #trySoftLock(path: string, reason: string): Promise<FileLock | undefined> {
    if (!this.#hasWarned) this.#events.emit({ type: "store.soft-locks", path, reason });
    this.#hasWarned = true;
    const softPath = `${path}.swarmd`;
    try {
      const file = await open(softPath, "wx", LOCK_MODE);
      await file.writeFile(`${process.pid} ${hostname()}`);
      await file.close();
      return toLock(() => rm(softPath, { force: true }));
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
      if (await isAbandoned(softPath)) await rm(softPath, { force: true });
      return undefined;
    }
  }
}

/** A lock on a file that was deleted meanwhile excludes nobody: try again with the new one. */
async function isStillThere(file: FileHandle, path: string): Promise<boolean> {
  const [ours, named] = await Promise.all([file.stat(), stat(path).catch(() => undefined)]);
  return named !== undefined && ours.ino === named.ino && ours.dev === named.dev;
}

/** Whether the process that made this soft lock is gone. Another machine's can't be asked. */
async function isAbandoned(softPath: string): Promise<boolean> {
  const [pid, host] = (await readFile(softPath, "utf8").catch(() => "")).split(" ");
  return host === hostname() && !isAlive(Number(pid));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === "EPERM";
  }
}

function toLock(free: () => Promise<void>): FileLock {
  let freed: Promise<void> | undefined;
  return {
    release: () => {
      freed ??= free();
      return freed;
    },
  };
}
