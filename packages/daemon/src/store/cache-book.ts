/**
 * What is remembered of the cache between runs: which files this node put there, and when each revision was last used. Lines that are
 * only ever appended; what is lost with the last of them is that a file counts as somebody else's, or as used a bit earlier.
 */
import { appendFile, mkdir, readFile, realpath } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { type CommitId, formatRepo, type RepoRef } from "@swarmd/protocol";
import type { EventLog } from "../observe/events.js";
import { writeAtomically } from "./atomic-file.js";

export interface CacheBookOptions {
  readonly stateDir: string;
  readonly cacheDir: string;
  /** Uses are gathered so long before they are written. */
  readonly gatherMs?: number;
}

const GATHER_MS = 2_000;
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
  readonly #uses = new Map<string, number>();
  /** As last written; later uses wait in `#uses` only. */
  readonly #writtenUses = new Map<string, number>();
  readonly #lines: string[] = [];
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
    if (lines <= this.#own.size + this.#uses.size + STALE_LINES) return;
    await writeAtomically(this.#path, this.#format()).catch((error: unknown) => this.#warn(error));
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    for (const [used, atMs] of this.#uses) {
      if (this.#writtenUses.get(used) !== atMs) this.#lines.push(JSON.stringify({ used, atMs: Math.round(atMs) }));
    }
    this.#flush();
    await this.#writing;
  }

  /** This node has put the file there. */
  noteOwn(path: string): void {
    const name = this.#nameOf(path);
    if (name.startsWith("..") || this.#own.has(name)) return;
    this.#own.add(name);
    this.#write({ own: name });
  }

  /** The file is gone: whoever puts it there next is its owner. */
  noteGone(path: string): void {
    const name = this.#nameOf(path);
    if (this.#own.delete(name)) this.#write({ gone: name });
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

  /** The cache may be reached through a link, and paths of contents are those after all links. */
  #nameOf(path: string): string {
    const name = relative(this.#cacheDir, path);
    return name.startsWith("..") ? relative(this.#realCacheDir, path) : name;
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
    this.#timer ??= setTimeout(() => this.#flush(), this.#gatherMs).unref();
  }

  #flush(): void {
    this.#timer = undefined;
    const text = this.#lines
      .splice(0)
      .map((line) => `${line}\n`)
      .join("");
    if (text === "") return;
    this.#writing = this.#writing
      .then(() => mkdir(dirname(this.#path), { recursive: true }))
      .then(() => appendFile(this.#path, text))
      .catch((error: unknown) => this.#warn(error));
  }

  #warn(error: unknown): void {
    this.#events.emit({ type: "cache.book-not-written", message: String(error) });
  }
}

function keyOf(repo: RepoRef, commit: CommitId): string {
  return `${formatRepo(repo)}@${commit}`;
}
