/** Whether our node should be on duty for others: who finds itself too slow says so, and leaves duty to the others for a while. */

/** Long enough not to hold up every other shard, short enough to be back after a backup or a video call; doubling. */
const FIRST_PAUSE_MS = 60_000;
const MOST_PAUSE_MS = 16 * FIRST_PAUSE_MS;

export class DutyFitness {
  #untilMs = 0;
  #pauses = 0;

  /** How often it stepped down: what was computed before counts us among the fit. */
  get pauses(): number {
    return this.#pauses;
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
