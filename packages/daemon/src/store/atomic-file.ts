/** Small files, written so that no reader ever sees half of one. */
import { randomBytes } from "node:crypto";
import { mkdir, open, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { toStoreError } from "./disk-faults.js";

/** Writes the whole file under a name of its own and renames it. @throws SwarmError NO_SPACE, STORE_FAULT. */
export async function writeAtomically(path: string, content: string): Promise<void> {
  const temporary = `${path}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(temporary, content);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw toStoreError(error, "write", path);
  }
}

/** Makes renames in this folder survive a power loss, where the platform can do that. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, "r");
    await handle.sync().finally(() => handle.close());
  } catch {
    // Windows and some network file systems can't sync a folder; they order renames themselves.
  }
}
