/** Opens staging files: takes up what an earlier run left, as far as its journal can be believed, or starts afresh. */
import { randomBytes } from "node:crypto";
import { access, type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type BlobId, formatRepo, parseBlobId } from "@swarmd/protocol";
import type { EventLog } from "../observe/events.js";
import type { ShardHasher } from "../verify/shard-hasher.js";
import { etagOf, stagingPath } from "./cache-layout.js";
import { errnoOf, toStoreError } from "./disk-faults.js";
import { type Claim, Journal, type JournalClaims, readJournal } from "./journal.js";
import { Limiter } from "./limiter.js";
import { recheckClaims } from "./recheck.js";
import type { KnownGrounds } from "./shard-grounds.js";
import { Staging, type StagingSpec } from "./staging.js";

export interface StagingFilesDeps {
  readonly createShardHasher: () => ShardHasher;
  readonly events: EventLog;
}

/** A blob that is not whole. */
export interface HalfDone {
  readonly blob: BlobId;
  readonly sizeBytes: number;
  /** How many of them are there. */
  readonly bytes: number;
  /** As `formatRepo` has it; empty for a plain URL. */
  readonly repo: string;
  /** Of the staging file. */
  readonly path: string;
  readonly journalPath: string;
}

interface Found {
  readonly path: string;
  readonly file: FileHandle;
  readonly known: KnownGrounds;
  readonly durable: Iterable<Claim>;
  readonly rechecked: Iterable<Claim>;
}

export class StagingFiles {
  readonly #journalDir: string;
  readonly #deps: StagingFilesDeps;
  readonly #syncs = new Limiter(2);

  constructor(opts: { readonly journalDir: string }, deps: StagingFilesDeps) {
    this.#journalDir = opts.journalDir;
    this.#deps = deps;
  }

