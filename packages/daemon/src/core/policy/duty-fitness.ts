/** Whether others should hang on our node: who finds itself too slow says so, and stands behind the others for a while. */

/** Long enough not to hold up every other shard, short enough to be back after a backup or a video call; doubling. */
const FIRST_PAUSE_MS = 60_000;
const MOST_PAUSE_MS = 16 * FIRST_PAUSE_MS;
/** What it says to have of its capacity meanwhile: clearly of the slow, and most of what a node that crawls can do. */
const UNFIT_SHARE = 1 / 16;

export class DutyFitness {
  #untilMs = 0;
  #pauses = 0;

  /** When the pause ends; the past while there is none. */
  get untilMs(): number {
    return this.#untilMs;
  }

  /** Rises with every change: what was computed before counts us among the others. */
  version(nowMs: number): number {
    return 2 * this.#pauses - (this.isFit(nowMs) ? 0 : 1);
  }

  /** Bytes per second that others may count on. */
  capacity(fullBytesPerS: number, nowMs: number): number {
    return this.isFit(nowMs) ? fullBytesPerS : fullBytesPerS * UNFIT_SHARE;
  }

  isFit(nowMs: number): boolean {
    return nowMs >= this.#untilMs;
  }

  /** fit -> unfit. Nothing happens to who stepped down already. @returns whether that is news. */
  stepDown(nowMs: number): boolean {
    if (!this.isFit(nowMs)) return false;
    this.#untilMs = nowMs + Math.min(MOST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#pauses);
    this.#pauses += 1;
    return true;
  }
}
