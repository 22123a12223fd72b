/** One node per state folder: a lock file that names its process, and outlives no process. */
import { randomBytes } from "node:crypto";
import { link, readFile, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SwarmError } from "@swarmd/protocol";

/** Who holds the lock: a daemon, or a command that runs a node of its own for a while. */
export interface LockHolder {
  readonly pid: number;
  /** As it would be typed: `swarmd start`, `swarm pull`. */
  readonly command: string;
  /** Tells this process from a later one with the same pid; only where the system says so (Linux). */
  readonly processStart?: string;
}

export interface StateLock {
  /** Gives the folder free; does nothing the second time. */
  release(): Promise<void>;
}

/** Enough for everybody who starts at the same moment to take their turn at clearing a dead process's lock. */
const MAX_TRIES = 20;
/** Longer than it takes to clear one. */
const TURN_MS = 5;

/**
 * Takes the lock of a state folder, which must exist. The lock of a process that died is cleared.
 *
 * @throws SwarmError STATE_IN_USE that names the process which holds it, STORE_FAULT when the folder can't be written.
 */
export async function acquireStateLock(stateDir: string, command: string): Promise<StateLock> {
  const path = join(stateDir, "swarmd.lock");
  const processStart = await findProcessStart(process.pid);
  const own: LockHolder = { pid: process.pid, command, ...(processStart === undefined ? {} : { processStart }) };
  const content = JSON.stringify(own);
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    await writeFile(draft, content, { mode: 0o600, flag: "wx" });
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      if (await tryLink(draft, path)) return { release: () => releaseLock(path, content) };
      await clearIfDead(path, draft, stateDir);
    }
  } catch (cause) {
    if (cause instanceof SwarmError) throw cause;
    throw new SwarmError("STORE_FAULT", `the state folder ${stateDir} can't be locked: ${(cause as Error).message}`, {
      cause,
      hint: "Is it yours to write? Choose another with --state-dir DIR or SWARM_HOME.",
    });
  } finally {
    await removeIfThere(draft);
  }
  throw new SwarmError("STATE_IN_USE", `other processes keep taking the state folder ${stateDir}`, {
    hint: "Try again in a moment.",
  });
}

/** A link appears whole or not at all, and never over a file that is there. */
async function tryLink(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/**
 * One at a time: whoever finds a dead lock and is slow to remove it would else remove the living one that took its place.
 *
 * @throws SwarmError STATE_IN_USE when the holder lives
 */
async function clearIfDead(path: string, draft: string, stateDir: string): Promise<void> {
  if (!(await isDead(path, stateDir))) return;
  const turn = `${path}.clearing`;
  if (!(await tryLink(draft, turn))) {
    const other = parseHolder((await readIfThere(turn)) ?? "");
    if (other !== undefined && !(await isRunning(other))) await removeIfThere(turn);
    await sleep(TURN_MS);
    return;
  }
  try {
    if (await isDead(path, stateDir)) await removeIfThere(path);
  } finally {
    await removeIfThere(turn);
  }
}

/** @throws SwarmError STATE_IN_USE when the holder lives */
async function isDead(path: string, stateDir: string): Promise<boolean> {
  const content = await readIfThere(path);
  if (content === undefined) return false;
  const holder = parseHolder(content);
  if (holder !== undefined && (await isRunning(holder))) throw stateInUse(stateDir, holder);
  return true;
}

async function releaseLock(path: string, content: string): Promise<void> {
  if ((await readIfThere(path)) === content) await removeIfThere(path);
}

async function isRunning(holder: LockHolder): Promise<boolean> {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const processStart = await findProcessStart(holder.pid);
  return holder.processStart === undefined || processStart === undefined || processStart === holder.processStart;
}

/** Boot and start time of a process, from `/proc`; `undefined` on systems without one. */
async function findProcessStart(pid: number): Promise<string | undefined> {
  const [stat, boot] = await Promise.all([
    readIfThere(`/proc/${pid}/stat`),
    readIfThere("/proc/sys/kernel/random/boot_id"),
  ]);
  // The second field, the command, may hold blanks; it ends at the last parenthesis. Start time is the 22nd field.
  const startTime = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  return startTime === undefined ? undefined : `${boot?.trim() ?? ""} ${startTime}`;
}

function parseHolder(content: string): LockHolder | undefined {
  try {
    const holder = JSON.parse(content) as Partial<LockHolder> | null;
    return Number.isInteger(holder?.pid) && (holder?.pid ?? 0) > 0 ? (holder as LockHolder) : undefined;
  } catch {
    return undefined;
  }
}

function stateInUse(stateDir: string, { pid, command }: LockHolder): SwarmError {
  const hint =
    command === "swarmd start"
      ? "Stop it with swarmd stop, or give this node a state folder of its own with --state-dir."
      : "Wait until it is done, or give this node a state folder of its own with --state-dir.";
  return new SwarmError("STATE_IN_USE", `${command} (process ${pid}) already uses the state folder ${stateDir}`, {
    hint,
  });
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH" || code === "ENOTDIR" || code === "EACCES") return undefined;
    throw error;
  }
}

async function removeIfThere(path: string): Promise<void> {
  await unlink(path).catch(() => undefined);
}
