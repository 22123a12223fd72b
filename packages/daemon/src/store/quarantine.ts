/** Rotten files are kept for a look, a few of them, under the state folder: a second name for the file, so that nothing is copied. */
import { link, mkdir, readdir, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";

const MOST_FILES = 8;

/** @returns where it is kept; `undefined` where the file system can't do that, or the cache lies on another one */
export async function quarantine(stateDir: string, path: string, nowMs: number): Promise<string | undefined> {
  const folder = join(stateDir, "quarantine");
  const kept = join(folder, `${basename(path)}.${nowMs}`);
  try {
    await mkdir(folder, { recursive: true });
    await link(path, kept);
  } catch {
    return undefined;
  }
  await dropOldest(folder);
  return kept;
}

async function dropOldest(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const times = await Promise.all(
    names.map(async (name) => ({ name, ms: (await stat(join(folder, name)).catch(() => undefined))?.ctimeMs ?? 0 })),
  );
  times.sort((a, b) => b.ms - a.ms);
  for (const { name } of times.slice(MOST_FILES)) await rm(join(folder, name), { force: true });
}
