/** Takes a file from elsewhere into a repo's blobs: a copy that nobody else writes to, named by what is in it. */
import { randomBytes } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { chmod, copyFile, lstat, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { SwarmError } from "@swarmd/protocol";
import type { Verified } from "../verify/types.js";
import { syncFolder } from "./atomic-file.js";
import { errnoOf, throwIfAborted, toStoreError } from "./disk-faults.js";

/** Finds out what a file is. The verify room's. */
export type Identify = (path: string, options: { readonly signal: AbortSignal }) => Promise<Verified>;

interface Cancellable {
  readonly signal: AbortSignal;
}

const COPY_BYTES = 4 * 1024 * 1024;
const MODE = 0o644;
const IMPORTING = /^import\.[0-9a-f]{8}\.incomplete$/;

/**
 * Copies a file beside the blobs it is to join; where the file system can, without copying its bytes.
 *
 * @returns the copy, certified; the caller renames or removes it
 * @throws SwarmError USAGE when it is no plain file, or changes meanwhile; STORE_FAULT, NO_SPACE, INTERRUPTED
 */
export async function copyForImport(
  source: string,
  blobs: string,
  identify: Identify,
  options: Cancellable,
): Promise<Verified> {
  const copy = join(blobs, `import.${randomBytes(4).toString("hex")}.incomplete`);
  try {
    await mkdir(blobs, { recursive: true });
    const before = await lookAt(source);
    await copyContent(source, copy, options.signal);
    // Named by the copy's content, to which nobody writes.
    const verified = await identify(copy, options);
    // What was written to meanwhile may be half old, half new.
    if (verified.sizeBytes !== before.size || !isUnchanged(before, await lookAt(source))) throw changed(source);
    return verified;
  } catch (error) {
    await rm(copy, { force: true }).catch(() => undefined);
    throw toStoreError(error, "add", source);
  }
}

/** Moves a certified copy to its place; what is there already stays. @throws SwarmError STORE_FAULT */
export async function placeImport({ path: copy, sizeBytes }: Verified, target: string): Promise<void> {
  try {
    const there = await stat(target).catch(() => undefined);
    if (there?.isFile() === true && there.size === sizeBytes) await rm(copy);
    else await rename(copy, target);
    await syncFolder(dirname(target));
  } catch (error) {
    await rm(copy, { force: true }).catch(() => undefined);
    throw toStoreError(error, "write", target);
  }
}

/** Removes what an import left that ended without a word. Only while none is under way there. */
export async function removeLeftImports(blobs: string): Promise<void> {
  for (const name of await readdir(blobs).catch(() => [])) {
    if (IMPORTING.test(name)) await rm(join(blobs, name), { force: true }).catch(() => undefined);
  }
}

async function lookAt(source: string): Promise<Stats> {
  const found = await lstat(source).catch((error) => {
    if (errnoOf(error) === "ENOENT") throw changed(source);
    throw error;
  });
  if (found.isFile()) return found;
  throw new SwarmError("USAGE", `${source} is no plain file`, { hint: "Links and devices are not published." });
}

function isUnchanged(before: Stats, after: Stats): boolean {
  return (
    before.ino === after.ino &&
    before.size === after.size &&
    before.mtimeMs === after.mtimeMs &&
    before.ctimeMs === after.ctimeMs
  );
}

function changed(source: string): SwarmError {
  return new SwarmError("USAGE", `${source} changed while it was being added`, {
    hint: "Wait until it is written, then add it again.",
  });
}

/** By the file system's own means, else piece by piece, so that it can be stopped. */
async function copyContent(source: string, copy: string, signal: AbortSignal): Promise<void> {
  try {
    await copyFile(source, copy, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
    // It has the source's mode; what is in the cache is readable, and no program.
    await chmod(copy, MODE);
    return;
  } catch {
    // Not on this file system, or not between these two.
    await rm(copy, { force: true });
  }
  const from = await open(source, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  try {
    const to = await open(copy, "wx", MODE);
    try {
      const buffer = Buffer.allocUnsafe(COPY_BYTES);
      for (;;) {
        throwIfAborted(signal);
        const { bytesRead } = await from.read(buffer, 0, buffer.length, null);
        if (bytesRead === 0) break;
        for (let written = 0; written < bytesRead; ) {
          written += (await to.write(buffer, written, bytesRead - written, null)).bytesWritten;
        }
      }
      await to.sync();
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
}
