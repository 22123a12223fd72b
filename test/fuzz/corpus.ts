/** Inputs worth trying every time: one file each, below `test/fuzz/corpus/<target>`, named by a digest of what is in it. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** In the sources, seen from the compiled file. */
const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "fuzz", "corpus");

export function readCorpus(target: string): readonly Uint8Array[] {
  const folder = join(ROOT, target);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .map((name) => readFileSync(join(folder, name)));
}

/** @returns the path of the file */
export function keepInput(target: string, input: Uint8Array): string {
  const folder = join(ROOT, target);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${createHash("sha256").update(input).digest("hex").slice(0, 16)}.bin`);
  writeFileSync(path, input);
  return path;
}
