/** Files placed outside of the cache (`--local-dir`), with the notes by which huggingface_hub knows them again. */
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type BlobId, type CommitId, checkFileNames } from "@swarmd/protocol";
import { writeAtomically } from "./atomic-file.js";
import { CACHEDIR_TAG, etagOf } from "./cache-layout.js";
import { toStoreError } from "./disk-faults.js";
import { placeFile } from "./place-file.js";

export interface LocalFile {
  /** Where the content lies in the cache. */
  readonly blobPath: string;
  /** Absolute. */
  readonly localDir: string;
  /** As the repo names it. */
  readonly path: string;
  readonly commit: CommitId;
  readonly blob: BlobId;
}

/** How much later than its note a file may have been written: file systems keep coarse times. As huggingface_hub. */
const TIME_SLACK_S = 1;

/** Places the file and notes where it came from. @throws SwarmError UNSAFE_FILE_NAME, STORE_FAULT, NO_SPACE, INTERRUPTED. */
export async function placeInLocalDir(
  file: LocalFile,
  options: { readonly signal?: AbortSignal | undefined },
): Promise<void> {
  checkFileNames([file.path]);
  const notes = join(file.localDir, ".cache", "huggingface");
  const note = join(notes, "download", `${file.path}.metadata`);
  if (await isUnchanged(file, note)) return;
  await placeFile(file.blobPath, join(file.localDir, file.path), options);
  await prepareNotes(notes);
  await writeAtomically(note, `${file.commit}\n${etagOf(file.blob)}\n${Date.now() / 1000}\n`);
}

/** Whether the file has been placed before, with this content, and nobody has written to it since. */
async function isUnchanged({ localDir, path, commit, blob, blobPath }: LocalFile, note: string): Promise<boolean> {
  try {
    const [text, ours, theirs] = await Promise.all([
      readFile(note, "utf8"),
      stat(join(localDir, path)),
      stat(blobPath),
    ]);
    const [notedCommit, etag, timestamp] = text.split("\n");
    const isSame = notedCommit === commit && etag === etagOf(blob) && ours.size === theirs.size;
    return isSame && ours.mtimeMs / 1000 - TIME_SLACK_S <= Number(timestamp);
  } catch {
    return false;
  }
}

/** Keeps the notes out of version control and backups; files that are there stay as they are. */
async function prepareNotes(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw toStoreError(error, "make the folder", folder);
  }
  for (const [name, content] of [
    [".gitignore", "*"],
    ["CACHEDIR.TAG", CACHEDIR_TAG],
  ] as const) {
    await writeFile(join(folder, name), content, { flag: "wx" }).catch(() => undefined);
  }
}
