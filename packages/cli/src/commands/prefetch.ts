/** `swarm prefetch FILE`: all repos of a list, pulled while nobody waits for another pull. */
import { resolve } from "node:path";
import { SwarmError } from "@swarmd/protocol";
import {
  type BackgroundJob,
  type BackgroundStatus,
  type PrefetchRequest,
  type PrefetchResult,
  parsePrefetchRequest,
  parseStopPrefetchRequest,
  type WatchEvent,
} from "@swarmd/protocol/api";
import { type Command, Option } from "commander";
import { type Client, connectTo, stateDirFor } from "../connection.js";
import { withInterrupt } from "../interrupt.js";
import { withNode } from "../node-access.js";
import { addCommand, addExamples, jsonOption, stateDirOption } from "../program.js";
import { describeJob, describeOrigin, renderJobs, renderList } from "../progress/background-view.js";
import { sanitize } from "../text.js";

interface PrefetchFlags {
  readonly between?: string;
  readonly once?: boolean;
  readonly wait?: boolean;
  readonly list?: boolean;
  readonly stop?: boolean;
  readonly json?: boolean;
  readonly stateDir?: string;
}

const NAMES = { path: "the file", between: "--between" };
/** Writing a list of thousands of repos down takes a while on a slow disk. */
const DEADLINE_MS = 30_000;

export function addPrefetchCommand(program: Command): void {
  const command = addCommand(program, "prefetch", "have all repos of a list, in the background", "Models:")
    .argument("[file]", "one ORG/MODEL[@REV] a line, with --include and --exclude behind it; # begins a comment")
    .addOption(new Option("--between <hours>", "only then, such as 22:00-06:00").helpGroup("When:"))
    .addOption(new Option("--once", "read the file now, and do not watch it").helpGroup("How:"))
    .addOption(new Option("--wait", "until all is here; the exit code tells").helpGroup("How:"))
    .addOption(
      new Option("--list", "show the lists that are watched").conflicts(["once", "wait", "stop"]).helpGroup("Instead:"),
    )
    .addOption(
      new Option("--stop", "watch the file no longer; what is here stays")
        .conflicts(["once", "wait", "between"])
        .helpGroup("Instead:"),
    )
    .addOption(jsonOption())
    .addOption(stateDirOption())
    .action(prefetch);
  addExamples(command, [
    ["swarm prefetch models.txt", "from now on: what is added to the file is fetched"],
    ["swarm prefetch models.txt --between 22:00-06:00", "at night only"],
    ["swarm prefetch models.txt --once --wait", "all of it now; without a daemon, with a node of its own"],
    ["swarm prefetch --stop models.txt", "forget the list"],
  ]);
}

async function prefetch(file: string | undefined, flags: PrefetchFlags): Promise<void> {
  if (flags.list === true) {
    if (file !== undefined) throw new SwarmError("USAGE", "--list takes no file: it shows all lists");
    return await showLists(flags);
  }
  if (file === undefined || file === "") {
    throw new SwarmError("USAGE", "no file named", {
      hint: "It has one repo a line: org/model, or org/model@revision.",
    });
  }
  const path = resolve(file);
  if (flags.stop === true) return await stopList(path, flags);
  const { between, once, wait = false } = flags;
  const request = parsePrefetchRequest({ path, between, once }, NAMES);
  const hint = wait ? "The daemon goes on; swarm status shows how far it is." : undefined;
  await withInterrupt(hint === undefined ? {} : { message: "not waiting any longer.", hint }, (signal) =>
    withClient(flags, signal, (client) => order(client, request, flags, signal)),
  );
}

/** Without a daemon only what is done when the command ends makes sense. */
function withClient(
  { once, wait, stateDir }: PrefetchFlags,
  signal: AbortSignal,
  work: (client: Client) => Promise<void>,
): Promise<void> {
  if (once !== true || wait !== true) return work(connectTo(stateDirFor(stateDir)));
  const log = (line: string) => void process.stderr.write(line);
  const onOwnNode = () => log("no daemon is running: fetching with a node of its own (swarmd start keeps one)\n");
  return withNode({ stateDir, command: "swarm prefetch", withPeers: true, signal, log, onOwnNode }, work);
}

