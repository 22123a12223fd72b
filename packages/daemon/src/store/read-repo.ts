/**
 * Reads one repo's folder of the cache: its revisions, their files, the refs that name them, and blobs that nothing leads to. Damage is
 * left out or told, not thrown.
 *
 * Synchronous, for a thread of its own: two system calls per file, where promises cost ten times as much as the calls. That decides
 * whether a cache of 100,000 files is known in one second or in thirty.
 */
import { lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { type BlobId, type CommitId, isCommitId, type RepoRef } from "@swarmd/protocol";
import { findBlobOfName } from "./cache-layout.js";
import { errnoOf } from "./disk-faults.js";

export interface ScannedFile {
  /** As the repo names it. */
  readonly path: string;
  /** By the name of the file the link leads to; `undefined` for a plain file, as where there are no links. */
  readonly blob: BlobId | undefined;
  /** Absolute path of the content, after all links. `undefined` when there is none: the link leads nowhere. */
  readonly contentPath: string | undefined;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  /** When it was last read, as far as the mount keeps that. */
  readonly atimeMs: number;
  /** Names the content: the same for all links to it, also in other repos. */
  readonly inode: string;
}

export interface ScannedRevision {
  readonly commit: CommitId;
  /** Absolute: the snapshot folder. */
  readonly path: string;
  readonly refs: readonly string[];
  readonly files: readonly ScannedFile[];
  readonly mtimeMs: number;
}

/** A blob that no revision uses: left by a removal that was cut short, or by another tool. */
export interface OrphanBlob {
  readonly blob: BlobId;
  readonly path: string;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly inode: string;
  /** Some plain file of a snapshot is as long: where there are no links, this is most likely the blob behind it. */
  readonly isTwin: boolean;
}

export interface ScannedRepo {
  readonly repo: RepoRef;
  /** Absolute. */
  readonly folder: string;
  readonly revisions: readonly ScannedRevision[];
  readonly orphans: readonly OrphanBlob[];
}

interface Content extends Pick<ScannedFile, "sizeBytes" | "mtimeMs" | "atimeMs" | "inode"> {
  readonly isFile: boolean;
}

/** A finished file in `blobs/`. */
interface Blob {
  readonly blob: BlobId;
  readonly path: string;
  readonly content: Content;
  isUsed: boolean;
}

/** By the names of their files. */
type Blobs = ReadonlyMap<string, Blob>;

/** Empty when it is not there. */
export function readRepo(folder: string, repo: RepoRef): ScannedRepo {
  const blobs = readBlobs(join(folder, "blobs"));
  const refs = readRefs(join(folder, "refs"));
  const snapshots = join(folder, "snapshots");
  const commits = namesIn(snapshots).filter(isCommitId);
  const revisions = commits.map((commit) =>
    readRevision(join(snapshots, commit), commit, refs.get(commit) ?? [], blobs),
  );
  return { repo, folder, revisions, orphans: listOrphans(blobs, plainSizes(revisions)) };
}

/** Changes with everything that is added to or taken from these folders; what lies deeper in a snapshot is not seen. */
export function readMark(folder: string): string {
  const snapshots = join(folder, "snapshots");
  const folders = ["blobs", "refs", "snapshots"].map((name) => join(folder, name));
  const commits = [...namesIn(snapshots)].sort();
  return [...folders, ...commits.map((commit) => join(snapshots, commit))]
    .map((path) => attempt(() => statSync(path, { bigint: true })))
    .map((found) => `${found?.ino}.${found?.mtimeNs}`)
    .join(" ");
}

function namesIn(folder: string): readonly string[] {
  return attempt(() => readdirSync(folder)) ?? [];
}

function readBlobs(folder: string): Blobs {
  const found = new Map<string, Blob>();
  for (const name of namesIn(folder)) {
    const blob = findBlobOfName(name);
    if (blob === undefined) continue;
    const path = `${folder}${sep}${name}`;
    const content = attempt(() => toContent(path));
    if (content?.isFile === true) found.set(name, { blob, path, content, isUsed: false });
  }
  return found;
}

/** Of what is there by itself, not of what a link leads to, unless told to. @throws what the file system throws */
function toContent(path: string, look: typeof lstatSync | typeof statSync = lstatSync): Content {
  const found = look(path);
  const { size, mtimeMs, atimeMs, dev, ino } = found;
  return { sizeBytes: size, mtimeMs, atimeMs, inode: `${dev}:${ino}`, isFile: found.isFile() };
}

function readRevision(path: string, commit: CommitId, refs: readonly string[], blobs: Blobs): ScannedRevision {
  const entries = attempt(() => readdirSync(path, { recursive: true, withFileTypes: true })) ?? [];
  const files: ScannedFile[] = [];
  for (const entry of entries) {
    if (entry.isDirectory()) continue;
    const linkPath = `${entry.parentPath}${sep}${entry.name}`;
    const name = linkPath.slice(path.length + 1);
    const posixName = sep === "/" ? name : name.replaceAll(sep, "/");
    const file = attempt(() => readFile(posixName, linkPath, entry.isSymbolicLink(), blobs));
    // Else gone since the folder was read.
    if (file !== undefined) files.push(file);
  }
  // As huggingface_hub: a revision is as young as its youngest content.
  const youngestMs = files.reduce((most, { mtimeMs }) => Math.max(most, mtimeMs), Number.NEGATIVE_INFINITY);
  const mtimeMs = files.length > 0 ? youngestMs : (attempt(() => statSync(path).mtimeMs) ?? 0);
  return { commit, path, refs, files, mtimeMs };
}

/** @throws what the file system throws */
function readFile(path: string, linkPath: string, isLink: boolean, blobs: Blobs): ScannedFile {
  if (!isLink) return toFile({ path, blob: undefined, contentPath: linkPath }, toContent(linkPath));
  const target = readlinkSync(linkPath);
  const known = findOwn(path, target, blobs);
  if (known !== undefined) {
    known.isUsed = true;
    return toFile({ path, blob: known.blob, contentPath: known.path }, known.content);
  }
  const name = basename(target);
  const blob = findBlobOfName(name);
  const own = blobs.get(name);
  if (own !== undefined) own.isUsed = true;
  const contentPath = attempt(() => realpathSync(resolve(dirname(linkPath), target)));
  const content = contentPath === undefined ? undefined : attempt(() => toContent(contentPath, statSync));
  if (content !== undefined) return toFile({ path, blob, contentPath }, content);
  return toFile({ path, blob, contentPath: undefined }, { ...toContent(linkPath), sizeBytes: 0 });
}

/** Nearly every link leads to a blob of its own repo, by the text that huggingface_hub writes: then nothing more is asked of the disk. */
function findOwn(path: string, target: string, blobs: Blobs): Blob | undefined {
  const at = target.lastIndexOf("/") + 1;
  let up = "../../";
  for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1)) up += "../";
  return target.startsWith("blobs/", up.length) && target.startsWith(up) && at === up.length + "blobs/".length
    ? blobs.get(target.slice(at))
    : undefined;
}

