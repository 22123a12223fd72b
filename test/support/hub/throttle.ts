/**
 * An uplink of limited rate, shared fairly: whoever wants to send asks for a quantum, and those who ask are served in
 * turn. Each connection asks for one quantum at a time, so being served in turn is being served fairly.
 */

interface Waiter {
  readonly bytes: number;
  /** True when nobody is there any more to use the bytes. */
  readonly isGone: () => boolean;
  readonly grant: () => void;
}

/** An idle link saves up no more than this: a real one saves up nothing, but a timer is not exact. */
const IDLE_CREDIT_S = 0.005;
/** A late timer on a busy machine is not the link's fault, so with senders waiting it catches up this much. */
const BUSY_CREDIT_S = 0.25;
const MIN_QUANTUM_BYTES = 4 * 1024;
const MAX_QUANTUM_BYTES = 1024 * 1024;

export class Throttle {
  #bytesPerSecond: number | undefined;
  #creditBytes = 0;
  #lastMs = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #queue: Waiter[] = [];

  /** @param bytesPerSecond undefined: no limit */
  constructor(bytesPerSecond?: number) {
    this.setRate(bytesPerSecond);
  }

  /** Changes the rate at once, also for those who wait. undefined: no limit. */
  setRate(bytesPerSecond: number | undefined): void {
    this.#refill();
    this.#bytesPerSecond = bytesPerSecond;
    this.#creditBytes = 0;
    this.#drain();
  }

  /** How much to ask for at once: about 10 ms of the rate. */
  get quantumBytes(): number {
    if (this.#bytesPerSecond === undefined) return MAX_QUANTUM_BYTES;
    return Math.min(MAX_QUANTUM_BYTES, Math.max(MIN_QUANTUM_BYTES, Math.ceil(this.#bytesPerSecond / 100)));
  }

  /** Resolves when `bytes` may be sent. Returns undefined, with nothing to wait for, on an unlimited link. */
  take(bytes: number, isGone: () => boolean): Promise<void> | undefined {
    if (this.#bytesPerSecond === undefined) return undefined;
    return new Promise((grant) => {
      this.#refill();
      this.#queue.push({ bytes, isGone, grant });
      this.#drain();
    });
  }

  /** Lets everybody go: the Hub stops. */
  stop(): void {
    this.setRate(undefined);
  }

  #refill(): void {
    const now = performance.now();
    const rate = this.#bytesPerSecond ?? 0;
    const cap = rate * (this.#queue.length > 0 ? BUSY_CREDIT_S : IDLE_CREDIT_S);
    this.#creditBytes = Math.min(cap, this.#creditBytes + ((now - this.#lastMs) / 1000) * rate);
    this.#lastMs = now;
  }

  #drain(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const rate = this.#bytesPerSecond;
    while (this.#queue.length > 0 && (rate === undefined || this.#creditBytes > 0)) {
      const waiter = this.#queue.shift() as Waiter;
      // A quantum may overdraw the credit; the debt is waited for, so the rate over time is exact.
      if (!waiter.isGone()) this.#creditBytes -= waiter.bytes;
      waiter.grant();
    }
    if (this.#queue.length === 0 || rate === undefined) return;
    const waitMs = Math.max(1, Math.ceil((-this.#creditBytes / rate) * 1000));
    this.#timer = setTimeout(() => {
      this.#refill();
      this.#drain();
    }, waitMs);
  }
}
