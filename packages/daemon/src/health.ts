/**
 * Files rot. A slow scrub holds the cache against its digests, week by week; what is wrong is kept aside, no longer offered to anybody,
 * and fetched again, from the LAN where it can be. The link in the snapshot leads to a file all the while.
 */
import { readFile, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type BlobId, type CommitId, digestOf, formatRepo, type RepoRef, toSwarmError } from "@swarmd/protocol";
import type { EventLog } from "./observe/events.js";
import type { Logger } from "./observe/logger.js";
import type { Pulls } from "./pull/pulls.js";
import { writeAtomically } from "./store/atomic-file.js";
import type { BlobStore } from "./store/blob-store.js";
import { blobPath, repoPath } from "./store/cache-layout.js";
import { quarantine } from "./store/quarantine.js";
import { scanCache } from "./store/scan-repo.js";
import type { FileDigest } from "./verify/file-digest.js";

export interface HealthOptions {
  /** Of reading, on average; `undefined`: no scrub. */
  readonly scrubBytesPerS: number | undefined;
  readonly firstDelayMs?: number;
  readonly passMs?: number;
}

export interface HealthDeps {
  readonly store: BlobStore;
  readonly pulls: Pick<Pulls, "run">;
  /** Between two reads. Default: by the clock. */
  readonly wait?: (ms: number, options: { readonly signal: AbortSignal }) => Promise<unknown>;
  readonly openDigest: (path: string, sizeBytes: number, blob: BlobId) => FileDigest;
  readonly events: EventLog;
  readonly logger: Logger;
}

/** One file of a snapshot, and the blob it should be. */
export interface Suspect {
  readonly repo: RepoRef;
  readonly commit: CommitId;
  readonly path: string;
  readonly blob: BlobId;
}

/** A node that has just started has better things to do. */
const FIRST_DELAY_MS = 600_000;
const PASS_MS = 7 * 86_400_000;
/** Read at once, then waited for: small enough to be no burst. */
const STEP_BYTES = 4 * 1024 * 1024;

export class Health {
  readonly #options: HealthOptions;
  readonly #deps: HealthDeps;
  readonly #statePath: string;
  readonly #stopped = new AbortController();
  #scrubbing: Promise<void> = Promise.resolve();

  constructor(options: HealthOptions, deps: HealthDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#statePath = join(deps.store.stateDir, "cache", "scrub.json");
  }

