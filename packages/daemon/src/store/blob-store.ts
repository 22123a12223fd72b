/**
 * *Purpose*: the files of this node: a Hugging Face cache that any tool can read, and a state folder of our own. *In*: bytes on
 * their way (through {@link Staging}), certificates, orders to link and to remove. *Out*: paths of verified files. *Never*:
 * fetches, hashes whole files, or shows anybody a file that has no certificate.
 *
 * Write order, as huggingface_hub keeps it: blob (synced, then renamed), link, ref.
 */
import { randomBytes } from "node:crypto";
import { access, lstat, mkdir, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import {
  type BlobId,
  type CommitId,
  checkFileNames,
  type RepoFile,
  type RepoManifest,
  type RepoRef,
  type Revision,
  SHARD_BYTES,
  SwarmError,
} from "@swarmd/protocol";
import type { EventLog } from "../observe/events.js";
import type { ShardHasher } from "../verify/shard-hasher.js";
import type { Verified } from "../verify/types.js";
import { type AdoptResult, adoptCache } from "./adopt.js";
import { syncFolder } from "./atomic-file.js";
import { BlobIndex } from "./blob-index.js";
import { blobPath, CACHEDIR_TAG, etagOf, findBlobOfName, lockPath, repoPath } from "./cache-layout.js";
import { throwIfAborted, toStoreError } from "./disk-faults.js";
import { FileLocks } from "./file-lock.js";
import { FreeSpace, type Reservation } from "./free-space.js";
import { copyForImport, type Identify, placeImport, removeLeftImports } from "./import-file.js";
import { KeptGroundsFolder } from "./kept-grounds.js";
import { KeyedMutex } from "./keyed-mutex.js";
import { type LocalFile, placeInLocalDir } from "./local-dir.js";
import { type OpenBlob, openForReaders, openStagingFile, openWholeFile, type ReadableBlob } from "./open-blob.js";
import { linkOrCopy, placeFile } from "./place-file.js";
import {
  findLinkedBlob,
  isLinkedInSnapshot,
  isMarkedAbsent,
  linkIntoSnapshot,
  listRefs,
  readRef,
  type SnapshotFile,
  writeRef,
} from "./snapshots.js";
import type { Staging } from "./staging.js";
import { type HalfDone, StagingFiles } from "./staging-files.js";
import { readTree, writeTree } from "./trees.js";
import { type UrlRecord, UrlRecords, type UrlValidators } from "./url-records.js";

interface Cancellable {
  readonly signal?: AbortSignal | undefined;
}

/** A signal that never aborts. */
const NEVER = new AbortController().signal;

export interface BlobStoreOptions {
  /** Absolute: the folder that holds `models--org--name`. */
  readonly cacheDir: string;
  /** Absolute: journals, and the blobs of plain URLs. */
  readonly stateDir: string;
  /** Free space that is never promised to a pull. */
  readonly marginBytes?: number;
}

export interface BlobStoreDeps {
  readonly createShardHasher: () => ShardHasher;
  readonly events: EventLog;
  /** A blob is no longer in the cache: removed by us, or found to be gone. Others must not count on it any more. */
  readonly onLost?: (blob: BlobId) => void;
  /** We are about to put a file into the cache, at this path: it waits until this has settled. It must not reject. */
  readonly onStoring?: (path: string) => Promise<void>;
  /** We have removed a file of the cache. */
  readonly onRemoved?: (path: string) => void;
}

export interface OpenStaging {
  readonly blob: BlobId;
  readonly sizeBytes: number;
  /** In whose `blobs/` the file is to lie; `undefined` for a plain URL. */
  readonly repo: RepoRef | undefined;
  readonly shardBytes?: number;
  readonly signal: AbortSignal;
}

export type OpenedStaging =
  | { readonly kind: "staging"; readonly staging: Staging }
  /** Somebody else has finished the blob meanwhile. */
  | { readonly kind: "present"; readonly path: string };

export interface RepoSnapshotFile extends SnapshotFile {
  readonly repo: RepoRef;
}

export interface FoundBlob {
  readonly path: string;
  readonly sizeBytes: number;
}

export class BlobStore {
  readonly cacheDir: string;
  readonly stateDir: string;
  /** What is remembered of plain URLs. */
  readonly urls: UrlRecords;
  /** Half-done blobs and their journals. */
  readonly stagingFiles: StagingFiles;
  /** What finished blobs rest on. */
  readonly keptGrounds: KeptGroundsFolder;
  readonly #deps: BlobStoreDeps;
  readonly #index: BlobIndex;
  readonly #space: FreeSpace;
  readonly #locks: FileLocks;
  readonly #mutex = new KeyedMutex();
  readonly #open = new Map<BlobId, Staging>();
  /** Bytes of blobs that are half done and not open. */
  readonly #partialBytes = new Map<BlobId, number>();
  /** Who waits for a staging file to be opened. */
  readonly #awaited = new Map<BlobId, Set<(staging: Staging) => void>>();
  /** What provisional blobs turned out to be, in this run. */
  readonly #digests = new Map<BlobId, FoundBlob & { readonly blob: BlobId }>();
  /** How many readers each blob has. */
  readonly #readers = new Map<BlobId, number>();
  /** Files whose content is not what their name says. They stay where they are, so that no link breaks, until better ones take their place. */
  readonly #distrusted = new Set<string>();

  constructor(opts: BlobStoreOptions, deps: BlobStoreDeps) {
    this.cacheDir = opts.cacheDir;
    this.stateDir = opts.stateDir;
    this.urls = new UrlRecords(join(opts.stateDir, "urls", "index"));
    this.stagingFiles = new StagingFiles({ journalDir: join(opts.stateDir, "journal") }, deps);
    this.keptGrounds = new KeptGroundsFolder(join(opts.stateDir, "grounds"));
    this.#deps = deps;
    this.#index = new BlobIndex(deps.onLost);
    this.#space = new FreeSpace(opts.marginBytes === undefined ? {} : { marginBytes: opts.marginBytes });
    this.#locks = new FileLocks(deps);
  }

  /** Makes the folders, and looks at what earlier runs left half done. @throws SwarmError STORE_FAULT, NO_SPACE. */
  async start(): Promise<void> {
    for (const folder of [this.cacheDir, this.stateDir]) {
      await mkdir(folder, { recursive: true }).catch((error) => {
        throw toStoreError(error, "make the folder", folder);
      });
    }
    // As huggingface_hub: for backup programs, and no matter if it can't be written.
    await writeFile(join(this.cacheDir, "CACHEDIR.TAG"), CACHEDIR_TAG, { flag: "wx" }).catch(() => undefined);
    for (const { blob, bytes } of await this.stagingFiles.list()) this.#partialBytes.set(blob, bytes);
  }

  /** Closes what is open; it can be taken up again by the next run. */
  async stop(): Promise<void> {
    await Promise.all([...this.#open.values()].map((staging) => staging.close()));
  }

  /** Learns in the background what the cache holds already. */
  async adopt(options: { readonly signal: AbortSignal }): Promise<AdoptResult> {
    const result = await adoptCache([this.cacheDir, join(this.stateDir, "urls")], this.#index, options);
    this.#deps.events.emit({ type: "store.adopted", ...result });
    await this.keptGrounds.sweep((blob) => this.#index.paths(blob).length > 0);
    return result;
  }

  /** Where a blob of this content lies, in any repo and any revision. With `sizeBytes`, a file of another size is none. */
  async find(
    blob: BlobId,
    { repo, sizeBytes }: { readonly repo?: RepoRef | undefined; readonly sizeBytes?: number } = {},
  ): Promise<FoundBlob | undefined> {
    const own = blobPath(this.#folderOf(repo), blob);
    for (const path of new Set([own, ...this.#index.paths(blob)])) {
      const found = await this.#look(blob, path);
      if (found !== undefined && (sizeBytes === undefined || found.sizeBytes === sizeBytes)) return found;
    }
    return undefined;
  }

  /** Whether a file with this content was there when last looked; the disk is not asked. */
  has(blob: BlobId): boolean {
    return this.#index.paths(blob).length > 0;
  }

  /** Looks at every file that is known, so that what others have removed is no longer counted on. @throws SwarmError INTERRUPTED */
  async findLost({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    for (const blob of [...this.#index.blobs()]) {
      throwIfAborted(signal);
      for (const path of this.#index.paths(blob)) await this.#look(blob, path);
    }
  }

  /** Every blob that is known; the disk is not asked. */
  blobs(): IterableIterator<BlobId> {
    return this.#index.blobs();
  }

  /** Bytes of a blob that are in its staging file, open or left by an earlier pull. */
  partialBytes(blob: BlobId): number {
    return this.#open.get(blob)?.writtenBytes ?? this.#partialBytes.get(blob) ?? 0;
  }

  /** Removes what an earlier pull left of a blob. Returns the bytes it took. @throws SwarmError STORE_FAULT. */
  async removePartial(left: HalfDone): Promise<number> {
    this.#partialBytes.delete(left.blob);
    return this.stagingFiles.remove(left);
  }

  /** The staging file of a blob that is open in this process. */
  findOpen(blob: BlobId): Staging | undefined {
    return this.#open.get(blob);
  }

  /** The staging file of a blob: at once if it is open, else as soon as it is. @throws SwarmError INTERRUPTED on abort */
  whenOpen(blob: BlobId, { signal }: { readonly signal: AbortSignal }): Promise<Staging> {
    const open = this.#open.get(blob);
    if (open !== undefined) return Promise.resolve(open);
    return new Promise((resolve, reject) => {
      const waiting = this.#awaited.get(blob) ?? new Set();
      const end = () => {
        waiting.delete(tell);
        if (waiting.size === 0) this.#awaited.delete(blob);
        signal.removeEventListener("abort", onAbort);
      };
      const tell = (staging: Staging) => {
        end();
        resolve(staging);
      };
      const onAbort = () => {
        end();
        reject(new SwarmError("INTERRUPTED", `the wait for ${blob} was stopped`));
      };
      this.#awaited.set(blob, waiting.add(tell));
      signal.addEventListener("abort", onAbort, { once: true });
      if (signal.aborted) onAbort();
    });
  }

  /** What a local reader may have of a blob on its way. @returns `undefined` when the file has just been finished. @throws SwarmError STORE_FAULT */
  async openArriving(staging: Staging): Promise<ReadableBlob | undefined> {
    return openForReaders(staging);
  }

  /** A whole blob of the cache. @returns `undefined` when the file is gone. @throws SwarmError STORE_FAULT */
  async openWhole(path: string): Promise<ReadableBlob | undefined> {
    const file = await openWholeFile(path, SHARD_BYTES);
    return file && { ...file, onDiscard: () => () => undefined };
  }

  /** The blob that a file of a snapshot leads to, if it is there: for commits whose file list nobody has kept. */
  async findLinked(
    repo: RepoRef,
    commit: CommitId,
    path: string,
  ): Promise<{ readonly blob: BlobId; readonly sizeBytes: number } | undefined> {
    const blob = await findLinkedBlob(this.#folderOf(repo), commit, path);
    const found = blob && (await this.find(blob, { repo }));
    return blob && found && { blob, sizeBytes: found.sizeBytes };
  }

  /** huggingface_hub has noted that the origin has no such file. */
  async isKnownAbsent(repo: RepoRef, commit: CommitId, path: string): Promise<boolean> {
    return isMarkedAbsent(this.#folderOf(repo), commit, path);
  }

  /** The branches and tags that are known, and what they pointed at. */
  async listRefs(repo: RepoRef): Promise<readonly { readonly revision: Revision; readonly commit: CommitId }[]> {
    return listRefs(this.#folderOf(repo));
  }

  /**
   * Opens a blob for peers to read from, whole or arriving. What is open stays readable when the file is removed.
   *
   * @returns `undefined` when there is nothing of it here
   * @throws SwarmError STORE_FAULT
   */
  async openBlob(blob: BlobId): Promise<OpenBlob | undefined> {
    const staging = this.#open.get(blob);
    const arriving = staging && (await openStagingFile(staging));
    if (arriving !== undefined) return arriving;
    const found = await this.find(blob);
    const opened = found && (await openWholeFile(found.path, SHARD_BYTES));
    return opened && this.#countReader(blob, opened);
  }

  /** Whether somebody reads the blob through {@link openBlob}, or it is arriving. */
  isInUse(blob: BlobId): boolean {
    return this.#open.has(blob) || (this.#readers.get(blob) ?? 0) > 0;
  }

  #countReader(blob: BlobId, opened: OpenBlob): OpenBlob {
    const add = (by: number) => {
      const readers = (this.#readers.get(blob) ?? 0) + by;
      if (readers > 0) this.#readers.set(blob, readers);
      else this.#readers.delete(blob);
    };
    let isClosed = false;
    add(1);
    const close = async () => {
      if (!isClosed) add(-1);
      isClosed = true;
      await opened.close();
    };
    return { ...opened, close };
  }

  /** Keeps others, huggingface_hub among them, away from a blob; `undefined` when somebody has it. @throws SwarmError STORE_FAULT */
  async tryLock(blob: BlobId, repo: RepoRef): Promise<(() => Promise<void>) | undefined> {
    if (this.isInUse(blob)) return undefined;
    const lock = await this.#locks.tryLock(lockPath(this.cacheDir, repo, blob));
    return lock && (() => lock.release());
  }

  /**
   * Opens or creates the staging file of a blob, and takes the lock that keeps others, huggingface_hub among them, from fetching
   * it too. Waits while somebody else does.
   *
   * @throws SwarmError NO_SPACE, STORE_FAULT, or INTERRUPTED on abort
   */
  async openStaging(request: OpenStaging): Promise<OpenedStaging> {
    const { blob, repo, sizeBytes, signal, shardBytes = SHARD_BYTES } = request;
    const folder = this.#folderOf(repo);
    const release = await this.#lock(blob, repo, signal);
    try {
      const present = await this.#look(blob, blobPath(folder, blob));
      await this.#dropLeftovers(blob, present?.sizeBytes === sizeBytes);
      if (present?.sizeBytes === sizeBytes) {
        await release();
        return { kind: "present", path: present.path };
      }
      const free = () => {
        this.#partialBytes.set(blob, staging.isKept ? staging.writtenBytes : 0);
        this.#open.delete(blob);
        return release();
      };
      const spec = { blob, sizeBytes, shardBytes, repo };
      const staging: Staging = await this.stagingFiles.open(spec, folder, free, { signal });
      this.#open.set(blob, staging);
      for (const tell of this.#awaited.get(blob) ?? []) tell(staging);
      return { kind: "staging", staging };
    } catch (error) {
      await release();
      throw error;
    }
  }

  /**
   * Puts a verified file into its place in the cache, and ends its staging. The path returned is named by its digest, for a
   * plain URL too.
   */
  async commit(staging: Staging, verified: Verified): Promise<string> {
    assertCertified(staging, verified);
    const path = join(dirname(staging.path), etagOf(verified.blob));
    await staging.sync();
    await this.#deps.onStoring?.(path);
    try {
      await rename(staging.path, path);
    } catch (error) {
      throw toStoreError(error, "finish", path);
    }
    this.#distrusted.delete(path);
    await syncFolder(dirname(path));
    this.#index.add(verified.blob, path);
    await this.keptGrounds.keep(verified.blob, staging, new Date().toISOString()).catch((error: unknown) => {
      // Without it, shards are hashed again when somebody asks what they rest on.
      this.#deps.events.emit({ type: "store.grounds-not-kept", blob: verified.blob, message: String(error) });
    });
    if (verified.blob !== staging.blob) this.#digests.set(staging.blob, { ...verified, path });
    await staging.finish();
    return path;
  }

  /** Forgets shards that turned out to be worthless; without `shards`, removes the file and its journal. */
  async discard(staging: Staging, shards?: Iterable<number>): Promise<void> {
    if (shards !== undefined) return staging.discard(shards);
    await rm(staging.path, { force: true }).catch((error) => {
      throw toStoreError(error, "remove", staging.path);
    });
    await staging.finish();
  }

  /**
   * Puts a blob that lies anywhere in the cache into this repo's `blobs/` too: hard link, else reflink, else copy.
   *
   * @returns its path there; `undefined` when the blob lies nowhere
   */
  async ensureInRepo(
    blob: BlobId,
    repo: RepoRef,
    options: Cancellable & { readonly sizeBytes?: number } = {},
  ): Promise<string | undefined> {
    const path = blobPath(this.#folderOf(repo), blob);
    const found = await this.find(blob, { ...options, repo });
    if (found === undefined || found.path === path) return found?.path;
    const release = await this.#lock(blob, repo, options.signal ?? NEVER);
    const temporary = `${path}.${randomBytes(4).toString("hex")}.incomplete`;
    try {
      await mkdir(dirname(path), { recursive: true });
      await linkOrCopy(await realpath(found.path), temporary);
      await this.#deps.onStoring?.(path);
      await rename(temporary, path);
      this.#distrusted.delete(path);
      this.#index.add(blob, path);
      return path;
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw toStoreError(error, "write", path, found.sizeBytes);
    } finally {
      await release();
    }
  }

  /**
   * Makes `snapshots/<commit>/<path>` lead to a blob of the cache, which is put into this repo's `blobs/` first. Idempotent.
   *
   * @returns the path in the snapshot
   * @throws SwarmError STORE_FAULT when the blob is not in the cache, UNSAFE_FILE_NAME, NO_SPACE
   */
  async link({ repo, ...file }: RepoSnapshotFile, options: Cancellable = {}): Promise<string> {
    if (await this.isLinked({ repo, ...file })) return join(this.snapshotPath(repo, file.commit), file.path);
    if ((await this.ensureInRepo(file.blob, repo, options)) === undefined) {
      throw new SwarmError("STORE_FAULT", `${file.path} can't be linked: ${file.blob} is not in the cache`, {
        hint: "Something else has removed it; pull again.",
      });
    }
    const path = await linkIntoSnapshot(this.#folderOf(repo), file, options);
    // Where there are no links it is a file of its own.
    if ((await lstat(path)).isFile()) await this.#deps.onStoring?.(path);
    return path;
  }

  /** Whether the snapshot has this file and it leads to this blob, which is there. */
  async isLinked({ repo, ...file }: RepoSnapshotFile): Promise<boolean> {
    return isLinkedInSnapshot(this.#folderOf(repo), file);
  }

  /**
   * Copies a file from elsewhere into a repo's blobs, under its sha256.
   *
   * @throws SwarmError USAGE when it is no plain file, or changes meanwhile; STORE_FAULT, NO_SPACE, INTERRUPTED
   */
  async importFile(
    source: string,
    { repo, identify, signal }: { readonly repo: RepoRef; readonly identify: Identify; readonly signal: AbortSignal },
  ): Promise<FoundBlob & { readonly blob: BlobId }> {
    const folder = this.#folderOf(repo);
    const verified = await copyForImport(source, join(folder, "blobs"), identify, { signal });
    const { blob, sizeBytes } = verified;
    const path = blobPath(folder, blob);
    const release = await this.#lock(blob, repo, signal).catch(async (error) => {
      await rm(verified.path, { force: true });
      throw error;
    });
    try {
      await placeImport(verified, path);
      this.#index.add(blob, path);
      return { blob, path, sizeBytes };
    } finally {
      await release();
    }
  }

  /** Removes copies that an import of this repo left when the node was killed. Only while none is under way. */
  async removeLeftImports(repo: RepoRef): Promise<void> {
    await removeLeftImports(join(this.#folderOf(repo), "blobs"));
  }

  /** Hard link, else reflink, else copy, in one step; what is there already and the same stays. */
  async placeFile(blobPath: string, target: string, options: Cancellable = {}): Promise<void> {
    await placeFile(blobPath, target, options);
  }

  /** As {@link placeFile}, with the notes that huggingface_hub keeps in a `--local-dir`. */
  async placeInLocalDir(file: LocalFile, options: Cancellable = {}): Promise<void> {
    await placeInLocalDir(file, options);
  }

  /** Points a branch or tag at a commit: the last step of a pull. */
  async writeRef(repo: RepoRef, revision: Revision, commit: CommitId): Promise<void> {
    await writeRef(this.#folderOf(repo), revision, commit);
  }

  async readRef(repo: RepoRef, revision: Revision): Promise<CommitId | undefined> {
    return readRef(this.#folderOf(repo), revision);
  }

  /** Keeps the whole, unfiltered file list of a commit. */
  async writeTree(manifest: RepoManifest): Promise<void> {
    await writeTree(this.#folderOf(manifest.repo), manifest);
  }

  async readTree(repo: RepoRef, commit: CommitId): Promise<readonly RepoFile[] | undefined> {
    return readTree(this.#folderOf(repo), commit);
  }

  /** What the last pull of a URL ended in, if it is still there. */
  async findUrl(url: string): Promise<(FoundBlob & { readonly validators: UrlValidators }) | undefined> {
    const record = await this.urls.find(url);
    const found = record && (await this.find(record.blob, { sizeBytes: record.sizeBytes }));
    return found && { ...found, validators: record.validators };
  }

  /** Remembers what the file behind a URL turned out to be, once its provisional blob is committed. */
  async noteUrl(
    url: string,
    file: Pick<UrlRecord, "validators"> & { readonly provisional: BlobId },
  ): Promise<FoundBlob> {
    const known = this.#digests.get(file.provisional);
    if (known === undefined) throw new SwarmError("INTERNAL", `${file.provisional} was not committed`);
    const { path, sizeBytes, blob } = known;
    const before = await this.urls.find(url);
    await this.urls.write(url, { blob, sizeBytes, validators: file.validators });
    if (before !== undefined) await this.#dropUrlBlob(before.blob);
    return { path, sizeBytes };
  }

  /** The folder of a commit's files. */
  snapshotPath(repo: RepoRef, commit: CommitId): string {
    return join(this.#folderOf(repo), "snapshots", commit);
  }

  /** Sets space aside, before the first byte. `folder`: the cache unless said otherwise. @throws SwarmError NO_SPACE. */
  async reserve(bytes: number, folder: string = this.cacheDir): Promise<Reservation> {
    return this.#space.reserve(bytes, folder);
  }

  /** Free space that is never promised to a pull. */
  get marginBytes(): number {
    return this.#space.marginBytes;
  }

  /** What this user may still write to the cache. */
  async freeBytes(): Promise<number> {
    return this.#space.freeBytes(this.cacheDir);
  }

  /** Refuses file names that this cache's file system can't hold apart or safely. @throws SwarmError UNSAFE_FILE_NAME. */
  async checkFileNames(paths: readonly string[]): Promise<void> {
    checkFileNames(paths, {
      isCaseInsensitive: await this.#isCaseInsensitive(),
      isWindows: process.platform === "win32",
    });
  }

  /** The file is rotten: it is no longer found, offered or linked, and the next pull puts a new one in its place. */
  async distrust(blob: BlobId, path: string): Promise<void> {
    const rotten = await stat(path).catch(() => undefined);
    for (const other of new Set([path, ...this.#index.paths(blob)])) {
      const found = await stat(other).catch(() => undefined);
      // A second name of the same file is just as rotten.
      if (other !== path && (found?.ino !== rotten?.ino || found?.dev !== rotten?.dev)) continue;
      this.#distrusted.add(other);
      this.#index.remove(blob, other);
    }
  }

  /** A file of the cache was removed by us: a blob, or one of a snapshot where there are no links. */
  noteRemoved(path: string): void {
    const blob = findBlobOfName(basename(path));
    if (blob !== undefined) this.#index.remove(blob, path);
    this.#deps.onRemoved?.(path);
  }

  /** Tells the index that a blob's file is gone, or that its content is not what its name says. */
  forget(blob: BlobId, path: string): void {
    this.#index.remove(blob, path);
  }

  /** Removes what a URL led to before, unless another URL leads to it. What was placed elsewhere is a file of its own. */
  async #dropUrlBlob(blob: BlobId): Promise<void> {
    if ((await this.urls.blobs()).has(blob)) return;
    const path = blobPath(this.#folderOf(undefined), blob);
    await rm(path, { force: true }).catch(() => undefined);
    this.#index.remove(blob, path);
  }

  /** What is left over of a blob that needs no staging file any more, or of an earlier version of a URL's file. */
  async #dropLeftovers(blob: BlobId, isPresent: boolean): Promise<void> {
    const left = isPresent ? await this.stagingFiles.find(blob) : undefined;
    if (left !== undefined) await this.removePartial(left);
    if (!blob.startsWith("url:")) return;
    const sameUrl = blob.slice(0, "url:".length + 64);
    for (const other of await this.stagingFiles.list()) {
      const isOld = other.blob.startsWith(sameUrl) && other.blob !== blob && !this.#open.has(other.blob);
      if (isOld) await this.removePartial(other);
    }
  }

  async #isCaseInsensitive(): Promise<boolean> {
    const folder = join(this.cacheDir, ".locks");
    await mkdir(folder, { recursive: true }).catch((error) => {
      throw toStoreError(error, "make the folder", folder);
    });
    return access(join(this.cacheDir, ".LOCKS")).then(
      () => true,
      () => false,
    );
  }

  /** Asks the disk, and keeps the index true to it. */
  async #look(blob: BlobId, path: string): Promise<FoundBlob | undefined> {
    if (this.#distrusted.has(path)) return undefined;
    try {
      const found = await stat(path);
      if (!found.isFile()) return undefined;
      this.#index.add(blob, path);
      return { path, sizeBytes: found.size };
    } catch {
      // Gone, or of no use: whoever needs it there will meet the same error when writing.
      this.#index.remove(blob, path);
      return undefined;
    }
  }

  /** First among the pulls of this process, then among all processes. */
  async #lock(blob: BlobId, repo: RepoRef | undefined, signal: AbortSignal): Promise<() => Promise<void>> {
    const free = await this.#mutex.take(blob, { signal });
    try {
      // Blobs of plain URLs lie in the state folder, which one process has for itself.
      const lock = repo && (await this.#locks.lock(lockPath(this.cacheDir, repo, blob), { signal }));
      return async () => {
        await lock?.release();
        free();
      };
    } catch (error) {
      free();
      throw error;
    }
  }

  #folderOf(repo: RepoRef | undefined): string {
    return repo === undefined ? join(this.stateDir, "urls") : repoPath(this.cacheDir, repo);
  }
}

function assertCertified(staging: Staging, { path, blob, sizeBytes }: Verified): void {
  const isThisFile = path === staging.path && sizeBytes === staging.sizeBytes;
  const isThisBlob = blob === staging.blob || staging.blob.startsWith("url:");
  if (isThisFile && isThisBlob && staging.isSealed) return;
  throw new SwarmError(
    "INTERNAL",
    `the certificate for ${blob} at ${path} does not fit the staging file ${staging.path}`,
  );
}
