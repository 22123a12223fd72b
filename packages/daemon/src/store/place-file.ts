/** Puts the content of a blob somewhere else, at the least cost the file system offers: hard link, else reflink, else copy. */
import { randomBytes } from "node:crypto";
import { constants, copyFile, link, lstat, mkdir, open, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errnoOf, throwIfAborted, toStoreError } from "./disk-faults.js";

export type Placement = "unchanged" | "linked" | "copied";

/** One read of each file at a time while two are compared. */
const COMPARE_BYTES = 1024 * 1024;

/**
 * Makes `target` hold what `source` holds, in one step: whoever opens it sees the old file or the new one. A target that is
 * the same already stays as it is.
 *
 * @throws SwarmError NO_SPACE, STORE_FAULT, or INTERRUPTED on abort
 */
export async function placeFile(
  source: string,
  target: string,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Placement> {
  try {
    // A blob may itself be a link (huggingface_hub's shared blobs); what is wanted is the file.
    const real = await realpath(source);
    if (await isSame(real, target, signal)) return "unchanged";
    await mkdir(dirname(target), { recursive: true });
    const temporary = join(dirname(target), `.swarmd-${randomBytes(4).toString("hex")}.tmp`);
    try {
      const placement = await linkOrCopy(real, temporary);
      await rename(temporary, target);
      return placement;
    } finally {
      await rm(temporary, { force: true });
    }
  } catch (error) {
    throw toStoreError(error, "write", target);
  }
}

/** Creates `target`. @throws what the file system throws when even a copy fails. */
export async function linkOrCopy(source: string, target: string): Promise<Placement> {
  try {
    await link(source, target);
    return "linked";
  } catch (error) {
    if (errnoOf(error) === "EEXIST") throw error;
    // Another file system, too many links, or none allowed at all.
    await copyFile(source, target, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    return "copied";
  }
}

async function isSame(source: string, target: string, signal: AbortSignal | undefined): Promise<boolean> {
  const [ours, theirs] = await Promise.all([stat(source), lstat(target).catch(() => undefined)]);
  if (theirs === undefined || !theirs.isFile() || theirs.size !== ours.size) return false;
  if (ours.ino === theirs.ino && ours.dev === theirs.dev) return true;
  return hasSameContent(source, target, signal);
}

async function hasSameContent(one: string, other: string, signal: AbortSignal | undefined): Promise<boolean> {
  const files = [await open(one), await open(other)] as const;
  const buffers = [Buffer.allocUnsafe(COMPARE_BYTES), Buffer.allocUnsafe(COMPARE_BYTES)] as const;
  try {
    for (let at = 0; ; ) {
      if (signal !== undefined) throwIfAborted(signal);
      const [a, b] = await Promise.all([
        files[0].read(buffers[0], 0, COMPARE_BYTES, at),
        files[1].read(buffers[1], 0, COMPARE_BYTES, at),
      ]);
      if (a.bytesRead === 0 && b.bytesRead === 0) return true;
      const length = Math.min(a.bytesRead, b.bytesRead);
      if (length === 0 || buffers[0].compare(buffers[1], 0, length, 0, length) !== 0) return false;
      at += length;
    }
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}
