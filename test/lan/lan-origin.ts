/** The embedded Hub, on the origin host of a LAN. */
import { fileURLToPath } from "node:url";
import type { HostProcess, LanHost } from "./lan-host.js";

const SCRIPT = fileURLToPath(new URL("./origin-host.js", import.meta.url));
/** Digests of some GB are computed first. */
const READY_MS = 180_000;
const ANSWER_MS = 5_000;

export interface Egress {
  /** Bytes of file bodies sent since it was last asked. */
  readonly bytesSent: number;
  /** Of these, bytes that had been sent before. */
  readonly bytesSentTwice: number;
  /** Files and answers, by the address of who asked. */
  readonly bytesByHost: Readonly<Record<string, number>>;
}

export class LanOrigin {
  readonly url: string;
  readonly #process: HostProcess;
  #asked = 0;

  private constructor(url: string, process: HostProcess) {
    this.url = url;
    this.#process = process;
  }

  /** Repos of the same size, by name. */
  static async start(host: LanHost, weightBytes: number, repos: readonly string[]): Promise<LanOrigin> {
    const process = host.node(SCRIPT, [host.address, String(weightBytes), ...repos]);
    const { url } = JSON.parse(await process.line((line) => line.includes('"ready"'), READY_MS));
    return new LanOrigin(url, process);
  }

  /** What was sent since the last call. */
  egress(): Promise<Egress> {
    return this.#ask("stats");
  }

  /** The same, and goes on counting. */
  peek(): Promise<Egress> {
    return this.#ask("peek");
  }

  /** From now on no byte of a file leaves the origin; it still says what there is. */
  withhold(): void {
    this.#process.child.stdin?.write("withhold\n");
  }

  async #ask(command: "stats" | "peek"): Promise<Egress> {
    this.#asked += 1;
    this.#process.child.stdin?.write(`${command}\n`);
    const isAnswer = () => this.#process.lines.filter((line) => line.includes('"stats"')).length >= this.#asked;
    await this.#process.line(isAnswer, ANSWER_MS);
    const answers = this.#process.lines.filter((line) => line.includes('"stats"'));
    return JSON.parse(answers[this.#asked - 1] as string);
  }
}
