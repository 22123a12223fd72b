/**
 * Whether the origin may be asked now.
 *
 * One broken connection among many that work says nothing about the origin; failure after failure without a byte in
 * between does, and so does its own word (Retry-After).
 */
import { backOffMs } from "./back-off.js";

export class OriginHealth {
  /** No request before this time. */
  blockedUntilMs = 0;
  #rounds = 0;
  #failedSinceProgress = false;

  /** Bytes came: all is well. */
  progressed(): void {
    this.#rounds = 0;
    this.#failedSinceProgress = false;
  }

  /** A request failed. `retryAfterMs` is the origin's own wish. */
  failed(nowMs: number, retryAfterMs: number | undefined, random: number): void {
    if (retryAfterMs !== undefined) this.#blockUntil(nowMs + retryAfterMs);
    if (!this.#failedSinceProgress) {
      this.#failedSinceProgress = true;
      return;
    }
    // Requests that were sent together fail together: that is one round, not many.
    if (nowMs < this.blockedUntilMs) return;
    this.#rounds += 1;
    this.#blockUntil(nowMs + backOffMs(this.#rounds, random));
  }

  #blockUntil(atMs: number): void {
    this.blockedUntilMs = Math.max(this.blockedUntilMs, atMs);
  }
}
