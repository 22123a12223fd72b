/** The lists of repos that are watched, and what each names. */
import type { DayHours } from "@swarmd/protocol";
import { type ListProblem, parsePrefetchList } from "@swarmd/protocol/api";
import type { EventLog } from "../observe/events.js";
import type { Logger } from "../observe/logger.js";
import { Job, keyOf } from "./job.js";
import { type ListReading, ListWatch } from "./list-watch.js";

export interface List {
  readonly path: string;
  hours: DayHours | undefined;
  /** Given to `swarmd start`. */
  readonly isConfigured: boolean;
  readonly watch: ListWatch;
  /** In the order of its lines. */
  jobs: readonly Job[];
  problems: readonly ListProblem[];
}

export interface ListsDeps {
  readonly newId: () => number;
  /** A list was read: what it names, or what is wrong with it, has changed. */
  readonly onChange: () => void;
  readonly events: EventLog;
  readonly logger: Logger;
}

export class Lists {
  readonly #deps: ListsDeps;
  readonly #lists = new Map<string, List>();

  constructor(deps: ListsDeps) {
    this.#deps = deps;
  }

  get all(): readonly List[] {
    return [...this.#lists.values()];
  }

  find(path: string): List | undefined {
    return this.#lists.get(path);
  }

  /** Not watched before {@link ListWatch.start}. */
  open(options: Pick<List, "path" | "hours" | "isConfigured">): List {
    const { path } = options;
    const watch = new ListWatch(path, (reading) => this.#read(path, reading));
    const list: List = { ...options, watch, jobs: [], problems: [] };
    this.#lists.set(path, list);
    return list;
  }

  close({ path, watch }: List): void {
    this.#lists.delete(path);
    watch.stop();
  }

  /** Looks at each now; resolves when they were read. */
  async look(): Promise<void> {
    await Promise.all(this.all.map(({ watch }) => watch.look()));
  }

  stop(): void {
    for (const { watch } of this.all) watch.stop();
  }

  #read(path: string, reading: ListReading): void {
    const list = this.#lists.get(path);
    if (list === undefined) return;
    if (reading.kind === "text") this.#take(list, reading.text);
    else {
      const message = reading.kind === "missing" ? "the file is not there" : `it can't be read: ${reading.message}`;
      list.problems = [{ line: 0, message: `${message}; what it named before goes on` }];
    }
    for (const { line, message } of list.problems) {
      this.#deps.logger.warn({ list: path, ...(line === 0 ? {} : { line }) }, `a list of repos: ${message}`);
    }
    this.#deps.onChange();
  }

  /** What stays in the list goes on as it was; what is new gets its place. */
  #take(list: List, text: string): void {
    const { pulls, problems } = parsePrefetchList(text);
    const before = new Map(list.jobs.map((job) => [job.key, job]));
    const jobs = pulls.map((pull) => {
      const known = before.get(keyOf(pull));
      return known ?? new Job(this.#deps.newId(), pull, { list: list.path, hours: list.hours });
    });
    const now = new Set(jobs);
    const names = (some: readonly Job[]) => some.map(({ target }) => target);
    this.#deps.events.emit({
      type: "background",
      action: "list",
      path: list.path,
      added: names(jobs.filter((job) => !before.has(job.key))),
      removed: names(list.jobs.filter((job) => !now.has(job))),
      problems: problems.length,
    });
    list.jobs = jobs;
    list.problems = problems;
  }
}
