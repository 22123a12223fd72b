/** A list file, read when it changes: written in place, replaced by another, behind a link that is turned, gone, and there again. */
import { type FSWatcher, watch } from "node:fs";
import { open, stat } from "node:fs/promises";
import { dirname } from "node:path";

export type ListReading =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "missing" }
  /** There, and not to be read. */
  | { readonly kind: "unreadable"; readonly message: string };

const MOST_BYTES = 1024 * 1024;
/** Editors write in several steps. */
const SETTLE_MS = 150;

/** Never throws. */
export async function readList(path: string): Promise<ListReading> {
  try {
    const { size } = await statFile(path);
    if (size > MOST_BYTES) return { kind: "unreadable", message: `longer than ${MOST_BYTES} bytes` };
    const file = await open(path, "r");
    try {
      const text = await file.readFile("utf8");
      return { kind: "text", text };
    } finally {
      await file.close();
    }
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return { kind: "missing" };
    return { kind: "unreadable", message: code === "EACCES" ? "this node's user may not read it" : message };
  }
}

/** A pipe would never end, and a folder has no lines. */
async function statFile(path: string) {
  const stats = await stat(path);
  if (stats.isFile()) return stats;
  throw new Error(stats.isDirectory() ? "it is a folder" : "it is no file");
}

export class ListWatch {
  readonly #path: string;
  readonly #onReading: (reading: ListReading) => void;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stamp = "";
  #looking: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #isStopped = false;

  /** @param onReading called with what is there first, and whenever that has changed */
  constructor(path: string, onReading: (reading: ListReading) => void) {
    this.#path = path;
    this.#onReading = onReading;
  }

  /** Resolves when it was read the first time; on a network file system that may take for ever. */
  start(): Promise<void> {
    this.#watch();
    return this.look();
  }

  /**
   * Looks whether it has changed. To be called now and then: links into other folders, network file systems and folders that were not
   * there tell nobody.
   */
  look(): Promise<void> {
    // One look at a time, and one more for what changed meanwhile.
    this.#next ??= this.#looking.then(() => {
      this.#next = undefined;
      return this.#look();
    });
    this.#looking = this.#next;
    return this.#next;
  }

  /** Nothing is told any more. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#watcher?.close();
  }

  async #look(): Promise<void> {
    if (this.#isStopped) return;
    if (this.#watcher === undefined) this.#watch();
    const stamp = await stampOf(this.#path);
    if (this.#isStopped || stamp === this.#stamp) return;
    const reading = await readList(this.#path);
    if (this.#isStopped) return;
    this.#stamp = stamp;
    this.#onReading(reading);
  }

  /** The folder, not the file: a file that replaces another is not the one that was watched. */
  #watch(): void {
    try {
      const watcher = watch(dirname(this.#path), { persistent: false }, () => {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => void this.look(), SETTLE_MS).unref();
      });
      watcher.on("error", () => this.#unwatch(watcher));
      this.#watcher = watcher;
    } catch {
      // No such folder yet: the next look tries again.
    }
  }

  #unwatch(watcher: FSWatcher): void {
    watcher.close();
    if (this.#watcher === watcher) this.#watcher = undefined;
  }
}

/** Tells one state of the file from another. */
async function stampOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = await stat(path);
    return [dev, ino, size, mtimeMs, ctimeMs].join(" ");
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "unknown";
  }
}
