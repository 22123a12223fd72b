/** Notices interfaces that come and go: a cable that is plugged in, Wi-Fi that is switched off, a machine that wakes up. */
import type { LocalInterface } from "./link-class.js";

export interface InterfaceWatchOptions {
  readonly pollMs: number;
}

export interface InterfaceWatchDeps {
  /** Anything that differs when interfaces differ; cheap. */
  readonly peek: () => string;
  readonly read: () => Promise<readonly LocalInterface[]>;
  /** Called once for every change, and when the machine has slept; never twice at a time. */
  readonly onChange: (now: readonly LocalInterface[], before: readonly LocalInterface[]) => Promise<void>;
  readonly onFailure: (error: unknown) => void;
}

/** Node has no way to be told; a look costs some 50 µs. A transfer over a cable that was pulled stands still until then. */
export const POLL_MS = 500;
/** A look that comes so much too late means that the machine slept. */
const SLEPT_MS = 15_000;

export class InterfaceWatch {
  readonly name = "interface-watch";
  readonly #options: InterfaceWatchOptions;
  readonly #deps: InterfaceWatchDeps;
  #current: readonly LocalInterface[] = [];
  #peeked = "";
  #lookedMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: InterfaceWatchOptions, deps: InterfaceWatchDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** As of the last look. */
  get interfaces(): readonly LocalInterface[] {
    return this.#current;
  }

  async start(): Promise<void> {
    this.#peeked = this.#deps.peek();
    this.#lookedMs = performance.now();
    this.#current = await this.#deps.read();
    this.#schedule();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  /** Looks now. Never rejects. */
  async look(): Promise<void> {
    try {
      const peeked = this.#deps.peek();
      const nowMs = performance.now();
      const hasSlept = nowMs - this.#lookedMs > this.#options.pollMs + SLEPT_MS;
      this.#lookedMs = nowMs;
      if (peeked === this.#peeked && !hasSlept) return;
      const before = this.#current;
      const now = await this.#deps.read();
      if (this.#isStopped) return;
      this.#peeked = peeked;
      this.#current = now;
      await this.#deps.onChange(now, before);
    } catch (error) {
      this.#deps.onFailure(error);
    }
  }

  #schedule(): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => void this.look().finally(() => this.#schedule()), this.#options.pollMs);
    this.#timer.unref();
  }
}
