/** Those who want to hear what becomes of some jobs. */
import { SwarmError } from "@swarmd/protocol";
import type { BackgroundJob, WatchEvent, WatchRequest } from "@swarmd/protocol/api";

interface Watcher {
  readonly ids: ReadonlySet<number>;
  /** What each was told of a job last. */
  readonly told: Map<number, string>;
  readonly onEvent: (event: WatchEvent) => void;
  readonly end: (error?: SwarmError) => void;
}

export class JobWatchers {
  readonly #now: () => (id: number) => BackgroundJob | undefined;
  readonly #watchers = new Set<Watcher>();
  #isStopped = false;

  /** @param now finds a job by its number, as it is at this moment; none that was cancelled */
  constructor(now: () => (id: number) => BackgroundJob | undefined) {
    this.#now = now;
  }

  /** Resolves after the `finished` event. @throws SwarmError INTERRUPTED */
  watch({ jobs }: WatchRequest, onEvent: (event: WatchEvent) => void, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => watcher.end(new SwarmError("INTERRUPTED", "nobody listens any more"));
      const end = (error?: SwarmError) => {
        this.#watchers.delete(watcher);
        signal.removeEventListener("abort", leave);
        if (error === undefined) resolve();
        else reject(error);
      };
      const watcher: Watcher = { ids: new Set(jobs), told: new Map(), onEvent, end };
      if (signal.aborted || this.#isStopped) return leave();
      signal.addEventListener("abort", leave, { once: true });
      this.#watchers.add(watcher);
      this.#tell(watcher, this.#now());
    });
  }

  /** Something may have changed. */
  tell(): void {
    if (this.#watchers.size === 0) return;
    const find = this.#now();
    for (const watcher of [...this.#watchers]) this.#tell(watcher, find);
  }

  stop(): void {
    this.#isStopped = true;
    for (const { end } of [...this.#watchers]) end(new SwarmError("INTERRUPTED", "the node is stopping"));
  }

  #tell({ ids, told, onEvent, end }: Watcher, find: (id: number) => BackgroundJob | undefined): void {
    const count = { done: 0, failed: 0, cancelled: 0 };
    for (const id of ids) {
      const job = find(id);
      if (job === undefined) count.cancelled += 1;
      else if (job.state === "done" || job.state === "failed") count[job.state] += 1;
      if (job === undefined) continue;
      const news = JSON.stringify([job.state, job.reason, job.until, job.error]);
      if (told.get(id) === news) continue;
      told.set(id, news);
      onEvent({ type: "job", job });
    }
    if (count.done + count.failed + count.cancelled < ids.size) return;
    onEvent({ type: "finished", ...count });
    end();
  }
}
