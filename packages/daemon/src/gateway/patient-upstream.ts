/**
 * The Hub with the patience of our callers: they wait ten seconds for a head, so we can't. A Hub that was found to be down is left alone
 * for some seconds by those who can do without it.
 */
import { type ErrorCode, SwarmError, toSwarmError } from "@swarmd/protocol";
import type { ByteSink, HubAnswer, HubHead, HubRequest, Upstream } from "./ports.js";

/** huggingface_hub gives up on a HEAD after 10 s; two questions one after the other still have to fit where it matters. */
const PATIENCE_MS = 8_000;
/** The same when there is something to answer with. */
const SHORT_PATIENCE_MS = 4_000;
const LEFT_ALONE_MS = 5_000;
/** Answers about large repos list every file. */
export const MOST_JSON_BYTES = 64 * 1024 * 1024;

const DOWN: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "ORIGIN_UNREACHABLE",
  "ORIGIN_FAULT",
  "ORIGIN_BUSY",
  "ORIGIN_STALLED",
  "OFFLINE",
]);

/** Whether the Hub gave no answer of its own. */
export function isDown(error: unknown): error is SwarmError {
  return error instanceof SwarmError && DOWN.has(error.code);
}

export class PatientUpstream {
  readonly #upstream: Upstream;
  readonly #isOffline: boolean;
  readonly #nowMs: () => number;
  #down: { readonly untilMs: number; readonly error: SwarmError } | undefined;

  constructor(
    options: { readonly isOffline: boolean },
    deps: { readonly upstream: Upstream; readonly nowMs: () => number },
  ) {
    this.#isOffline = options.isOffline;
    this.#upstream = deps.upstream;
    this.#nowMs = deps.nowMs;
  }

  /**
   * @param options.canDoWithout there is something to answer with instead
   * @throws SwarmError ORIGIN_*, OFFLINE, INTERRUPTED
   */
  async ask(
    request: HubRequest,
    options: { readonly signal?: AbortSignal; readonly canDoWithout?: boolean } = {},
  ): Promise<HubAnswer> {
    const { canDoWithout = false } = options;
    this.#refuse(canDoWithout);
    const late = AbortSignal.timeout(canDoWithout ? SHORT_PATIENCE_MS : PATIENCE_MS);
    const signal = options.signal === undefined ? late : AbortSignal.any([late, options.signal]);
    try {
      const answer = await this.#upstream.ask(request, { signal, maxBytes: MOST_JSON_BYTES });
      this.#down = undefined;
      return answer;
    } catch (error) {
      throw this.#note(late.aborted ? tooLate(error) : toSwarmError(error));
    }
  }

  /** For answers of any length: no bound on their time, only on silence. @throws as {@link ask} */
  async stream(
    request: HubRequest,
    onHead: (head: HubHead) => ByteSink | undefined,
    options: { readonly signal: AbortSignal },
  ): Promise<void> {
    this.#refuse(false);
    try {
      await this.#upstream.stream(request, onHead, options);
    } catch (error) {
      throw this.#note(toSwarmError(error));
    }
  }

  #refuse(canDoWithout: boolean): void {
    if (this.#isOffline) {
      throw new SwarmError("OFFLINE", "this node is told not to ask the Hub, and nobody here has what was asked for", {
        hint: "Pull it while there is a network, or unset HF_HUB_OFFLINE for swarmd.",
      });
    }
    if (canDoWithout && this.#down !== undefined && this.#down.untilMs > this.#nowMs()) throw this.#down.error;
  }

  #note(error: SwarmError): SwarmError {
    if (isDown(error)) this.#down = { untilMs: this.#nowMs() + LEFT_ALONE_MS, error };
    return error;
  }
}

function tooLate(cause: unknown): SwarmError {
  return new SwarmError("ORIGIN_STALLED", "the Hub did not answer in time", {
    cause,
    hint: "Try again; what is in the cache is served meanwhile.",
  });
}
