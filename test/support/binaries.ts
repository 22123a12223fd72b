/** Runs the real binaries as processes, each test in folders and an environment of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const BIN = join(fileURLToPath(new URL(".", import.meta.url)), "..", "..", "..", "packages", "cli", "bin");

export interface Folders {
  readonly root: string;
  readonly cacheDir: string;
  readonly stateDir: string;
  remove(): Promise<void>;
}

/** Fresh folders for one node. */
export async function makeFolders(parent: string = tmpdir()): Promise<Folders> {
  const root = await mkdtemp(join(parent, "swarmd-"));
  return {
    root,
    cacheDir: join(root, "hub"),
    stateDir: join(root, "state"),
    remove: () => rm(root, { recursive: true, force: true }),
  };
}

/** What every run gets: nothing of the user's own configuration. */
export function environmentFor(
  folders: Folders,
  endpoint: string,
  more: Readonly<Record<string, string>> = {},
): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    HOME: folders.root,
    HF_HUB_CACHE: folders.cacheDir,
    SWARM_HOME: folders.stateDir,
    HF_ENDPOINT: endpoint,
    NO_COLOR: "1",
    // Several daemons of one test stand beside each other.
    SWARM_GATEWAY_PORT: "0",
    ...more,
  };
}

export interface Finished {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly elapsedMs: number;
}

export interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  /** What it has printed so far. */
  stdout(): string;
  stderr(): string;
  readonly finished: Promise<Finished>;
}

/** Starts `swarm` or `swarmd`; the caller waits for `finished` or kills it. `inherit` shows its output instead of keeping it. */
export function launch(
  binary: "swarm" | "swarmd",
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  options: { readonly cwd?: string; readonly inherit?: boolean } = {},
): Running {
  const startedMs = performance.now();
  const child = spawn(process.execPath, [join(BIN, binary), ...args], {
    env,
    cwd: options.cwd ?? tmpdir(),
    stdio: options.inherit === true ? "inherit" : ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exitCode, signal) =>
      resolve({ exitCode, signal, stdout, stderr, elapsedMs: performance.now() - startedMs }),
    );
  });
  return { child, pid: child.pid as number, stdout: () => stdout, stderr: () => stderr, finished };
}

/** Runs `swarm` to its end. */
export function runSwarm(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  options: { readonly cwd?: string } = {},
): Promise<Finished> {
  return launch("swarm", args, env, options).finished;
}

/** Starts a daemon and waits until it says it is ready. */
export async function startDaemon(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Running> {
  const daemon = launch("swarmd", ["start", "--log-format", "json", ...args], env);
  const { child } = daemon;
  await new Promise<void>((resolve, reject) => {
    const look = () => {
      if (daemon.stderr().includes('"ready"') || daemon.stdout().includes("ready")) resolve();
    };
    child.stderr?.on("data", look);
    child.stdout?.on("data", look);
    child.once("close", () => reject(new Error(`swarmd ended before it was ready:\n${daemon.stderr()}`)));
  });
  return daemon;
}

/** Stops a daemon as a service manager would. */
export async function stopDaemon(daemon: Running): Promise<Finished> {
  daemon.child.kill("SIGTERM");
  return await daemon.finished;
}

/** The lines of a `--json` run. */
export function jsonLines(text: string): { readonly type: string; readonly [field: string]: unknown }[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}
