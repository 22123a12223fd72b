/** What runs in the background, in words. Pure. */
import { formatBytes, formatRate } from "@swarmd/protocol";
import type { BackgroundJob, BackgroundReason, BackgroundStatus, OriginUse, PrefetchList } from "@swarmd/protocol/api";
import { renderTable } from "../table.js";
import { sanitize } from "../text.js";
import { percentOf } from "./pull-view.js";

const REASONS: Readonly<Record<BackgroundReason, string>> = {
  hours: "outside its hours",
  budget: "the day's budget is used up",
  yields: "makes way for a pull that somebody waits for",
  turn: "waits for its turn",
  retry: "is tried again later",
};

/** `running`, `outside its hours (22:00-06:00) until 22:00`, `failed: …`. */
export function describeJob({ state, reason, until, between, error, bytesPerSecond }: BackgroundJob): string {
  const said = error === null ? "" : `: ${sanitize(error.message)}`;
  if (state === "running") return bytesPerSecond > 0 ? `running, ${formatRate(bytesPerSecond)}` : "running";
  if (state !== "waiting" || reason === null) return `${state}${said}`;
  const hours = reason === "hours" && between !== null ? ` (${between})` : "";
  return `${REASONS[reason]}${hours}${until === null ? "" : ` until ${until}`}${reason === "retry" ? said : ""}`;
}

/** One line for each job. */
export function renderJobs(jobs: readonly BackgroundJob[]): string[] {
  const columns = [
    { title: "", align: "right" as const },
    { title: "" },
    { title: "", align: "right" as const },
    { title: "" },
  ];
  const rows = jobs.map((job) => [String(job.id), sanitize(job.target), progressOf(job), describeJob(job)]);
  return renderTable(columns, rows).slice(1);
}

/** A list, what is wrong with it, and its repos. */
export function renderList({ path, between, problems }: PrefetchList, jobs: readonly BackgroundJob[]): string[] {
  const own = jobs.filter(({ list }) => list === path);
  const done = own.filter(({ state }) => state === "done").length;
  const hours = between === null ? "" : `, ${between}`;
  const wrong = problems.map(({ line, message }) => `  ${line === 0 ? "" : `line ${line}: `}${sanitize(message)}`);
  return [`${sanitize(path)}${hours}: ${done} of ${own.length} are here`, ...wrong, ...renderJobs(own)];
}

/** `from the origin today: 12 GB in the background, 3 GB for who waited, of 50 GB`; nothing when there is nothing to say. */
export function describeOrigin({ backgroundBytes, foregroundBytes, budgetBytes }: OriginUse): string {
  const of = budgetBytes === null ? "" : `, of ${formatBytes(budgetBytes)}`;
  return `${formatBytes(backgroundBytes)} in the background, ${formatBytes(foregroundBytes)} for who waited${of}`;
}

/** More than fits a screen says less. */
const MOST_JOBS = 20;

/** What `swarm status` says of it: what runs first. */
export function renderBackground({ jobs, lists }: BackgroundStatus): string[] {
  const open = jobs.filter(({ state }) => state !== "done");
  const shown = [...open].sort((a, b) => Number(b.state === "running") - Number(a.state === "running"));
  const rest = open.length > MOST_JOBS ? [`and ${open.length - MOST_JOBS} more`] : [];
  const notes = lists.map(({ path, problems }) => {
    const wrong = problems.length === 0 ? "" : `, ${problems.length} of its lines can't be read`;
    const left = open.filter(({ list }) => list === path).length;
    return `list ${sanitize(path)}: ${left === 0 ? "all here" : `${left} to come`}${wrong}`;
  });
  return [...renderJobs(shown.slice(0, MOST_JOBS)), ...rest, ...notes];
}

function progressOf({ state, doneBytes, totalBytes }: BackgroundJob): string {
  if (state === "done") return "100%";
  return totalBytes === 0 ? "" : `${percentOf(doneBytes, totalBytes, false)}%`;
}
