/** Who waits for a pull now: people at a terminal, readers of the gateway. */

export class Attention {
  readonly #nowMs: () => number;
  #waiting = 0;
  #calmSinceMs = Number.NEGATIVE_INFINITY;
  /** Called before {@link wait} returns, and when the last one has left. */
  onChange: () => void = () => undefined;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  get isSomebodyWaiting(): boolean {
    return this.#waiting > 0;
  }

  /** When the last one left. */
  get calmSinceMs(): number {
    return this.#calmSinceMs;
  }

  /** Somebody waits from now on, until the returned function is called. */
  wait(): () => void {
    this.#waiting += 1;
    if (this.#waiting === 1) this.onChange();
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#waiting -= 1;
      if (this.#waiting > 0) return;
      this.#calmSinceMs = this.#nowMs();
      this.onChange();
    };
  }
}