async function order(
  client: Client,
  request: PrefetchRequest,
  { json = false, wait = false }: PrefetchFlags,
  signal: AbortSignal,
): Promise<void> {
  const result = await client.prefetch(request, { signal, deadlineMs: DEADLINE_MS });
  if (!wait) process.stdout.write(json ? `${JSON.stringify(result)}\n` : renderResult(request, result));
  else await waitFor(client, result.jobs, json, signal);
}

function renderResult({ path, once }: PrefetchRequest, { jobs }: PrefetchResult): string {
  const what = once === true ? "to be had once" : "to be had, now and as the list changes";
  const lines = [`${sanitize(path)}: ${jobs.length} repos ${what}`, ...renderJobs(jobs)];
  return `${lines.join("\n")}\n`;
}

/** @throws SwarmError what the first that failed ended with */
async function waitFor(
  client: Client,
  jobs: readonly BackgroundJob[],
  json: boolean,
  signal: AbortSignal,
): Promise<void> {
  const last = new Map(jobs.map((job) => [job.id, job]));
  const watch: AsyncGenerator<Exclude<WatchEvent, { type: "error" }>> = client.watch(
    { jobs: jobs.map(({ id }) => id) },
    { signal, deadlineMs: DEADLINE_MS },
  );
  for await (const event of watch) {
    if (json) process.stdout.write(`${JSON.stringify(event)}\n`);
    if (event.type === "job") {
      last.set(event.job.id, event.job);
      if (!json) process.stdout.write(`${sanitize(event.job.target)}: ${describeJob(event.job)}\n`);
      continue;
    }
    if (event.failed > 0 || event.cancelled > 0) throw notAll([...last.values()], event);
    if (!json) process.stdout.write(`all ${event.done} are here\n`);
  }
}

function notAll(
  jobs: readonly BackgroundJob[],
  { failed, cancelled }: { readonly failed: number; readonly cancelled: number },
): SwarmError {
  const first = jobs.find(({ state }) => state === "failed");
  if (first === undefined || first.error === null) {
    return new SwarmError("INTERRUPTED", `${cancelled} of ${jobs.length} repos were cancelled`);
  }
  const { code, message, hint } = first.error;
  const others = failed > 1 ? ` (and ${failed - 1} more)` : "";
  const text = `${failed} of ${jobs.length} repos can't be had: ${first.target}: ${message}${others}`;
  return new SwarmError(code, text, hint === undefined ? {} : { hint });
}

async function showLists({ json, stateDir }: PrefetchFlags): Promise<void> {
  const client = connectTo(stateDirFor(stateDir));
  const { background } = await withInterrupt({}, (signal) =>
    client.status(undefined, { signal, deadlineMs: DEADLINE_MS }),
  );
  process.stdout.write(json === true ? `${JSON.stringify(background)}\n` : renderLists(background));
}

function renderLists({ lists, jobs, originToday }: BackgroundStatus): string {
  const shown = lists.length === 0 ? ["no lists"] : lists.flatMap((list) => renderList(list, jobs));
  return `${[...shown, `from the origin today: ${describeOrigin(originToday)}`].join("\n")}\n`;
}

async function stopList(path: string, { json, stateDir }: PrefetchFlags): Promise<void> {
  const request = parseStopPrefetchRequest({ path }, NAMES);
  const client = connectTo(stateDirFor(stateDir));
  const result = await withInterrupt({}, (signal) => client.stopPrefetch(request, { signal, deadlineMs: DEADLINE_MS }));
  const text = `${sanitize(path)} is no longer watched; what it brought stays in the cache\n`;
  process.stdout.write(json === true ? `${JSON.stringify(result)}\n` : text);
}
