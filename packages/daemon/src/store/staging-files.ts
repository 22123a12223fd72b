/** Opens staging files: takes up what an earlier run left, as far as its journal can be believed, or starts afresh. */
import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { formatRepo } from "@swarmd/protocol";
import type { EventLog } from "../observe/events.js";
import { etagOf, stagingPath } from "./cache-layout.js";
import { toStoreError } from "./disk-faults.js";
import { type Claim, Journal, type JournalClaims, readJournal } from "./journal.js";
import { Limiter } from "./limiter.js";
import { recheckClaims, type ShardHasher } from "./recheck.js";
import { Staging, type StagingSpec } from "./staging.js";

export interface StagingFilesDeps {
  readonly createShardHasher: () => ShardHasher;
  readonly events: EventLog;
}

interface Found {
  readonly path: string;
  readonly file: FileHandle;
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
    const journalPath = this.#journalPath(spec);
    const path = stagingPath(folder, spec.blob, randomBytes(4).toString("hex"));
    try {
      await mkdir(dirname(path), { recursive: true });
      const found = (await this.#takeUp(spec, folder, signal)) ?? (await startAfresh(path));
      const journal = await this.#openJournal(journalPath, spec, found);
      const claims = [...found.durable, ...found.rechecked];
      return new Staging(spec, { path: found.path, file: found.file, journal, claims, syncs: this.#syncs, release });
    } catch (error) {
      throw toStoreError(error, "open", path, spec.sizeBytes);
    }
  }

  /** What earlier runs left, whether or not it is open now. */
  async list(): Promise<JournalClaims[]> {
    const names = await readdir(this.#journalDir).catch(() => []);
    const journals = await Promise.all(
      names.filter((name) => name.endsWith(".journal")).map((name) => readJournal(join(this.#journalDir, name))),
    );
    return journals.filter((journal) => journal !== undefined);
  }

  /**
   * Shards of an open staging file whose bytes are no longer what they were when they were checked: this disk's fault, not
   * that of their source.
   */
  async findDamaged(staging: Staging, { signal }: { readonly signal: AbortSignal }): Promise<number[]> {
    const { checked } = staging.resumeState();
    await staging.flushJournal();
    const claims = await readJournal(this.#journalPath(staging));
    if (claims === undefined) return [];
    const file = await open(staging.path, "r");
    try {
      const newest = new Map([...claims.durable, ...claims.doubtful]);
      const sound = await recheckClaims(file, newest.values(), {
        shardBytes: staging.shardBytes,
        createShardHasher: this.#deps.createShardHasher,
        signal,
      });
      const soundShards = new Set(sound.map(({ shard }) => shard));
      return checked.filter((shard) => newest.has(shard) && !soundShards.has(shard));
    } finally {
      await file.close();
    }
  }

  /** Removes what an earlier run left of a blob that is not open. */
  async remove({ header }: JournalClaims): Promise<void> {
    await rm(header.path, { force: true });
    await rm(join(this.#journalDir, `${etagOf(header.blob as StagingSpec["blob"])}.journal`), { force: true });
  }

  #journalPath(spec: Pick<StagingSpec, "blob">): string {
    return join(this.#journalDir, `${etagOf(spec.blob)}.journal`);
  }

  async #takeUp(spec: StagingSpec, folder: string, signal: AbortSignal): Promise<Found | undefined> {
    const claims = await readJournal(this.#journalPath(spec));
    if (claims === undefined || claims.header.blob !== spec.blob) return undefined;
    const { header } = claims;
    const file = await this.#openOwnFile(claims, spec);
    if (file === undefined) return undefined;
    try {
      const rechecked = await recheckClaims(file, claims.doubtful.values(), {
        shardBytes: spec.shardBytes,
        createShardHasher: this.#deps.createShardHasher,
        signal,
      });
      const better = new Set(rechecked.map((claim) => claim.shard));
      const durable = [...claims.durable.values()].filter((claim) => !better.has(claim.shard));
      this.#report(spec, claims, durable.length, rechecked.length);
      return { path: await moveInto(folder, header.path), file, durable, rechecked };
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
    { path: staging, file, durable, rechecked }: Found,
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
      return await Journal.open({ path, header, durable, doubtful: rechecked, onFault });
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

async function startAfresh(path: string): Promise<Found> {
  return { path, file: await open(path, "wx+"), durable: [], rechecked: [] };
}

/** A blob may be wanted for another repo than the one it was begun for. */
async function moveInto(folder: string, path: string): Promise<string> {
  const blobs = join(folder, "blobs");
  if (dirname(path) === blobs) return path;
  const moved = join(blobs, path.slice(dirname(path).length + 1));
  await rename(path, moved);
  return moved;
}
