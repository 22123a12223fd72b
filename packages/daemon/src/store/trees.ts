/**
 * What a repo holds at a commit, kept as `trees/<commit>.json` as huggingface_hub does (its format version 1), so that it and we
 * can tell without network whether a snapshot is complete.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { type CommitId, digestOf, parseBlobId, type RepoFile, type RepoManifest } from "@swarmd/protocol";
import { writeAtomically } from "./atomic-file.js";
import { treePath } from "./cache-layout.js";

const FORMAT_VERSION = 1;

interface TreeEntry {
  readonly size: number;
  /** git's name of the file; of the pointer file, where the content is kept in LFS or Xet. */
  readonly blob_id: string;
  readonly lfs_sha256?: string;
  readonly lfs_size?: number;
  readonly xet_hash?: string;
}

/** Writes all files of a commit; `manifest` must not have been filtered. @throws SwarmError NO_SPACE, STORE_FAULT. */
export async function writeTree(repoFolder: string, manifest: RepoManifest): Promise<void> {
  await writeAtomically(treePath(repoFolder, manifest.commit), formatTree(manifest.files));
}

/** `undefined` when there is none, or one that makes no sense. */
export async function readTree(repoFolder: string, commit: CommitId): Promise<readonly RepoFile[] | undefined> {
  try {
    return parseTree(await readFile(treePath(repoFolder, commit), "utf8"));
  } catch {
    return undefined;
  }
}

/** Byte for byte what Python's `json.dump(…, indent=1)` writes: keys in code point order, everything but ASCII escaped. */
export function formatTree(files: readonly RepoFile[]): string {
  // Not `JSON.stringify` of one object: it would put names that look like numbers first.
  const entries = [...files]
    .sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)))
    .map((file) => `  ${toAscii(JSON.stringify(file.path))}: ${indent(JSON.stringify(toEntry(file), null, 1))}`);
  const list = entries.length === 0 ? "{}" : `{\n${entries.join(",\n")}\n }`;
  return `{\n "format_version": ${FORMAT_VERSION},\n "files": ${list}\n}`;
}

function indent(json: string): string {
  return json.replaceAll("\n", "\n  ");
}

function toAscii(json: string): string {
  return json.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function toEntry({ blob, sizeBytes, xetHash }: RepoFile): TreeEntry {
  const digest = digestOf(blob);
  const xet = xetHash === undefined ? {} : { xet_hash: xetHash };
  if (digest?.algorithm !== "sha256") return { size: sizeBytes, blob_id: digest?.hex ?? "", ...xet };
  return {
    size: sizeBytes,
    blob_id: pointerId(digest.hex, sizeBytes),
    lfs_sha256: digest.hex,
    lfs_size: sizeBytes,
    ...xet,
  };
}

/** git's name of the pointer file that stands for an LFS file; the pointer's text follows from hash and size. */
function pointerId(sha256: string, sizeBytes: number): string {
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${sizeBytes}\n`;
  return createHash("sha1").update(`blob ${pointer.length}\0${pointer}`).digest("hex");
}

function parseTree(json: string): RepoFile[] {
  const tree = JSON.parse(json) as { format_version?: unknown; files: Record<string, TreeEntry> };
  if (tree.format_version !== FORMAT_VERSION) throw new Error("a tree of another format");
  return Object.entries(tree.files).map(([path, entry]) => {
    const blob = parseBlobId(
      entry.lfs_sha256 === undefined ? `git-sha1:${entry.blob_id}` : `sha256:${entry.lfs_sha256}`,
    );
    const sizeBytes = entry.lfs_size ?? entry.size;
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) throw new Error(`a size that is none: ${sizeBytes}`);
    return { path, sizeBytes, blob, ...(entry.xet_hash === undefined ? {} : { xetHash: entry.xet_hash }) };
  });
}