  /**
   * @param folder the repo's folder, in whose `blobs/` the file is to lie
   * @param release gives up the lock that the caller has taken; called when the staging file is closed
   * @throws SwarmError NO_SPACE, STORE_FAULT, or INTERRUPTED on abort
   */
  async open(
    spec: StagingSpec,
    folder: string,
    release: () => Promise<void>,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<Staging> {
    const journalPath = this.#journalPath(spec.blob);
    const path = stagingPath(folder, spec.blob, randomBytes(4).toString("hex"));
    try {
      await mkdir(dirname(path), { recursive: true });
      const found = (await this.#takeUp(spec, folder, signal)) ?? (await startAfresh(path));
      const journal = await this.#openJournal(journalPath, spec, found);
      const claims = [...found.durable, ...found.rechecked];
      const { createShardHasher } = this.#deps;
      const deps = {
        path: found.path,
        file: found.file,
        journal,
        claims,
        known: found.known,
        syncs: this.#syncs,
        createShardHasher,
        release,
      };
      return new Staging(spec, deps);
    } catch (error) {
      throw toStoreError(error, "open", path, spec.sizeBytes);
    }
  }

  /** What is half done, by what the journals say: open now, or left by an earlier run. */
  async list(): Promise<HalfDone[]> {
    const names = await readdir(this.#journalDir).catch(() => []);
    const paths = names.filter((name) => name.endsWith(".journal")).map((name) => join(this.#journalDir, name));
    const all: HalfDone[] = [];
    for (const path of paths) {
      const found = await findHalfDone(path);
      if (found !== undefined) all.push(found);
    }
    return all;
  }

  /** What is half done of one blob. */
  async find(blob: BlobId): Promise<HalfDone | undefined> {
    return findHalfDone(this.#journalPath(blob));
  }

  /** Removes what an earlier run left of a blob that is not open. Returns the bytes it took. @throws SwarmError STORE_FAULT. */
  async remove({ path, journalPath }: HalfDone): Promise<number> {
    try {
      // What counts as freed is what it took: the file has holes.
      const takenBytes = await stat(path).then(
        ({ blocks }) => blocks * 512,
        () => 0,
      );
      await rm(path, { force: true });
      await rm(journalPath, { force: true });
      return takenBytes;
    } catch (error) {
      throw toStoreError(error, "remove", path);
    }
  }

  #journalPath(blob: BlobId): string {
    return join(this.#journalDir, `${etagOf(blob)}.journal`);
  }

  async #takeUp(spec: StagingSpec, folder: string, signal: AbortSignal): Promise<Found | undefined> {
    const claims = await readJournal(this.#journalPath(spec.blob));
    if (claims === undefined || claims.header.blob !== spec.blob) return undefined;
    const file = await this.#openOwnFile(claims, spec);
    if (file === undefined) return undefined;
    const path = await moveInto(folder, claims.header.path);
    try {
      if (path === undefined) {
        await file.close();
        return undefined;
      }
      const rechecked = await recheckClaims(file, claims.doubtful.values(), {
        shardBytes: spec.shardBytes,
        createShardHasher: this.#deps.createShardHasher,
        signal,
      });
      const better = new Set(rechecked.map((claim) => claim.shard));
      const durable = [...claims.durable.values()].filter((claim) => !better.has(claim.shard));
      this.#report(spec, claims, durable.length, rechecked.length);
      return { path, file, durable, rechecked, known: claims };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** The staging file the journal speaks of, if it is still that file and long enough for what is claimed of it. */
  async #openOwnFile({ header, durable, doubtful }: JournalClaims, spec: StagingSpec): Promise<FileHandle | undefined> {
    const file = await open(header.path, "r+").catch(() => undefined);
    if (file === undefined) return undefined;
    const { ino, size } = await file.stat({ bigint: true });
    const isOurs = String(ino) === header.inode;
    const endBytes = Math.max(0, ...[...durable.values()].map((claim) => claim.shard * spec.shardBytes + claim.bytes));
    if (isOurs && size >= endBytes && header.sizeBytes === spec.sizeBytes && header.shardBytes === spec.shardBytes)
      return file;
    await file.close();
    // Ours, but of no use: a blob whose size or cut has changed. A file that is not ours stays.
    if (isOurs) await rm(header.path, { force: true });
    this.#deps.events.emit({ type: "store.resume-refused", blob: spec.blob, doubtful: doubtful.size });
    return undefined;
  }

  async #openJournal(
    path: string,
    spec: StagingSpec,
    { path: staging, file, durable, rechecked, known }: Found,
  ): Promise<Journal> {
    const { ino } = await file.stat({ bigint: true });
    const { blob, sizeBytes, shardBytes, repo } = spec;
    const header = {
      blob,
      sizeBytes,
      shardBytes,
      path: staging,
      inode: String(ino),
      repo: repo === undefined ? "" : formatRepo(repo),
    };
    const onFault = (error: unknown) =>
      this.#deps.events.emit({ type: "store.journal-failed", blob, message: String(error) });
    try {
      return await Journal.open({
        path,
        header,
        durable,
        doubtful: rechecked,
        grounds: known.grounds,
        guests: known.guests,
        onFault,
      });
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  #report(spec: StagingSpec, claims: JournalClaims, durable: number, rechecked: number): void {
    const refused = claims.doubtful.size - rechecked;
    this.#deps.events.emit({ type: "store.resumed", blob: spec.blob, durable, rechecked, refused });
  }
}

/** A journal whose staging file is gone, with the cache perhaps, is of no use any more and goes too. */
async function findHalfDone(journalPath: string): Promise<HalfDone | undefined> {
  const claims = await readJournal(journalPath);
  if (claims === undefined) return undefined;
  const error: unknown = await access(claims.header.path).catch((thrown) => thrown);
  if (errnoOf(error) !== "ENOENT") return toHalfDone(journalPath, claims);
  await rm(journalPath, { force: true }).catch(() => undefined);
  return undefined;
}

function toHalfDone(journalPath: string, { header, durable, doubtful }: JournalClaims): HalfDone {
  const { sizeBytes, repo, path } = header;
  const bytesOf = new Map([...durable, ...doubtful].map(([shard, claim]) => [shard, claim.bytes]));
  const bytes = [...bytesOf.values()].reduce((sum, more) => sum + more, 0);
  return { blob: parseBlobId(header.blob), sizeBytes, repo, path, journalPath, bytes };
}

async function startAfresh(path: string): Promise<Found> {
  return {
    path,
    file: await open(path, "wx+"),
    durable: [],
    rechecked: [],
    known: { grounds: new Map(), guests: new Map() },
  };
}

/**
 * A blob may be wanted for another repo than the one it was begun for.
 *
 * @returns where it is now; `undefined` when it can't get there: the cache is on another file system now, so it begins anew
 */
async function moveInto(folder: string, path: string): Promise<string | undefined> {
  const moved = join(folder, "blobs", basename(path));
  if (moved === path) return path;
  try {
    await rename(path, moved);
    return moved;
  } catch {
    await rm(path, { force: true }).catch(() => undefined);
    return undefined;
  }
}
