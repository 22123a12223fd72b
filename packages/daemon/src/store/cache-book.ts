/**
 * What is remembered of the cache between runs: which files this node put there, and when each revision was last used. Lines that are
 * only ever appended. Whose a file is, is written before the file is there: a node that is killed must not take its own
 * files for somebody else's ever after. Uses are gathered: what is lost of them counts as a use a bit earlier.
 */
import { appendFile, lstat, mkdir, readFile, realpath } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { type CommitId, formatRepo, type RepoRef } from "@swarmd/protocol";
import type { EventLog } from "../observe/events.js";
import { writeAtomically } from "./atomic-file.js";
import { errnoOf } from "./disk-faults.js";

export interface CacheBookOptions {
  readonly stateDir: string;
  readonly cacheDir: string;
  /** Uses are gathered so long before they are written. */
  readonly gatherMs?: number;
}

const GATHER_MS = 2_000;
/** What could not be written, as on a full disk, is tried again so much later. */
const AGAIN_MS = 30_000;
/** A model that is read all the time is noted no more often: the last run's word may be so much behind. */
const USE_AGAIN_MS = 60_000;
/** Lines that say nothing new any more, before the file is written anew. */
const STALE_LINES = 5_000;

/** How big the cache was when it was last looked at. */
export interface CacheExtent {
  readonly bytes: number;
  readonly models: number;
}

