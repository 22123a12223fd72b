/** A daemon on a host of the LAN, with folders of its own, and pulls through it. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { DoneEvent } from "@swarmd/protocol/api";
import type { HostProcess, LanHost } from "./lan-host.js";

const BIN = fileURLToPath(new URL("../../../packages/cli/bin/", import.meta.url));
const READY_MS = 30_000;

export interface DemoNodeOptions {
  readonly host: LanHost;
  /** A folder of its own is made in it. */
  readonly folder: string;
  readonly endpoint: string;
  /** Further arguments of `swarmd start`. */
  readonly startArgs: readonly string[];
}

export class DemoNode {
  readonly host: LanHost;
  readonly cacheDir: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #daemon: HostProcess;

  constructor({ host, folder, endpoint, startArgs }: DemoNodeOptions) {
    const root = join(folder, host.name);
    mkdirSync(root, { recursive: true });
    this.host = host;
    this.cacheDir = join(root, "hub");
    this.#env = {
      PATH: process.env.PATH,
      HOME: root,
      HF_HUB_CACHE: this.cacheDir,
      SWARM_HOME: join(root, "state"),
      HF_ENDPOINT: endpoint,
      NO_COLOR: "1",
    };
    this.#daemon = host.node(join(BIN, "swarmd"), ["start", ...startArgs], this.#env);
  }

  get pid(): number {
    return this.#daemon.pid;
  }

  /** What the daemon has logged. */
  log(): string {
    return this.#daemon.stderr();
  }

  /** @throws Error with what the daemon said when it does not start */
  async ready(): Promise<void> {
    await this.#daemon.line((line) => line.includes("is ready"), READY_MS);
  }

  /** Pulls a repo and returns the last line. @throws Error when the pull fails or takes too long */
  async pull(repo: string, deadlineMs: number): Promise<DoneEvent> {
    const pull = this.host.node(join(BIN, "swarm"), ["pull", repo, "--json"], this.#env);
    return JSON.parse(await pull.line((line) => JSON.parse(line).type === "done", deadlineMs));
  }

  /** As if the power failed. */
  kill(): void {
    this.#daemon.child.kill("SIGKILL");
  }

  /** Ends the daemon and waits for it. */
  async stop(): Promise<void> {
    this.#daemon.child.kill("SIGTERM");
    await this.#daemon.ended;
  }
}
