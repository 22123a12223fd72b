/**
 * The one machine that decides: `handle(input, now) -> effects`.
 *
 * Purpose: takes facts, keeps the books, says what to do next.
 * In: inputs of `messages.ts`, in the order in which they happened, with the time. Out: effects, to be carried out in order.
 * Never: I/O, a clock, dice. The same inputs give the same effects, so a thousand engines run in one process in virtual time.
 */
import type { BlobId } from "@swarmd/protocol";
import { Fetching } from "./fetching.js";
import { Lifecycle } from "./lifecycle.js";
import type { Effect, Input } from "./messages.js";
import { OriginPlanner } from "./planner/origin-planner.js";
import { type EngineOptions, EngineState } from "./state.js";

export type { EngineOptions } from "./state.js";

/** What a person may see of a blob that is on its way. `waiting`: no attempt is under way now. */
export interface BlobView {
  readonly doneBytes: number;
  readonly phase: "waiting" | "fetching" | "checking";
}

export class Engine {
  readonly #state: EngineState;
  readonly #lifecycle: Lifecycle;
  readonly #fetching: Fetching;
  readonly #planner: OriginPlanner;
  #wakeAtMs = Number.POSITIVE_INFINITY;

  constructor(options: EngineOptions) {
    this.#state = new EngineState(options);
    this.#lifecycle = new Lifecycle(this.#state);
    this.#fetching = new Fetching(this.#state, this.#lifecycle);
    this.#planner = new OriginPlanner(this.#state, this.#lifecycle, this.#fetching);
  }

  /**
   * @param nowMs of one monotonic clock; never less than the time before.
   * @throws SwarmError INTERNAL for a bug in the engine, never for an input.
   */
  handle(input: Input, nowMs: number): Effect[] {
    this.#state.nowMs = Math.max(nowMs, this.#state.nowMs);
    if (this.#apply(input)) this.#planner.plan();
    this.#emitWake();
    return this.#state.takeEffects();
  }

  /** How far a blob is; undefined when nobody wants it. */
  view(blob: BlobId): BlobView | undefined {
    const session = this.#state.sessions.get(blob);
    if (session === undefined) return undefined;
    const { phase, shards } = session;
    const doneBytes = shards.doneBytes;
    if (phase === "finishing") return { doneBytes, phase: "checking" };
    return { doneBytes, phase: session.attempts.size > 0 ? "fetching" : "waiting" };
  }

  /** @returns whether the input can give the planner something to do. */
  #apply(input: Input): boolean {
    switch (input.type) {
      case "want":
        this.#lifecycle.want(input);
        return true;
      case "unwant":
        this.#lifecycle.unwant(input);
        return true;
      case "opened":
        this.#lifecycle.opened(input);
        return true;
      case "present":
        this.#lifecycle.present(input);
        return true;
      case "store-failed":
        this.#lifecycle.storeFailed(input);
        return true;
      case "verified":
        this.#lifecycle.verified(input);
        return true;
      case "corrupt":
        this.#lifecycle.corrupt(input);
        return true;
      case "focus":
        this.#lifecycle.focus(input);
        return true;
      case "limits":
        this.#state.originRequests = input.originRequests;
        return true;
      case "progress":
        this.#fetching.progress(input);
        return false;
      case "checked":
        this.#fetching.checked(input);
        return false;
      case "ended":
        this.#fetching.ended(input);
        return true;
      case "wake":
        this.#wakeAtMs = Number.POSITIVE_INFINITY;
        this.#state.timers.takeDue(this.#state.nowMs);
        return true;
    }
  }

  #emitWake(): void {
    const atMs = this.#state.timers.earliestMs;
    if (atMs === this.#wakeAtMs) return;
    this.#wakeAtMs = atMs;
    this.#state.emit({ type: "wake", atMs });
  }
}
