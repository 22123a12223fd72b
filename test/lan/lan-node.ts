/** A daemon on a host of the LAN, with folders of its own, and commands given to it. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { DoneEvent, NodeStatus } from "@swarmd/protocol/api";
import { daemonClient } from "../support/daemon-client.js";
import type { HostProcess, LanHost } from "./lan-host.js";

const BIN = fileURLToPath(new URL("../../../packages/cli/bin/", import.meta.url));
/** Many that start at once on few cores take their time. */
const READY_MS = 120_000;
/** A daemon that has no core for itself is slow to answer when many peers come at once. */
const ANSWER_MS = 30_000;

export interface LanNodeOptions {
  readonly host: LanHost;
  /** A folder of its own is made in it. */
  readonly folder: string;
  readonly endpoint: string;
  /** Further arguments of `swarmd start`. */
  readonly startArgs?: readonly string[];
}

/** A pull that runs. */
export interface RunningPull {
  readonly process: HostProcess;
  /** The last line. Rejects when the pull fails or takes too long. */
  readonly done: Promise<DoneEvent>;
}

export class LanNode {
  readonly host: LanHost;
  readonly root: string;
  readonly cacheDir: string;
  readonly stateDir: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #client: ReturnType<typeof daemonClient>;
  #startArgs: readonly string[];
  #daemon: HostProcess;

  constructor({ host, folder, endpoint, startArgs = [] }: LanNodeOptions) {
    this.host = host;
    this.root = join(folder, host.name);
    mkdirSync(this.root, { recursive: true });
    this.cacheDir = join(this.root, "hub");
    this.stateDir = join(this.root, "state");
    this.#env = {
      PATH: process.env.PATH,
      HOME: this.root,
      HF_HUB_CACHE: this.cacheDir,
      SWARM_HOME: this.stateDir,
      HF_ENDPOINT: endpoint,
      NO_COLOR: "1",
    };
    this.#client = daemonClient(this.stateDir);
    this.#startArgs = startArgs;
    this.#daemon = this.#start();
  }

  get pid(): number {
    return this.#daemon.pid;
  }

  /** What the daemon has logged. */
  log(): string {
    return this.#daemon.stderr();
  }

  get isRunning(): boolean {
    return this.#daemon.child.exitCode === null && this.#daemon.child.signalCode === null;
  }

  /** @throws Error with what the daemon said when it does not start */
  async ready(): Promise<void> {
    await this.#daemon.line((line) => line.includes("is ready"), READY_MS);
  }

  /** @throws SwarmError DAEMON_UNREACHABLE */
  status(): Promise<NodeStatus> {
    return this.#client.status(undefined, { signal: AbortSignal.timeout(ANSWER_MS) });
  }

  /** Ids of the peers that it knows and is connected to. @throws SwarmError DAEMON_UNREACHABLE */
  async peers(): Promise<readonly string[]> {
    return (await this.status()).peers.map(({ id }) => id);
  }

  /** Runs `swarm` with these arguments on the host. */
  swarm(...args: readonly string[]): HostProcess {
    return this.host.node(join(BIN, "swarm"), args, this.#env);
  }

  /** Runs `swarm pull --json`. */
  startPull(repo: string, deadlineMs: number): RunningPull {
    const pull = this.swarm("pull", repo, "--json");
    const done = pull.line((line) => JSON.parse(line).type === "done", deadlineMs).then((line) => JSON.parse(line));
    // Whoever started it may end the node before it looks.
    done.catch(() => undefined);
    return { process: pull, done };
  }

  /** Pulls a repo and returns the last line. @throws Error when the pull fails or takes too long */
  pull(repo: string, deadlineMs: number): Promise<DoneEvent> {
    return this.startPull(repo, deadlineMs).done;
  }

  /** Removes a repo from its cache. @throws Error with what `swarm rm` said */
  async remove(repo: string): Promise<void> {
    const removal = this.swarm("rm", repo, "--yes");
    if ((await removal.ended) !== 0) throw new Error(`swarm rm ${repo} on ${this.host.name}: ${removal.stderr()}`);
  }

  /** As if the power failed. */
  async kill(): Promise<void> {
    this.#daemon.child.kill("SIGKILL");
    await this.#daemon.ended;
  }

  /** As if the lid was closed, and opened again. */
  suspend(): void {
    this.#daemon.child.kill("SIGSTOP");
  }

  resume(): void {
    this.#daemon.child.kill("SIGCONT");
  }

  /** Ends the daemon and waits for it. @returns its exit code */
  async stop(): Promise<number | null> {
    this.#daemon.child.kill("SIGTERM");
    return await this.#daemon.ended;
  }

  /** Starts a daemon on the same folders again, after {@link stop} or {@link kill}. */
  restart(startArgs: readonly string[] = this.#startArgs): void {
    this.#startArgs = startArgs;
    this.#daemon = this.#start();
  }

  /** Removes its folders. */
  forget(): void {
    rmSync(this.root, { recursive: true, force: true });
  }

  #start(): HostProcess {
    return this.host.node(join(BIN, "swarmd"), ["start", ...this.#startArgs], this.#env);
  }
}
