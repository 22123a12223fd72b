/** `swarm pull`: a repo or a URL, into the Hugging Face cache. */
import { resolve } from "node:path";
import { SwarmError } from "@swarmd/protocol";
import {
  type FieldNames,
  type PullRequest,
  parseBackgroundRequest,
  parsePullRequest,
  parseWorkers,
} from "@swarmd/protocol/api";
import { type Command, Option } from "commander";
import { type Client, connectTo, stateDirFor } from "../connection.js";
import { withInterrupt } from "../interrupt.js";
import { withNode } from "../node-access.js";
import { addCommand, addExamples, collect, jsonOption, stateDirOption } from "../program.js";
import { describeJob } from "../progress/background-view.js";
import { createPullReport, type PullReport } from "../progress/pull-report.js";
import { sanitize } from "../text.js";

interface PullFlags {
  readonly revision?: string;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly localDir?: string;
  readonly out?: string;
  readonly workers?: string;
  readonly peer: boolean;
  readonly offline?: boolean;
  readonly dryRun?: boolean;
  readonly from?: string;
  readonly background?: boolean;
  readonly between?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly stateDir?: string;
}

const FLAG_NAMES: FieldNames = {
  revision: "--revision",
  include: "--include",
  exclude: "--exclude",
  localDir: "--local-dir",
  out: "--out",
  workers: "--workers",
  from: "--from",
  dryRun: "--dry-run",
  between: "--between",
};

const DEADLINE_MS = 10_000;

export function addPullCommand(program: Command): void {
  const command = addCommand(program, "pull", "fetch a model, a dataset or a URL into the cache", "Models:")
    .argument("<target>", "ORG/MODEL[@REV], datasets/ORG/NAME[@REV], or an http(s) URL")
    .addOption(new Option("--revision <rev>", "branch, tag or commit (default: main)").helpGroup("What:"))
    .addOption(
      new Option("--include <glob>", "only files that match; repeatable").argParser(collect).helpGroup("What:"),
    )
    .addOption(
      new Option("--exclude <glob>", "not the files that match; repeatable").argParser(collect).helpGroup("What:"),
    )
    .addOption(
      new Option("--from <node>", "what this node published under the name, though no origin has it").helpGroup(
        "What:",
      ),
    )
    .addOption(new Option("--local-dir <dir>", "place the files in this folder too").helpGroup("Where:"))
    .addOption(new Option("--out <file>", "place the one file here too").helpGroup("Where:"))
    .addOption(new Option("--workers <n>", "requests to the origin at a time, 1 to 64").helpGroup("How:"))
    .addOption(new Option("--no-peer", "from the origin only").helpGroup("How:"))
    .addOption(new Option("--offline", "never ask the origin").helpGroup("How:"))
    .addOption(new Option("--dry-run", "say what would be pulled, and move nothing").helpGroup("How:"))
    .addOption(
      new Option("--background", "let the daemon do it while nobody waits for another pull").helpGroup("When:"),
    )
    .addOption(new Option("--between <hours>", "with --background: only then, such as 22:00-06:00").helpGroup("When:"))
    .addOption(jsonOption("print one JSON object per line"))
    .addOption(new Option("--quiet", "print only the path, at the end").conflicts("json").helpGroup("Output:"))
    .addOption(stateDirOption())
    .action(pull);
  addExamples(command, [
    ["swarm pull Qwen/Qwen2.5-0.5B-Instruct", "a whole repo"],
    ["swarm pull org/model@v1.0 --include '*.safetensors'", "some files of a tag"],
    ["swarm pull datasets/org/name --local-dir data", "a dataset, also into ./data"],
    ["swarm pull me/finetune --from 12D3Koo…", "what a node of this LAN published with swarm add"],
    ["swarm pull org/large --background --between 22:00-06:00", "at night; swarm status shows how far it is"],
    ["swarm pull https://host/model.gguf --out model.gguf", "one file from any server"],
  ]);
}

async function pull(target: string, flags: PullFlags): Promise<void> {
  const request = toPullRequest(target, flags, process.env);
  if (flags.background === true) return await pullLater(request, flags);
  if (flags.between !== undefined) {
    throw new SwarmError("USAGE", "--between is for pulls that nobody waits for", { hint: "Add --background." });
  }
  const report = createPullReport({ json: flags.json === true, quiet: flags.quiet === true });
  const hint = "What was fetched is kept: run the same command again to go on.";
  try {
    await withInterrupt({ message: "stopped.", hint }, (signal) =>
      withNode(
        {
          stateDir: flags.stateDir,
          command: "swarm pull",
          withPeers: request.noPeer !== true,
          signal,
          log: (line) => report.print(line.trimEnd()),
          onOwnNode: () =>
            report.print("no daemon is running: pulling with a node of its own (swarmd start keeps one)"),
          onStillServing: () => report.print("done here; another pull is still being served (Ctrl-C ends it)"),
        },
        (client) => runPull(client, request, report, signal),
      ),
    );
  } finally {
    report.stop();
  }
}

/** Only a daemon has a later. */
async function pullLater(pull: PullRequest, { between, json, quiet, stateDir }: PullFlags): Promise<void> {
  const request = parseBackgroundRequest({ pull, between }, FLAG_NAMES);
  const client = connectTo(stateDirFor(stateDir));
  const job = await withInterrupt({}, (signal) => client.background(request, { signal, deadlineMs: DEADLINE_MS }));
  if (json === true) process.stdout.write(`${JSON.stringify({ type: "job", job })}\n`);
  else if (quiet === true) process.stdout.write(`${job.id}\n`);
  else {
    process.stdout.write(`in the background: ${sanitize(job.target)}, job ${job.id}, ${describeJob(job)}\n`);
    process.stdout.write(`swarm status shows how far it is; swarm cancel ${job.id} takes it back\n`);
  }
}

async function runPull(client: Client, request: PullRequest, report: PullReport, signal: AbortSignal): Promise<void> {
  for await (const event of client.pull(request, { signal })) report.onEvent(event);
}

/** All that can be wrong with the command line is found here. @throws SwarmError USAGE */
export function toPullRequest(target: string, flags: PullFlags, env: NodeJS.ProcessEnv): PullRequest {
  const { revision, include, exclude, localDir, out, workers, peer, offline, dryRun, from } = flags;
  const body = {
    target,
    revision,
    include,
    exclude,
    localDir: localDir === undefined ? undefined : toPath(localDir, "--local-dir"),
    out: out === undefined ? undefined : toPath(out, "--out"),
    workers: workers === undefined ? undefined : parseWorkersFlag(workers),
    noPeer: peer ? undefined : true,
    offline: offline === true || isHubOffline(env) ? true : undefined,
    dryRun,
    from,
  };
  return parsePullRequest(body, FLAG_NAMES);
}

export function parseWorkersFlag(text: string): number {
  return parseWorkers(/^\d{1,9}$/.test(text) ? Number(text) : text, "--workers");
}

function toPath(path: string, flag: string): string {
  if (path === "") throw new SwarmError("USAGE", `${flag} is empty`);
  return resolve(path);
}

/** The daemon has an environment of its own; the one of this shell counts too, as it does for Hugging Face's tools. */
function isHubOffline(env: NodeJS.ProcessEnv): boolean {
  return ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"].some((name) => /^(?:1|on|yes|true)$/i.test(env[name] ?? ""));
}
