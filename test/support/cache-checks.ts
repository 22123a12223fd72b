/** What must hold of a cache after anything at all has happened to a pull. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, readdir, readFile, realpath } from "node:fs/promises";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";

/** Hex digest of a file. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest("hex");
}

async function gitSha1OfFile(path: string): Promise<string> {
  const bytes = await readFile(path);
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}

async function findAll(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

/**
 * Every file under `blobs/` without `.incomplete` has the digest of its name, and every link of a snapshot leads to such a file.
 *
 * @returns how many whole blobs there are
 */
export async function assertCacheIsSound(cacheDir: string): Promise<number> {
  let blobs = 0;
  for (const path of await findAll(cacheDir)) {
    if (path.includes("/snapshots/")) {
      assert.ok((await lstat(path)).isSymbolicLink(), `${path} is no link`);
      const target = await realpath(path);
      assert.ok(target.includes("/blobs/") && !target.endsWith(".incomplete"), `${path} leads to ${target}`);
    } else if (path.includes("/blobs/") && !path.endsWith(".incomplete")) {
      const name = basename(path);
      const digest = name.length === 64 ? await sha256OfFile(path) : await gitSha1OfFile(path);
      assert.equal(digest, name, `${path} has other content than its name says`);
      blobs += 1;
    }
  }
  return blobs;
}