export class CacheBook {
  readonly #path: string;
  readonly #cacheDir: string;
  #realCacheDir: string;
  readonly #gatherMs: number;
  readonly #events: EventLog;
  readonly #own = new Set<string>();
  /** By an earlier run, and not looked for yet. */
  #ownBefore = new Set<string>();
  readonly #uses = new Map<string, number>();
  /** As last written; later uses wait in `#uses` only. */
  readonly #writtenUses = new Map<string, number>();
  #lines: string[] = [];
  /** The write that takes what comes while one is under way. */
  #nextWrite: Promise<void> | undefined;
  #isFailing = false;
  #extent: CacheExtent | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor({ stateDir, cacheDir, gatherMs = GATHER_MS }: CacheBookOptions, deps: { readonly events: EventLog }) {
    this.#path = join(stateDir, "cache", "book.jsonl");
    this.#cacheDir = cacheDir;
    this.#realCacheDir = cacheDir;
    this.#gatherMs = gatherMs;
    this.#events = deps.events;
  }

  /** What makes no sense is skipped. */
  async load(): Promise<void> {
    this.#realCacheDir = await realpath(this.#cacheDir).catch(() => this.#cacheDir);
    const text = await readFile(this.#path, "utf8").catch(() => "");
    let lines = 0;
    // The line at which an earlier run was killed must not swallow the next one.
    if (text !== "" && !text.endsWith("\n")) this.#lines.push("");
    for (const line of text.split("\n")) {
      if (line !== "") lines += 1;
      this.#take(line);
    }
    this.#ownBefore = new Set(this.#own);
    if (lines <= this.#own.size + this.#uses.size + STALE_LINES) return;
    await writeAtomically(this.#path, this.#format()).catch((error: unknown) => this.#warn(error));
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    for (const [used, atMs] of this.#uses) {
      if (this.#writtenUses.get(used) !== atMs) this.#lines.push(JSON.stringify({ used, atMs: Math.round(atMs) }));
    }
    await this.#flush();
    clearTimeout(this.#timer);
  }

  /** This node is about to put the file there. Settles when that is written, or can't be for now; never rejects. */
  async noteOwn(path: string): Promise<void> {
    const name = this.#nameOf(path);
    this.#ownBefore.delete(name);
    if (name.startsWith("..") || this.#own.has(name)) return;
    this.#own.add(name);
    this.#lines.push(JSON.stringify({ own: name }));
    await this.#flush();
  }

  /** The file is gone: whoever puts it there next is its owner. */
  noteGone(path: string): void {
    this.#dropOwn(this.#nameOf(path));
  }

  /**
   * Forgets what was removed since an earlier run put it there, or what it was killed over before it was there. `seen`: paths of what
   * is there. Never rejects.
   */
  async forgetGone(seen: Iterable<string>): Promise<void> {
    for (const path of seen) this.#ownBefore.delete(this.#nameOf(path));
    for (const name of this.#ownBefore) {
      const errno = await lstat(join(this.#cacheDir, name)).then(() => undefined, errnoOf);
      const isGone = errno === "ENOENT" || errno === "ENOTDIR";
      // Unless it is about to come: then it was taken off the list meanwhile.
      if (isGone && this.#ownBefore.has(name)) this.#dropOwn(name);
    }
    this.#ownBefore.clear();
  }

  isOwn(path: string): boolean {
    return this.#own.has(this.#nameOf(path));
  }

  noteUse(repo: RepoRef, commit: CommitId, atMs: number): void {
    const key = keyOf(repo, commit);
    if ((this.#uses.get(key) ?? Number.NEGATIVE_INFINITY) >= atMs) return;
    this.#uses.set(key, atMs);
    if (atMs < (this.#writtenUses.get(key) ?? Number.NEGATIVE_INFINITY) + USE_AGAIN_MS) return;
    this.#writtenUses.set(key, atMs);
    this.#write({ used: key, atMs: Math.round(atMs) });
  }

  lastUseMs(repo: RepoRef, commit: CommitId): number | undefined {
    return this.#uses.get(keyOf(repo, commit));
  }

  /** As an earlier run, or this one, last saw it. */
  get extent(): CacheExtent | undefined {
    return this.#extent;
  }

  noteExtent(extent: CacheExtent): void {
    const known = this.#extent;
    if (known?.bytes === extent.bytes && known.models === extent.models) return;
    this.#extent = extent;
    this.#write({ bytes: extent.bytes, models: extent.models });
  }

  /** The latest use of all. */
  get newestUseMs(): number {
    let newest = 0;
    for (const atMs of this.#uses.values()) newest = Math.max(newest, atMs);
    return newest;
  }

  #dropOwn(name: string): void {
    if (this.#own.delete(name)) this.#write({ gone: name });
  }

  /** The cache may be reached through a link, and paths of contents are those after all links. */
  #nameOf(path: string): string {
    // Asked of every file at every look: without taking each path apart.
    for (const folder of [this.#cacheDir, this.#realCacheDir]) {
      if (path.startsWith(folder) && path[folder.length] === sep) return path.slice(folder.length + 1);
    }
    return relative(this.#realCacheDir, path);
  }

  #take(line: string): void {
    try {
      const { own, gone, used, atMs, bytes, models } = JSON.parse(line) as Record<string, unknown>;
      if (typeof own === "string") this.#own.add(own);
      if (typeof gone === "string") this.#own.delete(gone);
      if (typeof used === "string" && typeof atMs === "number" && Number.isFinite(atMs)) {
        this.#uses.set(used, atMs);
        this.#writtenUses.set(used, atMs);
      }
      if (typeof bytes === "number" && typeof models === "number") this.#extent = { bytes, models };
    } catch {
      // The last line of a run that was killed.
    }
  }

  #format(): string {
    const lines = [
      ...(this.#extent === undefined ? [] : [JSON.stringify(this.#extent)]),
      ...[...this.#own].map((own) => JSON.stringify({ own })),
      ...[...this.#uses].map(([used, atMs]) => JSON.stringify({ used, atMs })),
    ];
    return lines.map((line) => `${line}\n`).join("");
  }

  #write(line: object): void {
    this.#lines.push(JSON.stringify(line));
    this.#timer ??= setTimeout(() => void this.#flush(), this.#gatherMs).unref();
  }

  /** Writes what has gathered, after the write that is under way. Never rejects. */
  #flush(): Promise<void> {
    this.#nextWrite ??= this.#writing.then(() => {
      this.#nextWrite = undefined;
      this.#writing = this.#append();
      return this.#writing;
    });
    return this.#nextWrite;
  }

  async #append(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const lines = this.#lines;
    if (lines.length === 0) return;
    this.#lines = [];
    try {
      await mkdir(dirname(this.#path), { recursive: true });
      await appendFile(this.#path, lines.map((line) => `${line}\n`).join(""));
      this.#isFailing = false;
    } catch (error) {
      // Some of it may have been written, up to the middle of a line.
      this.#lines = ["", ...lines, ...this.#lines];
      this.#timer = setTimeout(() => void this.#flush(), AGAIN_MS).unref();
      if (!this.#isFailing) this.#warn(error);
      this.#isFailing = true;
    }
  }

  #warn(error: unknown): void {
    this.#events.emit({ type: "cache.book-not-written", message: String(error) });
  }
}

function keyOf(repo: RepoRef, commit: CommitId): string {
  return `${formatRepo(repo)}@${commit}`;
}
