/** Small files of the state folder that nobody else may read, written so that there is never half of one. */
import { randomBytes } from "node:crypto";
import { chmod, open, readFile, rename, rm } from "node:fs/promises";
import { SwarmError } from "@swarmd/protocol";

const OWNER_ONLY = 0o600;
/** A list of a thousand members takes some 300 kB. */
const BYTES_MAX = 4 * 1024 * 1024;

/** @throws SwarmError STORE_FAULT */
export async function writeSecret(path: string, content: string): Promise<void> {
  const temporary = `${path}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    const file = await open(temporary, "wx", OWNER_ONLY);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new SwarmError("STORE_FAULT", `${path} can't be written: ${(cause as Error).message}`, { cause });
  }
}

/** `undefined` when there is none. Others' right to read it is taken away. @throws SwarmError STORE_FAULT */
export async function readSecret(path: string): Promise<string | undefined> {
  try {
    const file = await open(path, "r");
    try {
      const { size, mode } = await file.stat();
      if (size > BYTES_MAX) throw new Error("it is far too long");
      if ((mode & 0o077) !== 0 && process.platform !== "win32") await chmod(path, OWNER_ONLY);
      return await readFile(file, "utf8");
    } finally {
      await file.close();
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new SwarmError("STORE_FAULT", `${path} can't be read: ${(cause as Error).message}`, { cause });
  }
}

/** @throws SwarmError STORE_FAULT */
export async function removeSecret(path: string): Promise<void> {
  await rm(path, { force: true }).catch((cause: Error) => {
    throw new SwarmError("STORE_FAULT", `${path} can't be removed: ${cause.message}`, { cause });
  });
}