  start(): void {
    if (this.#options.scrubBytesPerS !== undefined) this.#scrubbing = this.#scrubOnAndOn().catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#scrubbing;
  }

  /** Fetches a rotten file again. @returns whether it is whole now */
  async mend({ repo, commit, path, blob }: Suspect, signal: AbortSignal): Promise<boolean> {
    const { store, pulls, events, logger } = this.#deps;
    const file = blobPath(repoPath(store.cacheDir, repo), blob);
    const name = formatRepo(repo);
    const kept = await quarantine(store.stateDir, file, Date.now());
    await store.distrust(blob, file);
    events.emit({ type: "cache.rotten", repo: name, path, blob, kept });
    logger.warn({ repo: name, path, kept }, "a file is not what it should be; fetching it again");
    try {
      const include = [path.replaceAll(/[[*?]/g, "[$&]")];
      await pulls.run({ target: `${name}@${commit}`, include }, () => undefined, signal);
      events.emit({ type: "cache.mended", repo: name, path, blob });
      return true;
    } catch (error) {
      const { code, message } = toSwarmError(error);
      logger.warn({ repo: name, path, code }, `could not fetch it again: ${message}`);
      return false;
    }
  }

  /** Goes once through what is in the cache, from where the last run was interrupted. @returns how many files were wrong */
  async scrub(bytesPerS: number, signal: AbortSignal): Promise<number> {
    const { store, events } = this.#deps;
    const { cursor } = await this.#readState();
    let [files, bad] = [0, 0];
    for (const suspect of await this.#listFiles(signal)) {
      const key = keyOf(store, suspect);
      if (key <= cursor) continue;
      files += 1;
      if (!(await this.#isRight(suspect, bytesPerS, signal))) {
        bad += 1;
        await this.mend(suspect, signal);
      }
      await this.#writeState({ cursor: key, passedMs: 0 });
    }
    await this.#writeState({ cursor: "", passedMs: Date.now() });
    events.emit({ type: "cache.scrubbed", files, bad });
    return bad;
  }

  async #scrubOnAndOn(): Promise<void> {
    const { scrubBytesPerS = 1, firstDelayMs = FIRST_DELAY_MS, passMs = PASS_MS } = this.#options;
    const { signal } = this.#stopped;
    for (;;) {
      const { passedMs } = await this.#readState();
      const restMs = Math.min(passMs, Math.max(0, passedMs + passMs - Date.now()));
      await delay(Math.max(firstDelayMs, restMs), undefined, { signal, ref: false });
      await this.scrub(scrubBytesPerS, signal);
    }
  }

  /** Each blob of each repo once, in an order that stays the same. */
  async #listFiles(signal: AbortSignal): Promise<readonly Suspect[]> {
    const { store } = this.#deps;
    const found = new Map<string, Suspect>();
    for (const { repo, revisions } of await scanCache(store.cacheDir, { signal })) {
      for (const { commit, files } of revisions) {
        for (const { path, blob, contentPath } of files) {
          if (blob === undefined || contentPath === undefined) continue;
          const suspect = { repo, commit, path, blob };
          found.set(keyOf(store, suspect), suspect);
        }
      }
    }
    return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, suspect]) => suspect);
  }

  /** Reads the file no faster than asked. One that is gone, or that somebody writes, is left for the next pass. */
  async #isRight({ repo, blob }: Suspect, bytesPerS: number, signal: AbortSignal): Promise<boolean> {
    const { store, openDigest, wait = byTheClock } = this.#deps;
    const path = blobPath(repoPath(store.cacheDir, repo), blob);
    const before = await stat(path).catch(() => undefined);
    if (before === undefined) return true;
    const digest = openDigest(path, before.size, blob);
    const lastBytes = before.size % STEP_BYTES || Math.min(before.size, STEP_BYTES);
    try {
      for (let read = STEP_BYTES; read < before.size; read += STEP_BYTES) {
        digest.advance(read);
        await wait((1_000 * STEP_BYTES) / bytesPerS, { signal });
      }
      await wait((1_000 * lastBytes) / bytesPerS, { signal });
      const isRight = (await digest.finish({ signal })) === digestOf(blob)?.hex;
      const after = await stat(path).catch(() => undefined);
      // Our reading is no use.
      await utimes(path, before.atime, before.mtime).catch(() => undefined);
      return isRight || after?.mtimeMs !== before.mtimeMs;
    } catch (error) {
      if (signal.aborted) throw error;
      return true;
    } finally {
      digest.close();
    }
  }

  async #readState(): Promise<{ readonly cursor: string; readonly passedMs: number }> {
    try {
      const { cursor, passedMs } = JSON.parse(await readFile(this.#statePath, "utf8")) as Record<string, unknown>;
      if (typeof cursor === "string" && typeof passedMs === "number") return { cursor, passedMs };
    } catch {
      // The first time.
    }
    return { cursor: "", passedMs: 0 };
  }

  async #writeState(state: { readonly cursor: string; readonly passedMs: number }): Promise<void> {
    await writeAtomically(this.#statePath, `${JSON.stringify(state)}\n`).catch(() => undefined);
  }
}

function byTheClock(ms: number, { signal }: { readonly signal: AbortSignal }): Promise<unknown> {
  return delay(ms, undefined, { signal });
}

function keyOf(store: BlobStore, { repo, blob }: Suspect): string {
  return blobPath(repoPath(store.cacheDir, repo), blob).slice(store.cacheDir.length);
}
