/**
 * background: pulls that nobody waits for.
 *
 * In: orders and lists of repos; who waits for other pulls; the hour; what the day has cost. Out: pulls, one at a time, begun and broken
 * off. Never: fetches a byte itself, or decides which pull may run: that is the policy's (core/policy/background).
 */
import { type DayHours, formatDayHours, parseDayHours, SwarmError, toSwarmError } from "@swarmd/protocol";
import type {
  BackgroundJob,
  BackgroundRequest,
  BackgroundStatus,
  CancelRequest,
  CancelResult,
  ListProblem,
  PrefetchRequest,
  PrefetchResult,
  PullRequest,
  StopPrefetchRequest,
  WatchEvent,
  WatchRequest,
} from "@swarmd/protocol/api";
import { parsePrefetchList } from "@swarmd/protocol/api";
import type { LocalMoment } from "../core/policy/background/local-clock.js";
import {
  type BackgroundPlan,
  type Hold,
  isWorthAnotherTry,
  PEERS_AGAIN_MS,
  planBackground,
  retryAfterMs,
} from "../core/policy/background/plan-background.js";
import type { EventLog } from "../observe/events.js";
import type { Logger } from "../observe/logger.js";
import type { Attention } from "./attention.js";
import { Job, keyOf } from "./job.js";
import type { JobBook } from "./job-book.js";
import { JobWatchers } from "./job-watchers.js";
import { readList } from "./list-watch.js";
import { type List, Lists } from "./lists.js";
import type { OriginUseBook } from "./origin-use-book.js";
import type { BackgroundPulls, Clocks } from "./ports.js";

export interface BackgroundOptions {
  /** For what names no hours of its own. */
  readonly hours: DayHours | undefined;
  /** Absolute paths: watched as long as the node runs. */
  readonly lists: readonly string[];
  /** How often the clock on the wall and the lists are looked at. Default 1 s. */
  readonly tickMs?: number;
}

export interface BackgroundDeps {
  readonly pulls: BackgroundPulls;
  readonly attention: Attention;
  readonly use: OriginUseBook;
  readonly book: JobBook;
  readonly localTime: (wallMs: number) => LocalMoment;
  readonly hasPeers: () => boolean;
  readonly clocks: Clocks;
  readonly events: EventLog;
  readonly logger: Logger;
}

interface Run {
  readonly job: Job;
  readonly fromOrigin: boolean;
  readonly abort: AbortController;
  done: Promise<void>;
}

/** A clock that was set, a zone that changed its offset, and a list on a network file system are noticed within this. */
const TICK_MS = 1_000;
/** Done and in no list: as many as one order can bring, for whoever waits for it; and as many as a person wants to see. */
const REMEMBERED = 10_000;
const SHOWN = 20;

export class Background {
  readonly name = "background";
  readonly #options: BackgroundOptions;
  readonly #deps: BackgroundDeps;
  /** In the order in which they were asked for; those of lists by list, as they stand there. */
  readonly #orders = new Map<number, Job>();
  readonly #lists: Lists;
  readonly #watchers: JobWatchers;
  #plan: BackgroundPlan = { run: undefined, holds: new Map() };
  #run: Run | undefined;
  #lastId = 0;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;
  #isStarted = false;

