import type { BlobId } from "@swarmd/protocol";
import type { FileProgress, ProgressEvent } from "@swarmd/protocol/api";
import type { BlobView } from "./ports.js";

/** The rate is that of the last few seconds: older is stale, shorter jumps. */
const WINDOW_MS = 5000;

/** One blob of a pull, and the file names it stands for. */
export interface MeteredFile {
  readonly path: string;
  readonly blob: BlobId;
  readonly sizeBytes: number;
}

/** Turns what the engine knows of each blob into the progress a person watches. Pure but for the samples it keeps. */
export class PullMeter {
  readonly #files: readonly MeteredFile[];
  readonly #totalBytes: number;
  readonly #presentBytes: number;
  readonly #filesPresent: number;
  readonly #view: (blob: BlobId) => BlobView | undefined;
  readonly #done = new Set<BlobId>();
  /** What was last seen of each: a blob that the engine has let go of is being linked. */
  readonly #seen = new Map<BlobId, BlobView>();
  #samples: { readonly atMs: number; readonly bytes: number }[] = [];

  /** `files` are those not in the cache when the pull began; `presentBytes` the size of the others. */
  constructor(
    options: { readonly files: readonly MeteredFile[]; readonly presentBytes: number; readonly filesPresent: number },
    view: (blob: BlobId) => BlobView | undefined,
  ) {
    this.#files = options.files;
    this.#presentBytes = options.presentBytes;
    this.#filesPresent = options.filesPresent;
    this.#totalBytes = options.files.reduce((sum, file) => sum + file.sizeBytes, options.presentBytes);
    this.#view = view;
  }

  /** A blob is in the cache and linked; its view may be gone by now. */
  markDone(blob: BlobId): void {
    this.#done.add(blob);
  }

  progress(nowMs: number): ProgressEvent {
    let bytes = this.#presentBytes;
    let filesDone = this.#filesPresent;
    const files: FileProgress[] = [];
    for (const file of this.#files) {
      const view = this.#look(file.blob);
      const done = this.#done.has(file.blob);
      const doneBytes = done ? file.sizeBytes : Math.min(view?.doneBytes ?? 0, file.sizeBytes);
      bytes += doneBytes;
      if (done) filesDone += 1;
      else if (view !== undefined && view.phase !== "waiting") {
        files.push({ path: file.path, sizeBytes: file.sizeBytes, doneBytes, state: view.phase });
      }
    }
    const bytesPerSecond = this.#rate(nowMs, bytes);
    const left = this.#totalBytes - bytes;
    return {
      type: "progress",
      bytes,
      totalBytes: this.#totalBytes,
      bytesPerSecond,
      etaMs: left === 0 ? 0 : bytesPerSecond > 0 ? Math.round((left / bytesPerSecond) * 1000) : null,
      filesDone,
      filesTotal: this.#files.length + this.#filesPresent,
      files,
    };
  }

  #look(blob: BlobId): BlobView | undefined {
    const view = this.#view(blob) ?? this.#seen.get(blob);
    if (view !== undefined) this.#seen.set(blob, view);
    return view;
  }

  #rate(nowMs: number, bytes: number): number {
    this.#samples = this.#samples.filter(({ atMs }) => nowMs - atMs <= WINDOW_MS);
    const first = this.#samples[0];
    this.#samples.push({ atMs: nowMs, bytes });
    if (first === undefined || nowMs === first.atMs) return 0;
    return Math.max(0, Math.round(((bytes - first.bytes) * 1000) / (nowMs - first.atMs)));
  }
}
