/** The event log of a running node: `events.jsonl` in the state folder, and the file before it as `events.1.jsonl`. */
import { type FileHandle, open, rename } from "node:fs/promises";
import { join } from "node:path";
import type { EventLog } from "./events.js";

export interface FileEventLogOptions {
  /** Absolute; must exist. */
  readonly dir: string;
  /** When a file is longer, the next one begins. Default 16 MiB, so the log never takes more than twice that. */
  readonly maxFileBytes?: number;
  /** Most events waiting for the disk; what comes on top is dropped and counted. */
  readonly maxQueued?: number;
}

export interface FileEventLogDeps {
  /** Wall clock, in ms. */
  readonly now: () => number;
  /** Told when the log can't be written, once until it can again; the node goes on meanwhile. */
  readonly onFailure: (error: unknown) => void;
}

const DEFAULT_MAX_FILE_BYTES = 16 * 1024 * 1024;
const DEFAULT_MAX_QUEUED = 10_000;
/** A disk that is full now has room again some time; what happens until then is only counted. */
const TRY_AGAIN_MS = 60_000;

export class FileEventLog implements EventLog {
  readonly #options: Required<FileEventLogOptions>;
  readonly #deps: FileEventLogDeps;
  #queue: string[] = [];
  #dropped = 0;
  #writing: Promise<void> | undefined;
  #file: FileHandle | undefined;
  #fileBytes = 0;
  #hasFailed = false;
  #silentUntilMs = Number.NEGATIVE_INFINITY;
  #isClosed = false;

  constructor(options: FileEventLogOptions, deps: FileEventLogDeps) {
    this.#options = { maxFileBytes: DEFAULT_MAX_FILE_BYTES, maxQueued: DEFAULT_MAX_QUEUED, ...options };
    this.#deps = deps;
  }

  /** Adds `time` (ISO 8601). */
  emit(event: { readonly type: string; readonly [field: string]: unknown }): void {
    if (this.#isClosed) return;
    // A clock that was set back must not keep it silent.
    const silentMs = this.#silentUntilMs - this.#deps.now();
    if (this.#queue.length >= this.#options.maxQueued || (silentMs > 0 && silentMs <= TRY_AGAIN_MS)) {
      this.#dropped += 1;
      return;
    }
    this.#queue.push(this.#toLine(event));
    this.#writing ??= this.#drain();
  }

  /** Writes what is queued and closes the file. */
  async close(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    await this.#file?.close().catch(() => undefined);
    this.#file = undefined;
    this.#isClosed = true;
  }

  #toLine(event: { readonly type: string }): string {
    return `${JSON.stringify({ time: new Date(this.#deps.now()).toISOString(), ...event })}\n`;
  }

  async #drain(): Promise<void> {
    // Everything emitted in this turn goes out with one write.
    await Promise.resolve();
    let lost = 0;
    try {
      while (this.#queue.length > 0) {
        const lines = this.#queue;
        this.#queue = [];
        lost = lines.length + this.#dropped;
        if (this.#dropped > 0) lines.push(this.#toLine(this.#takeDropped()));
        await this.#write(Buffer.from(lines.join("")));
        this.#hasFailed = false;
      }
    } catch (error) {
      this.#dropped += lost + this.#queue.length;
      this.#queue = [];
      this.#silentUntilMs = this.#deps.now() + TRY_AGAIN_MS;
      await this.#file?.close().catch(() => undefined);
      this.#file = undefined;
      if (!this.#hasFailed) this.#deps.onFailure(error);
      this.#hasFailed = true;
    } finally {
      // In the same turn as the look that found the queue empty, so that no event is left behind.
      this.#writing = undefined;
    }
  }

  #takeDropped(): { type: string; count: number } {
    const count = this.#dropped;
    this.#dropped = 0;
    return { type: "events-dropped", count };
  }

  async #write(bytes: Buffer): Promise<void> {
    const path = join(this.#options.dir, "events.jsonl");
    if (this.#file === undefined) {
      this.#file = await open(path, "a", 0o600);
      this.#fileBytes = (await this.#file.stat()).size;
    }
    if (this.#fileBytes > 0 && this.#fileBytes + bytes.length > this.#options.maxFileBytes) {
      await this.#file.close();
      await rename(path, join(this.#options.dir, "events.1.jsonl"));
      this.#file = await open(path, "a", 0o600);
      this.#fileBytes = 0;
    }
    // A write that failed may have ended in the middle of a line.
    const isMidway = this.#hasFailed && this.#fileBytes > 0;
    await this.#file.appendFile(isMidway ? Buffer.concat([Buffer.from("\n"), bytes]) : bytes);
    this.#fileBytes += bytes.length;
  }
}