function toFile(
  named: Pick<ScannedFile, "path" | "blob" | "contentPath">,
  { sizeBytes, mtimeMs, atimeMs, inode }: Content,
): ScannedFile {
  const { path, blob, contentPath } = named;
  return { path, blob, contentPath, sizeBytes, mtimeMs, atimeMs, inode };
}

/** How long those files are that are no links. */
export function plainSizes(revisions: readonly Pick<ScannedRevision, "files">[]): ReadonlySet<number> {
  const plain = revisions.flatMap(({ files }) => files.filter(({ blob, contentPath }) => !blob && contentPath));
  return new Set(plain.map(({ sizeBytes }) => sizeBytes));
}

function listOrphans(blobs: Blobs, plain: ReadonlySet<number>): readonly OrphanBlob[] {
  const orphans: OrphanBlob[] = [];
  for (const { blob, path, content, isUsed } of blobs.values()) {
    const { sizeBytes, mtimeMs, inode } = content;
    if (!isUsed) orphans.push({ blob, path, sizeBytes, mtimeMs, inode, isTwin: plain.has(sizeBytes) });
  }
  return orphans;
}

/** What a `blobs/` folder holds. */
export interface BlobsFound {
  readonly blobs: readonly BlobId[];
  readonly bytes: number;
  /** Links that lead nowhere or out of the cache, a folder that can't be read, and the like. */
  readonly problems: number;
}

/**
 * Finished blobs, with those that are links: newer huggingface_hub keeps content once per cache, and `blobs/<etag>` may lead there. A
 * link that leads out of `realRoot` is not followed.
 */
export function readBlobFolder(folder: string, realRoot: string): BlobsFound {
  const blobs: BlobId[] = [];
  let [bytes, problems] = [0, 0];
  let names: readonly string[] = [];
  try {
    names = readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") problems += 1;
  }
  for (const name of names) {
    const blob = findBlobOfName(name);
    if (blob === undefined) continue;
    const sizeBytes = attempt(() => findSize(`${folder}${sep}${name}`, realRoot));
    if (sizeBytes === undefined) problems += 1;
    else {
      blobs.push(blob);
      bytes += sizeBytes;
    }
  }
  return { blobs, bytes, problems };
}

/** @throws what the file system throws */
function findSize(path: string, realRoot: string): number | undefined {
  let found = lstatSync(path);
  if (found.isSymbolicLink() && realpathSync(path).startsWith(realRoot + sep)) found = statSync(path);
  return found.isFile() ? found.size : undefined;
}

/** Which refs name which commit. A ref may hold `/`. */
function readRefs(folder: string): Map<string, string[]> {
  const entries = attempt(() => readdirSync(folder, { recursive: true, withFileTypes: true })) ?? [];
  const byCommit = new Map<string, string[]>();
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const commit = (attempt(() => readFileSync(path, "utf8")) ?? "").trim();
    const name = relative(folder, path).split(sep).join("/");
    byCommit.set(commit, [...(byCommit.get(commit) ?? []), name].sort());
  }
  return byCommit;
}

/** What has gone meanwhile, or can't be read, is as if it had not been there. */
function attempt<Result>(look: () => Result): Result | undefined {
  try {
    return look();
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}
