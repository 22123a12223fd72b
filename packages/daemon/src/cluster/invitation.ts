/** One code and what is left of it. Pure but for the code it is given; a wrong guess costs a try, and the third voids it. */
import type { PairCode } from "./pair-code.js";

/** Long enough to walk to the other machine, short enough that nobody finds it on a screen the next day. */
export const INVITATION_MS = 10 * 60_000;
export const TRIES = 3;

export class Invitation {
  readonly code: PairCode;
  readonly expiresAtMs: number;
  #wrong = 0;
  #underWay = 0;
  #isOver = false;

  constructor(code: PairCode, nowMs: number) {
    this.code = code;
    this.expiresAtMs = nowMs + INVITATION_MS;
  }

  /** How often a code may still be wrong. Tries under way count as wrong until they prove right: many at once are no more than three. */
  get triesLeft(): number {
    return TRIES - this.#wrong - this.#underWay;
  }

  isOpen(nowMs: number): boolean {
    return !this.#isOver && this.#wrong < TRIES && nowMs < this.expiresAtMs;
  }

  /** A try begins. @returns whether there was one left */
  take(nowMs: number): boolean {
    if (!this.isOpen(nowMs) || this.triesLeft === 0) return false;
    this.#underWay += 1;
    return true;
  }

  /** The code was right: that try does not count, and the code is good for the next machine of the rack. */
  right(): void {
    this.#underWay -= 1;
  }

  /** The code was wrong, or nothing more was heard. */
  wrong(): void {
    this.#underWay -= 1;
    this.#wrong += 1;
  }

  /** any -> over */
  end(): void {
    this.#isOver = true;
  }
}
