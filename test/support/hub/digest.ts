/** Digests of contents as git and LFS name them, computed once per content and process. */
import { createHash, type Hash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { type Content, forEachSlice } from "./content.js";

const known = new Map<string, Promise<string>>();
/** How much is hashed before others get a turn on the thread: about 10 ms. */
const YIELD_EVERY_BYTES = 16 * 1024 * 1024;

/** sha256 of the content, 64 hex digits: the identity of an LFS file. */
export function sha256Of(content: Content): Promise<string> {
  return remember(`sha256 ${content.key}`, () => hashContent(createHash("sha256"), content));
}

/** git's name of the content as a blob, 40 hex digits. */
export function gitSha1Of(content: Content): Promise<string> {
  const start = () => createHash("sha1").update(`blob ${content.sizeBytes}\0`);
  return remember(`git-sha1 ${content.key}`, () => hashContent(start(), content));
}

/** Says the sha256 of a content that is known from elsewhere, so that a huge file need not be hashed again. */
export function knowSha256(content: Content, hex: string): void {
  known.set(`sha256 ${content.key}`, Promise.resolve(hex));
}

/** The text git stores in place of an LFS file. */
export function lfsPointer(sha256: string, sizeBytes: number): Buffer {
  return Buffer.from(`version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${sizeBytes}\n`);
}

/** A digest of a short text, in hex: for commits, request ids and the like. */
export function sha1Hex(text: string): string {
  return createHash("sha1").update(text).digest("hex");
}

function remember(key: string, compute: () => Promise<string>): Promise<string> {
  const before = known.get(key);
  if (before) return before;
  const digest = compute();
  known.set(key, digest);
  digest.catch(() => known.delete(key));
  return digest;
}

async function hashContent(hash: Hash, content: Content): Promise<string> {
  let sinceYield = 0;
  await forEachSlice(content, async (slice) => {
    hash.update(slice);
    sinceYield += slice.length;
    if (sinceYield < YIELD_EVERY_BYTES) return;
    sinceYield = 0;
    await setImmediate();
  });
  return hash.digest("hex");
}