  constructor(options: BackgroundOptions, deps: BackgroundDeps) {
    const { events, logger } = deps;
    this.#options = options;
    this.#deps = deps;
    this.#lists = new Lists({ newId: () => this.#newId(), onChange: () => this.#decide(), events, logger });
    this.#watchers = new JobWatchers(() => {
      const jobs = new Map(this.#jobs.map((job) => [job.id, job]));
      return (id) => {
        const job = jobs.get(id);
        return job && this.#view(job);
      };
    });
  }

  /** Reads what was ordered before, and goes on with it. */
  async start(): Promise<void> {
    const { book, use, attention } = this.#deps;
    const { lastId, jobs, lists } = await book.load();
    await use.load(this.#local.day);
    this.#lastId = lastId;
    for (const { id, pull, between } of jobs) this.#orders.set(id, new Job(id, pull, { hours: parseHours(between) }));
    attention.onChange = () => this.#decide();
    const kept = lists.map(({ path, between }) => ({ path, hours: parseHours(between), isConfigured: false }));
    const configured = this.#options.lists.map((path) => ({ path, hours: undefined, isConfigured: true }));
    for (const list of [...configured, ...kept]) {
      // Given to swarmd start and ordered as well: once is enough. A file system that does not answer keeps nobody from starting.
      if (this.#lists.find(list.path) === undefined) void this.#lists.open(list).watch.start();
    }
    this.#isStarted = true;
    this.#decide();
  }

  /** Breaks off what runs; what was ordered goes on when the node is started again. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    this.#run?.abort.abort();
    this.#watchers.stop();
    this.#lists.stop();
    await this.#run?.done;
    await this.#deps.use.stop();
  }

  /** Bytes came from the origin. */
  noteOrigin(bytes: number, isBackground: boolean): void {
    if (!this.#deps.use.note(bytes, isBackground)) return;
    const { budgetBytes } = this.#deps.use.today;
    this.#deps.events.emit({ type: "background", action: "budget-used-up", budgetBytes });
    this.#deps.logger.info({ budgetBytes }, "the day's budget is used up: no more from the origin in the background");
    this.#decide();
  }

  get status(): BackgroundStatus {
    const old = new Set([...this.#orders.values()].filter(({ state }) => state === "done").slice(0, -SHOWN));
    return {
      jobs: this.#jobs.filter((job) => !old.has(job)).map((job) => this.#view(job)),
      lists: this.#lists.all.map(({ path, hours, isConfigured, problems }) => {
        return { path, between: hours === undefined ? null : formatDayHours(hours), isConfigured, problems };
      }),
      originToday: this.#deps.use.today,
    };
  }

  // What people order.

  /** Adds a pull; one that is there already is tried at once again. @throws SwarmError NO_SPACE, STORE_FAULT: then it is not added */
  async add({ pull, between }: BackgroundRequest): Promise<BackgroundJob> {
    const [job] = await this.#order([pull], parseHours(between));
    return job as BackgroundJob;
  }

  async #order(pulls: readonly PullRequest[], hours: DayHours | undefined): Promise<readonly BackgroundJob[]> {
    const known = new Map([...this.#orders.values()].map((job) => [job.key, job]));
    const added: Job[] = [];
    const jobs = pulls.map((pull) => {
      const before = known.get(keyOf(pull));
      if (before !== undefined) {
        before.hours = hours;
        if (before !== this.#run?.job) before.again();
        return before;
      }
      const job = new Job(this.#newId(), pull, { hours });
      this.#orders.set(job.id, job);
      added.push(job);
      return job;
    });
    const undo = () => {
      for (const { id } of added) this.#orders.delete(id);
    };
    await this.#save({ undo });
    for (const job of added) this.#tell("added", job);
    this.#decide();
    return jobs.map((job) => this.#view(job));
  }

  /** @throws SwarmError REPO_NOT_FOUND, USAGE, NO_SPACE, STORE_FAULT */
  async cancel({ target }: CancelRequest): Promise<CancelResult> {
    const matches = (job: Job) => String(job.id) === target || job.target === target || job.request.target === target;
    const jobs = [...this.#orders.values()].filter((job) => job.state !== "done" && matches(job));
    const listed = this.#listed.find(matches);
    if (jobs.length === 0 && listed !== undefined) {
      throw new SwarmError("USAGE", `${listed.target} stands in the list ${listed.list}`, {
        hint: "Take it out of the list: that is acted on at once. swarm prefetch --stop FILE ends the whole list.",
      });
    }
    if (jobs.length === 0) {
      throw new SwarmError("REPO_NOT_FOUND", `nothing in the background goes by ${target}`, {
        hint: "swarm status shows what there is.",
      });
    }
    const cancelled = jobs.map((job) => this.#view(job));
    for (const { id } of jobs) this.#orders.delete(id);
    const undo = () => {
      for (const job of jobs) this.#orders.set(job.id, job);
    };
    await this.#save({ undo });
    for (const job of jobs) this.#tell("cancelled", job);
    this.#decide();
    return { cancelled };
  }

  /** Has all that a list names, now and as it changes. @throws SwarmError USAGE that names the line, NO_SPACE, STORE_FAULT */
  async prefetch(request: PrefetchRequest): Promise<PrefetchResult> {
    const { path, between, once } = request;
    const hours = parseHours(between);
    const { pulls, problems } = parsePrefetchList(await getText(path));
    const [first] = problems;
    if (first !== undefined) throw badList(path, first, problems.length);
    if (once === true) return { jobs: await this.#order(pulls, hours), problems };
    const before = this.#lists.find(path);
    if (before?.isConfigured === true && between !== undefined) {
      throw new SwarmError("USAGE", `${path} is a list that swarmd start was given`, {
        hint: "Its hours are those of swarmd start --between.",
      });
    }
    const list = before ?? this.#lists.open({ path, hours, isConfigured: false });
    const hoursBefore = list.hours;
    list.hours = hours;
    try {
      await this.#save();
    } catch (error) {
      list.hours = hoursBefore;
      if (before === undefined) this.#lists.close(list);
      throw error;
    }
    await (before === undefined ? list.watch.start() : list.watch.look());
    const { jobs } = list;
    for (const job of jobs) {
      job.hours = list.hours ?? this.#options.hours;
      if (before !== undefined && job !== this.#run?.job) job.again();
    }
    this.#decide();
    return { jobs: jobs.map((job) => this.#view(job)), problems: list.problems };
  }

  /** Forgets a list; what it brought stays in the cache. @throws SwarmError FILE_NOT_FOUND, USAGE, NO_SPACE, STORE_FAULT */
  async stopPrefetch({ path }: StopPrefetchRequest): Promise<PrefetchResult> {
    const list = this.#lists.find(path);
    if (list === undefined) {
      throw new SwarmError("FILE_NOT_FOUND", `${path} is no list that is watched`, {
        hint: "swarm prefetch --list shows those that are.",
      });
    }
    if (list.isConfigured) {
      throw new SwarmError("USAGE", `${path} is a list that swarmd start was given`, {
        hint: "Start it without --prefetch (or SWARM_PREFETCH, or prefetch in config.toml).",
      });
    }
    const jobs = list.jobs.map((job) => this.#view(job));
    await this.#save({ without: list });
    this.#lists.close(list);
    this.#decide();
    return { jobs, problems: [] };
  }

  /** Tells what becomes of some jobs, until none of them goes on. @throws SwarmError INTERRUPTED */
  watch(request: WatchRequest, onEvent: (event: WatchEvent) => void, signal: AbortSignal): Promise<void> {
    return this.#watchers.watch(request, onEvent, signal);
  }

  // What goes on.

  get #jobs(): readonly Job[] {
    return [...this.#orders.values(), ...this.#listed];
  }

  get #listed(): readonly Job[] {
    return this.#lists.all.flatMap(({ jobs }) => jobs);
  }

  get #local(): LocalMoment {
    return this.#deps.localTime(this.#deps.clocks.wallMs());
  }

  /** Asks what may run now, breaks off what may not and begins what may. All of it before this returns. */
  #decide(): void {
    if (this.#isStopped || !this.#isStarted) return;
    const { attention, use, clocks, hasPeers } = this.#deps;
    const { day, minute } = this.#local;
    use.roll(day);
    const queued = this.#jobs.filter(({ state }) => state === "queued");
    const run = this.#run?.abort.signal.aborted === false ? this.#run : undefined;
    this.#plan = planBackground(
      queued.map((job) => ({ ...job.waiting, hours: job.hours ?? this.#options.hours })),
      {
        nowMs: clocks.nowMs(),
        minute,
        isSomebodyWaiting: attention.isSomebodyWaiting,
        calmSinceMs: attention.calmSinceMs,
        originLeftBytes: use.leftBytes,
        hasPeers: hasPeers(),
        running: run && { id: run.job.id, fromOrigin: run.fromOrigin },
      },
    );
    const next = this.#plan.run;
    if (run !== undefined && (next?.id !== run.job.id || next.fromOrigin !== run.fromOrigin)) {
      run.abort.abort();
      this.#tell("broken-off", run.job, { why: this.#plan.holds.get(run.job.id)?.reason ?? "changed" });
    }
    const job = queued.find(({ id }) => id === next?.id);
    if (this.#run === undefined && next !== undefined && job !== undefined) this.#begin(job, next.fromOrigin);
    this.#keepTicking(queued.length > 0 || this.#lists.all.length > 0);
    this.#watchers.tell();
  }

  #begin(job: Job, fromOrigin: boolean): void {
    const abort = new AbortController();
    const run: Run = { job, fromOrigin, abort, done: Promise.resolve() };
    this.#run = run;
    this.#tell("began", job, { fromOrigin });
    const { signal } = abort;
    run.done = this.#deps.pulls
      .run(job.request, { fromOrigin, signal, onEvent: (event) => job.note(event) })
      .then(
        () => this.#succeeded(job),
        (error: unknown) => this.#failed(run, toSwarmError(error)),
      )
      .then(() => {
        this.#run = undefined;
        this.#decide();
      });
  }

  /** Also when it was broken off in its last moment. */
  async #succeeded(job: Job): Promise<void> {
    job.again();
    job.state = "done";
    this.#tell("done", job);
    if (!this.#orders.has(job.id)) return;
    const done = [...this.#orders.values()].filter(({ state }) => state === "done");
    for (const { id } of done.slice(0, -REMEMBERED)) this.#orders.delete(id);
    await this.#save().catch((err: unknown) => this.#deps.logger.warn({ err }, "could not write down what is done"));
  }

  #failed({ job, fromOrigin, abort }: Run, error: SwarmError): void {
    if (abort.signal.aborted) return;
    const { code, message } = error;
    job.error = error;
    const nowMs = this.#deps.clocks.nowMs();
    if (!isWorthAnotherTry(code)) job.state = "failed";
    else if (!fromOrigin) {
      // Its peers do not have all of it.
      job.lacksOrigin = true;
      job.retryAtMs = nowMs + PEERS_AGAIN_MS;
    } else {
      job.failures += 1;
      job.lacksOrigin = false;
      job.retryAtMs = nowMs + retryAfterMs(job.failures);
    }
    this.#tell(job.state === "failed" ? "failed" : "put-off", job, { code, message });
    if (fromOrigin) this.#deps.logger.warn({ target: job.target, code }, `in the background: ${message}`);
  }

  #keepTicking(isNeeded: boolean): void {
    if (!isNeeded) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    } else this.#timer ??= setInterval(() => void this.tick(), this.#options.tickMs ?? TICK_MS).unref();
  }

  /** Looks at the clock on the wall and at the lists; by itself it does so now and then. Resolves when the lists were read. */
  async tick(): Promise<void> {
    const looked = this.#lists.look();
    this.#decide();
    await looked;
  }

  // Small things.

  #newId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  #view(job: Job): BackgroundJob {
    const isRunning = this.#run?.job === job && !this.#run.abort.signal.aborted;
    const hold: Hold | undefined = this.#plan.holds.get(job.id);
    const view = job.view(isRunning, hold);
    return view.between !== null || this.#options.hours === undefined
      ? view
      : { ...view, between: formatDayHours(this.#options.hours) };
  }

  /** @param options.undo called when it could not be written, before that is thrown; `without`: a list that is to go */
  async #save({ undo, without }: { readonly undo?: () => void; readonly without?: List } = {}): Promise<void> {
    const jobs = [...this.#orders.values()].filter(({ state }) => state !== "done");
    const lists = this.#lists.all.filter((list) => !list.isConfigured && list !== without);
    try {
      await this.#deps.book.save({
        lastId: this.#lastId,
        jobs: jobs.map(({ id, request: pull, hours }) => ({ id, pull, ...betweenOf(hours) })),
        lists: lists.map(({ path, hours }) => ({ path, ...betweenOf(hours) })),
      });
    } catch (error) {
      undo?.();
      throw error;
    }
  }

  #tell(action: string, job: Job, more: Readonly<Record<string, unknown>> = {}): void {
    this.#deps.events.emit({ type: "background", action, job: job.id, target: job.target, ...more });
  }
}

function parseHours(between: string | undefined): DayHours | undefined {
  return between === undefined ? undefined : parseDayHours(between);
}

function betweenOf(hours: DayHours | undefined): { readonly between?: string } {
  return hours === undefined ? {} : { between: formatDayHours(hours) };
}

/** @throws SwarmError FILE_NOT_FOUND, USAGE */
async function getText(path: string): Promise<string> {
  const reading = await readList(path);
  if (reading.kind === "text") return reading.text;
  if (reading.kind === "missing") {
    throw new SwarmError("FILE_NOT_FOUND", `there is no file ${path}`, {
      hint: "A list has one repo a line: org/model, or org/model@revision.",
    });
  }
  throw new SwarmError("USAGE", `${path} can't be read: ${reading.message}`);
}

function badList(path: string, { line, message }: ListProblem, count: number): SwarmError {
  const others = count > 1 ? ` (and ${count - 1} more such lines)` : "";
  return new SwarmError("USAGE", `${path}:${line}: ${message}${others}`, {
    hint: "One repo a line: org/model[@revision], with --include GLOB or --exclude GLOB behind it; # begins a comment.",
  });
}
