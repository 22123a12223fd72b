/** Hosts that asked to be left alone, and until when. */
export class QuietHosts {
  readonly #untilMs = new Map<string, number>();

  /** A host asked for `retryAfterMs` of silence. It may prolong what it asked for before, not shorten it. */
  note(host: string, retryAfterMs: number, nowMs: number): void {
    this.#untilMs.set(host, Math.max(nowMs + retryAfterMs, this.#untilMs.get(host) ?? 0));
  }

  /** How long a host is still to be left alone, in ms; 0 is not at all. */
  remainingMs(host: string, nowMs: number): number {
    const remainingMs = (this.#untilMs.get(host) ?? 0) - nowMs;
    if (remainingMs > 0) return remainingMs;
    this.#untilMs.delete(host);
    return 0;
  }
}
