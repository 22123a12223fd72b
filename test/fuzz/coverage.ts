/** Which branches of our own code have run, as V8 counts them: an input that reaches a new one is worth keeping. */
import { type Profiler, Session } from "node:inspector";

export class Coverage {
  readonly #session = new Session();
  readonly #seen = new Set<string>();

  constructor() {
    this.#session.connect();
    this.#post("Profiler.enable");
    // With counts: without them V8 tells only once of what ran, and a second session hears nothing.
    this.#post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  /** @returns whether anything ran since the last call that had never run before */
  takeNew(): boolean {
    const { result } = this.#post("Profiler.takePreciseCoverage") as Profiler.TakePreciseCoverageReturnType;
    const before = this.#seen.size;
    for (const { url, functions } of result) {
      if (!isOurs(url)) continue;
      for (const { functionName, ranges } of functions) {
        for (const { startOffset, endOffset, count } of ranges) {
          if (count > 0) this.#seen.add(`${url}:${functionName}:${startOffset}-${endOffset}`);
        }
      }
    }
    return this.#seen.size > before;
  }

  get size(): number {
    return this.#seen.size;
  }

  stop(): void {
    this.#post("Profiler.stopPreciseCoverage");
    this.#session.disconnect();
  }

  /** The session answers before `post` returns. */
  #post(method: string, params: object = {}): unknown {
    let answer: unknown;
    this.#session.post(method, params, (error: Error | null, result?: object) => {
      if (error !== null) throw error;
      answer = result;
    });
    return answer;
  }
}

/** The decoders and what they are built on; not this harness. */
function isOurs(url: string): boolean {
  return url.includes("/dist/") && !url.includes("/test/dist/") && !url.includes("/node_modules/");
}
